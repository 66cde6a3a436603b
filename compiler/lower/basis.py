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
from learnact.compiler.declare.symbols import put, x
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


def of_argument(
    activation: Activation, inputs: tuple[Input, ...], forward: Block, backward: Block
) -> tuple[tuple[Input, ...], Block, Block]:
    """The same functions of rate x in place of x, with the rate, worked out before, as the last input.

    Raises BadDeclaration where the basis' argument holds parameters of several entries.
    """
    rate = activation.argument / x
    single = {v.values[0]: v for v in activation.parameters if len(v.symbols) == 1}
    if several := sorted(map(str, rate.free_symbols - single.keys())):
        raise BadDeclaration(f"{activation.names.spec}: {several[0]} in the argument of the basis is one of several")
    names = {s: sp.Symbol(v.name, real=True) if v.whole is None else v.whole for s, v in single.items()}
    taken = [*(v.name for v in activation.parameters), *(v.declared for v in activation.parameters)]
    taken += [n for i in inputs for n in (i.name, *(e.name for e in i.entries))]
    taken += [s.target.name for block in (forward, backward) for s in block.statements]
    fresh = Fresh(taken)
    u, r, rise, name = (fresh.numbered(stem) for stem in ("u", "r", "rise", "rate"))

    def placed(block: Block) -> list[Statement]:
        return [Statement(u, r * x), *(Statement(s.target, s.value.xreplace({x: u})) for s in block.statements)]

    slope, *partials = (e.xreplace({x: u}) for e in backward.results)
    return (
        (*inputs, Input(name.name, put(rate, names), (r,))),
        Block(tuple(placed(forward)), tuple(e.xreplace({x: u}) for e in forward.results)),
        Block((*placed(backward), Statement(rise, slope)), (r * rise, *partials, rise * x)),
    )


def _vectors(activation: Activation, weighted: Sequence[Feature]) -> tuple[tuple[Input, ...], list[list[Feature]]]:
    """Group weights that are one expression of whole parameter vectors, entry by entry; single entries serve all."""
    place = {s: (v.name, k) for v in activation.parameters for k, s in enumerate(v.symbols)}
    lengths = {v.name: len(v.symbols) for v in activation.parameters}
    groups: dict[sp.Expr, list[tuple[int, Feature, sp.Expr]]] = {}
    for weight, feature in zip(activation.weights, weighted, strict=True):
        held = {place[s] for s in weight.free_symbols}
        indices = {k for name, k in held if lengths[name] > 1} or {k for _, k in held}
        if len(indices) != 1:
            raise BadDeclaration(f"{activation.names.spec}: the weight {weight} mixes entries of different index")
        factor, rest = weight.as_coeff_Mul()
        pattern = rest.xreplace({s: sp.Symbol(place[s][0], real=True) for s in weight.free_symbols})
        groups.setdefault(pattern, []).append((indices.pop(), feature, factor))
    fresh = Fresh([*lengths, *(f.symbol.name for f in activation.features)])
    inputs = []
    for pattern, members in groups.items():
        if [k for k, _, _ in members] != list(range(max(lengths[s.name] for s in pattern.free_symbols))):
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
