"""Numbers that NumPy's integers cannot hold, as floating-point numbers."""

from __future__ import annotations

import sympy as sp

LARGEST = 2**53
"""Up to here every integer is a double; printed ones beyond 64 bits become Python objects, which NumPy cannot take."""


def with_doubles(expr: sp.Basic) -> sp.Basic:
    """The expression as `lambdify` with NumPy takes it: rationals with a part beyond LARGEST are floats."""
    large = {r: sp.Float(r, 20) for r in expr.atoms(sp.Rational) if max(abs(r.p), r.q) > LARGEST}
    return expr.xreplace(large) if large else expr
