"""c -> E[F(u) F(v)]/E[F^2] of an expression: in closed form compared with quadrature, or by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.analyse.correlated import Correlated
from learnact.compiler.analyse.double import Array, in_double, rounding
from learnact.compiler.analyse.dual import c, dual
from learnact.compiler.analyse.gains import CANCELLED
from learnact.compiler.analyse.rule import integrals
from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Normal
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import Contradiction, NoClosedForm

EXACT = 1e-13
"""Error of a closed form that is evaluated in doubles."""

AGREEMENT = 1e-9
"""Largest difference between a closed form and quadrature, which reaches 1e-13."""

PROBE = 0.375
"""The correlation, and its negative, at which both are compared."""


@dataclass(frozen=True)
class Paired:
    """A map of correlations, 1 at c = 1."""

    closed: sp.Expr | None  # in the symbol `c`; None where it is computed
    error: float  # of values
    value: Callable[[Array], Array]

    def __call__(self, at: Array) -> Array:
        """The map at correlations `at`, of any shape."""
        return self.value(at)


def paired(
    function: sp.Expr, law: Normal, breaks: tuple[float, ...], second: Quantity, known: sp.Expr | None = None
) -> Paired:
    """E[F(u) F(v)]/E[F^2] of the expression `function` in x with kinks at `breaks`; `second` is E[F^2], not 0.

    `known` is a closed form where no rule of `dual` gives one. Raises NoClosedForm where quadrature does not resolve F,
    Contradiction where it differs from a closed form.
    """
    value = in_double(function)
    (_, mirrored), _ = integrals(law, lambda at: np.array([value(at) ** 2, value(at) * value(-at)]), breaks)
    numeric = Correlated(value, float(law.std), breaks, float(second), float(mirrored))
    whole = dual(function, law.std)
    closed = known if whole is None else whole / second.value
    if closed is None:
        if not numeric.resolved:
            raise NoClosedForm(
                f"{function} changes too often under {law} for its correlation map; give a smaller sigma"
            )
        return Paired(None, numeric.error / float(second), lambda at: numeric(at) / float(second))
    compiled = _in_numpy(closed)
    allowed = AGREEMENT + CANCELLED * rounding(function, float(law.std))
    due = {1.0: float(second), -1.0: float(mirrored)}
    if numeric.resolved:
        due[PROBE], due[-PROBE] = numeric.pair(PROBE)
    for at, found in due.items():
        if abs(float(compiled(at)) - found / float(second)) > allowed:
            raise Contradiction(
                f"C({at}) of {function} under {law} is {float(compiled(at)):.12g} in closed form and "
                f"{found / float(second):.12g} by quadrature; this is a fault of the compiler"
            )
    return Paired(closed, _rounding(closed), lambda at: np.broadcast_to(np.asarray(compiled(at), float), np.shape(at)))


def _in_numpy(closed: sp.Expr) -> Callable[[Array | float], Array]:
    """A function of correlations; numbers become doubles first, for NumPy takes no integer beyond 64 bits."""
    compiled: Callable[[Array | float], Array] = sp.lambdify(c, sp.N(closed, DIGITS), "numpy")
    return compiled


def _rounding(closed: sp.Expr) -> float:
    """Error of a closed form in doubles: at a small sigma its terms may cancel."""
    compiled, places = _in_numpy(closed), (-0.99, -PROBE, 0.0625, PROBE, 0.99)
    return max(
        EXACT, *(2 * abs(float(compiled(at)) - float(evaluate(closed.xreplace({c: sp.Rational(at)})))) for at in places)
    )
