"""The kink of a deep net by where it sends angles: kappa from the correlation after so many layers.

A line with one kink at 0, E[F^2] = E[F'^2] = 1, has C(c) = c + 3 kappa/(2 sqrt(2)) (sqrt(1 - c^2) - c arccos c), the
correlation map of a leaky ReLU (Cho & Saul 2009). kappa solves C(C(... C(0))) = eta, as Zhang et al. 2022
(arXiv:2203.08120) choose the slope of leaky ReLUs. Functions with other kinks bend alike near c = 1, not elsewhere.
"""

from __future__ import annotations

import mpmath as mp
import sympy as sp

from learnact.compiler.declare.constants import DIGITS
from learnact.errors import BadExpression

MOST_LAYERS = 10_000


def kappa_of(depth: sp.Expr, eta: sp.Expr) -> sp.Expr:
    """kappa at which inputs at right angles have the correlation eta after `depth` layers; a 30-digit rational.

    Raises BadExpression for a depth that is no whole number, and an eta that no slope reaches.
    """
    if not (depth.is_Integer and 1 <= depth <= MOST_LAYERS):
        raise BadExpression(f"with eta, depth must be a whole number from 1 to {MOST_LAYERS}, found {depth}")
    with mp.workdps(DIGITS + 10):
        target, steepest = mp.mpf(str(sp.N(eta, DIGITS + 10))), 4 * mp.sqrt(2) / (3 * mp.pi)  # of |x|
        reached = _after(steepest, int(depth))
        if not 0 < target <= reached:
            raise BadExpression(
                f"after {depth} layers the correlation of inputs at right angles lies between 0 and "
                f"{mp.nstr(reached, 6)} with one kink at 0, found eta = {eta}"
            )
        found = mp.findroot(lambda k: _after(k, int(depth)) - target, (0, steepest), solver="anderson", tol=1e-60)
        return sp.Rational(mp.nstr(found, DIGITS))


def _after(kappa: mp.mpf, depth: int) -> mp.mpf:
    c, factor = mp.mpf(0), 3 * kappa / (2 * mp.sqrt(2))
    for _ in range(depth):
        c += factor * (mp.sqrt(1 - c * c) - c * mp.acos(c))
    return c
