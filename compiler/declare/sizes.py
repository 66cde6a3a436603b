"""How large an expression is when it is written out."""

from __future__ import annotations

import sympy as sp


def nodes(expr: sp.Basic, known: dict[sp.Basic, int]) -> int:
    """Numbers, names and operations, equal parts counted as often as they occur; `known` holds what was counted."""
    if expr not in known:
        known[expr] = 1 + sum(nodes(part, known) for part in expr.args)
    return known[expr]


def levels(expr: sp.Basic, of: type[sp.Basic] | tuple[type[sp.Basic], ...] = sp.Basic) -> int:
    """Operations within operations, or of some types alone."""
    if not expr.args:
        return 0
    return isinstance(expr, of) + max(levels(part, of) for part in expr.args)
