"""Lower an activation with a declared basis: F = sum of weights times features.

The features are emitted as declared (a recurrence, an angle addition); being dF/d(weight), they are also the
gradient. Weights that are functions of parameters become whole-vector statements, worked out before the element-wise
code: arithmetic on single coefficients would cost a kernel each on a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy as sp

from learnact.compiler.declare.basis import Feature
from learnact.compiler.declare.spec import Activation
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Input, Statement
from learnact.errors import BadDeclaration


def lower_basis(activation: Activation) -> tuple[tuple[Input, ...], Block, Block]:
    """Inputs, forward and backward. Raises BadDeclaration if the weights do not form whole vectors."""
    weighted = [f for f in activation.features if f.weighted]
    if len(weighted) != len(activation.weights):
        raise BadDeclaration(
            f"{activation.names.spec}: {len(activation.weights)} weights for {len(weighted)} weighted features"
        )
    inputs, groups = _vectors(activation, weighted)
    entry = {f.symbol: e for i, g in zip(inputs, groups, strict=True) for f, e in zip(g, i.entries, strict=True)}
    values, statements = _inlined([(f.symbol, f.value) for f in activation.features])
    terms = [(entry[f.symbol], values.get(f.symbol, f.symbol)) for f in weighted]
    forward = Block(_needed(statements, [v for _, v in terms]), (sp.Add(*(w * v for w, v in terms)),))

    slopes, slope_statements = _inlined(
        [(f.slope_symbol, f.slope.xreplace(values)) for f in activation.features], _used_slopes(activation.features)
    )
    slope = sp.Add(*(entry[f.symbol] * slopes.get(f.slope_symbol, f.slope_symbol) for f in weighted))
    partials = [values.get(f.symbol, f.symbol) for g in groups for f in g]
    everything = [*statements, *slope_statements]
    backward = Block(_needed(everything, [slope, *partials]), (slope, *partials))
    return inputs, forward, backward


def _vectors(activation: Activation, weighted: Sequence[Feature]) -> tuple[tuple[Input, ...], list[list[Feature]]]:
    """Group weights that are one expression of whole parameter vectors, entry by entry."""
    place = {s: (v.name, k) for v in activation.parameters for k, s in enumerate(v.symbols)}
    lengths = {v.name: len(v.symbols) for v in activation.parameters}
    groups: dict[sp.Expr, list[tuple[int, Feature, sp.Expr]]] = {}
    for weight, feature in zip(activation.weights, weighted, strict=True):
        indices = {place[s][1] for s in weight.free_symbols}
        if len(indices) != 1:
            raise BadDeclaration(f"{activation.names.spec}: the weight {weight} mixes entries of different index")
        factor, rest = weight.as_coeff_Mul()
        pattern = rest.xreplace({s: sp.Symbol(place[s][0], real=True) for s in weight.free_symbols})
        groups.setdefault(pattern, []).append((indices.pop(), feature, factor))
    fresh = Fresh([*lengths, *(f.symbol.name for f in activation.features)])
    inputs = []
    for pattern, members in groups.items():
        if [k for k, _, _ in members] != list(range(lengths[min(s.name for s in pattern.free_symbols)])):
            raise BadDeclaration(f"{activation.names.spec}: the weights {pattern} must use every entry, in order")
        stem = re.sub(r"\d+$", "", members[0][1].symbol.name) or "feature"
        factors = tuple(c for _, _, c in members)
        plain = pattern.is_Symbol and set(factors) == {1}
        name = pattern.name if plain else f"{stem}_weights"
        entries = (sp.Symbol(name, real=True),) if len(members) == 1 else fresh.letter(len(members))
        if len(members) == 1 and not plain:
            entries = (fresh.numbered(stem),)
        inputs.append(Input(name, None if plain else pattern, entries, () if set(factors) == {1} else factors))
    return tuple(inputs), [[f for _, f, _ in members] for members in groups.values()]


def _inlined(
    pairs: Sequence[tuple[sp.Symbol, sp.Expr]], keep: set[sp.Symbol] | None = None
) -> tuple[dict[sp.Symbol, sp.Expr], list[Statement]]:
    """Statements, with numbers, bare symbols and (given `keep`) everything used only once put in place."""
    inlined: dict[sp.Symbol, sp.Expr] = {}
    statements = []
    for symbol, value in pairs:
        value = value.xreplace(inlined)
        if value.is_number or value.is_Symbol or (keep is not None and symbol not in keep):
            inlined[symbol] = value
        else:
            statements.append(Statement(symbol, value))
    return inlined, statements


def _used_slopes(features: Sequence[Feature]) -> set[sp.Symbol]:
    symbols = {f.slope_symbol for f in features}
    return {s for f in features for s in f.slope.free_symbols if s in symbols}


def _needed(statements: Sequence[Statement], results: Sequence[sp.Expr]) -> tuple[Statement, ...]:
    """Only what the results reach."""
    wanted = {s for e in results for s in e.free_symbols}
    kept = []
    for statement in reversed(statements):
        if statement.target in wanted:
            kept.append(statement)
            wanted |= statement.value.free_symbols
    return tuple(reversed(kept))
