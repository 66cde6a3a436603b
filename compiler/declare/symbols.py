"""The symbols in which declarations are written, substitution for them, and an order of arguments that tie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

x = sp.Symbol("x", real=True)
"""The input. Every declaration is an expression in this symbol and in the parameters' symbols."""

gain = sp.Symbol("gain", positive=True)
shift = sp.Symbol("shift", real=True)
"""Unknowns of a start: write F = gain * (g + shift) and the compiler solves E[F^2] = E[F'^2] = 1."""

tilt = sp.Symbol("tilt_", real=True)
input_scale = sp.Symbol("input_scale_", positive=True)
"""Unknowns of a shaped start besides, F = gain * (g(input_scale * x) + tilt * x + shift); no parameter is named so."""

PLAIN = {gain: sp.S.One, shift: sp.S.Zero, tilt: sp.S.Zero, input_scale: sp.S.One}
"""The values of the unknowns at which F is g."""

NOT_REAL = (sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I)
"""SymPy constants that make an expression not real or not finite."""


def put(expr: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """Substitute values for symbols; Max and Min stay unevaluated, for SymPy compares arguments in seconds."""
    if not expr.args or not expr.free_symbols & values.keys():
        return values.get(expr, expr)
    arguments = [put(e, values) for e in expr.args]
    if isinstance(expr, (sp.Max, sp.Min)):
        return expr.func(*arguments, evaluate=False)
    return expr.func(*arguments)


def tie_order(arguments: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> list[sp.Expr]:
    """Arguments of a Max or Min in an order that decides ties of equal slope: the first of them has the derivative.

    Arguments without parameters come first, then by the first parameter (in declared order) that occurs.
    """
    rank = {s: k for k, s in enumerate(symbols)}

    def key(e: sp.Expr) -> tuple[int, Any]:
        ranks = [rank[s] for s in e.free_symbols if s in rank]
        return min(ranks, default=-1), sp.default_sort_key(e)

    return sorted(arguments, key=key)
