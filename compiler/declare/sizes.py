"""How large an expression is when it is written out."""

from __future__ import annotations

import sympy as sp


def nodes(expr: sp.Basic, known: dict[sp.Basic, int]) -> int:
    """Numbers, names and operations, equal parts counted as often as they occur; `known` holds what was counted."""
    if expr not in known:
        known[expr] = 1 + sum(nodes(part, known) for part in expr.args)
    return known[expr]


def levels(expr: sp.Basic) -> int:
    """Operations within operations."""
    return 1 + max(map(levels, expr.args)) if expr.args else 0
