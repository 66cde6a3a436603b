"""Powers of a clamped base, to be differentiated: where the base stands still, they have no slope, of any order."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.cases import Piecewise
from learnact.compiler.declare.kinks import Largest, Smallest

TWICE = 2
"""Powers from this one on have a second derivative at 0."""


def split_powers(e: sp.Expr) -> sp.Expr:
    """max(c, u)**p as the power of c where u <= c and of u above, each of a base that is 1 elsewhere; min alike.

    Else the derivative of a power at 0, which may be infinite, is multiplied by the slope 0 of the maximum.
    """
    return e.replace(_is_clamped, _split)


def _is_clamped(e: sp.Basic) -> bool:
    if not (isinstance(e, sp.Pow) and isinstance(e.base, (Largest, Smallest))) or e.exp.is_Integer:
        return False
    steep = bool(e.exp.free_symbols) or bool(e.exp < TWICE)
    return steep and sum(bool(a.is_number) for a in e.base.args) == 1


def _split(power: sp.Expr) -> sp.Expr:
    base, exponent = power.args
    (bound,) = (a for a in base.args if a.is_number)
    others = [a for a in base.args if a != bound]
    moving = others[0] if len(others) == 1 else base.func(*others)
    stands = sp.Le(moving, bound) if isinstance(base, Largest) else sp.Ge(moving, bound)
    still, moved = (
        Piecewise((first, stands), (other, True), evaluate=False)
        for first, other in ((bound, sp.S.One), (sp.S.One, moving))
    )
    return Piecewise((still**exponent, stands), (moved**exponent, True), evaluate=False)
