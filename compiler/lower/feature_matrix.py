"""Lower a declared basis to a feature matrix: eager torch then needs one operation a feature, and one product for F."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from learnact.compiler.declare.basis import Feature
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.program import FeatureMatrix, FeatureRow, Input


def lower_feature_matrix(
    activation: Activation, inputs: Sequence[Input], partials: Sequence[sp.Expr]
) -> FeatureMatrix | None:
    """The basis as a feature matrix; None where a feature takes several operations or a slope is no sum of features.

    `partials` are the features in the order of the inputs' entries, as the Program has them.
    """
    weighted = [f for f in activation.features if f.weighted]
    if not weighted or len(partials) != len(weighted) or sum(len(i.entries) for i in inputs) != len(partials):
        return None
    substituted: dict[sp.Symbol, sp.Expr] = {}
    rows: dict[sp.Symbol, FeatureRow] = {}
    for feature in activation.features:
        value = sp.expand(feature.value.xreplace(substituted))
        if not feature.weighted and value.as_coeff_Mul()[1] in rows:
            substituted[feature.symbol] = value
            continue
        row = _row(feature.symbol, value, rows)
        if row is None or not feature.weighted:
            return None
        rows[feature.symbol] = row
    place = {_named(p, weighted): k for k, p in enumerate(partials)}
    if set(place) != set(rows):  # two features of one value
        return None
    slopes = _slopes(activation.features, substituted, rows, place)
    order = tuple(sorted(rows, key=lambda s: place[s]))
    return None if slopes is None else FeatureMatrix(tuple(rows.values()), order, slopes)


def _named(partial: sp.Expr, weighted: Sequence[Feature]) -> sp.Expr:
    """The feature that a partial derivative is; the Program writes the simplest ones, 1 and x, by value."""
    return next((f.symbol for f in weighted if partial in (f.symbol, f.value)), partial)


def _row(symbol: sp.Symbol, value: sp.Expr, rows: Mapping[sp.Symbol, FeatureRow]) -> FeatureRow | None:
    scale = {x: sp.S.One} | {s: r.scale for s, r in rows.items()}
    if not value.free_symbols & set(rows):
        number, function = value.as_coeff_Mul()
        known = function in (1, x) or (function.is_Function and function.args == (x,))
        return FeatureRow(symbol, number, function=function) if known else None
    terms = {kind: t for t in sp.Add.make_args(value) if (kind := _kind(t, rows))}
    if len(terms) != len(sp.Add.make_args(value)) or "product" not in terms:
        return None
    number, product = terms["product"].as_coeff_Mul()
    left, right = _factors(product)
    number *= scale[left] * scale[right]
    if "addend" not in terms:
        return FeatureRow(symbol, number, left=left, right=right)
    share, addend = terms["addend"].as_coeff_Mul()
    addend = _ones(rows) if addend == 1 else addend
    if addend is None:
        return None
    own = share * scale[addend]
    return FeatureRow(symbol, own, addend=addend, factor=number / own, left=left, right=right)


def _kind(term: sp.Expr, rows: Mapping[sp.Symbol, FeatureRow]) -> str:
    _, rest = term.as_coeff_Mul()
    if rest == 1 or rest in rows:
        return "addend"
    return "product" if all(f == x or f in rows for f in _factors(rest)) and len(_factors(rest)) == 2 else ""


def _factors(product: sp.Expr) -> tuple[sp.Expr, ...]:
    """a b as (a, b), a**2 as (a, a); of anything else all in one."""
    powers = sorted(product.as_powers_dict().items(), key=lambda power: str(power[0]))
    factors = tuple(b for b, e in powers if e.is_Integer and e > 0 for _ in range(int(e)))
    return factors if sp.Mul(*factors) == product else (product,)


def _ones(rows: Mapping[sp.Symbol, FeatureRow]) -> sp.Symbol | None:
    return next((s for s, r in rows.items() if r.function == 1), None)


def _slopes(
    features: Sequence[Feature],
    substituted: Mapping[sp.Symbol, sp.Expr],
    rows: Mapping[sp.Symbol, FeatureRow],
    place: Mapping[sp.Expr, int],
) -> tuple[tuple[int, int, sp.Expr], ...] | None:
    """Each weighted feature's slope as a sum over rows."""
    known: dict[sp.Symbol, sp.Expr] = {}
    entries = []
    for feature in features:
        slope = sp.expand(feature.slope.xreplace({**substituted, **known}).xreplace(substituted))
        known[feature.slope_symbol] = slope
        if not feature.weighted:
            continue
        for number, symbol in (t.as_coeff_Mul() for t in sp.Add.make_args(slope) if t != 0):
            row = _ones(rows) if symbol == 1 else symbol
            if row not in rows:
                return None
            entries.append((place[feature.symbol], place[row], number * rows[row].scale))
    return tuple(sorted(entries))
