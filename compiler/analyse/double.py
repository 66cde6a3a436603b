"""An expression in x as a NumPy function in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from learnact.compiler.declare.symbols import x

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


def in_double(expr: sp.Expr) -> Function:
    """The values of `expr` at an array of points; what is not real or finite there comes out as nan or inf."""
    constants = {c: sp.Float(c.evalf(20)) for c in expr.atoms(sp.Function) if not c.has(x)}
    compiled = sp.lambdify(x, expr.xreplace(constants), [_FUNCTIONS, "numpy"], cse=True)

    def values(points: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(compiled(points), float), np.shape(points))

    return values
