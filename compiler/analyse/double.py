"""An expression in x as a NumPy function in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from learnact.compiler.declare.doubles import with_doubles
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.numeric import numeric

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
"""Points of any shape -> values of the same shape."""

_FUNCTIONS = {
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "gamma": np.vectorize(math.gamma, otypes=[float]),
    "sigmoid": lambda u: 0.5 * (1 + np.tanh(np.asarray(u) / 2)),
    "softplus": lambda u: np.logaddexp(0, u),
    "Heaviside": lambda u, at_zero=0.5: np.heaviside(u, at_zero),
}


PLACES = (-2.125, -0.75, 0.3125, 1.0625, 1.6875)
"""Where rounding is measured, in standard deviations."""


def rounding(expr: sp.Expr, sigma: float) -> float:
    """Relative error of `in_double` at a few points of |x| <= 2 sigma: large where coefficients cancel."""
    points = np.array(PLACES) * sigma
    with mp.workdps(40):
        exact = [mp.mpf(numeric(expr)(mp.mpf(p))) for p in points]
    size = max(map(abs, exact))
    errors = [abs(e - mp.mpf(float(d))) for e, d in zip(exact, in_double(expr)(points), strict=True)]
    return float(max(errors) / size) if size else 0.0


def in_double(expr: sp.Expr) -> Function:
    """The values of `expr` at an array of points; what is not real or finite there comes out as nan or inf."""
    constants = {c: sp.Float(c.evalf(20)) for c in expr.atoms(sp.Function) if not c.has(x)}
    compiled = sp.lambdify(x, with_doubles(expr.xreplace(constants)), [_FUNCTIONS, "numpy"], cse=True)

    def values(points: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(compiled(points), float), np.shape(points))

    return values
