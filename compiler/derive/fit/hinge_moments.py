"""Moments of a piecewise-linear function given by its hinges, straight from truncated moments of the law."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Law
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.exact import piecewise_polynomial
from learnact.compiler.derive.expectation.moments import unit
from learnact.compiler.derive.expectation.terms import Poly
from learnact.compiler.derive.quantity import Quantity

Hinge = tuple[sp.Expr, sp.Expr]
"""Where it is, and by how much the slope changes there."""


def hinge_moments(level: sp.Expr, tilt: sp.Expr, hinges: Sequence[Hinge], law: Law) -> Moments:
    """Moments of level + tilt x + sum_i change_i relu(x - knot_i) with knots inside the support, as numbers."""
    scale = evaluate(unit(law), 2 * DIGITS)
    line = level, tilt * scale  # a + b u with u = x / scale
    lines = [(law.support[0], line)]
    for knot, change in sorted(hinges, key=lambda hinge: float(hinge[0])):
        line = line[0] - change * knot, line[1] + change * scale
        lines.append((knot / scale, line))

    def expected(of: Callable[[sp.Expr, sp.Expr], Poly]) -> sp.Expr:
        return evaluate(piecewise_polynomial([(since, of(a, b)) for since, (a, b) in lines], law))

    mean = expected(lambda a, b: {0: a, 1: b})
    second = expected(lambda a, b: {0: a**2, 1: 2 * a * b, 2: b**2})
    slope_second = expected(lambda a, b: {0: b**2}) / scale**2
    tilt_second = expected(lambda a, b: {1: a * b, 2: b**2})  # E[x F F']
    return Moments(*map(_quantity, (mean, second, slope_second, tilt_second / second)))


def _quantity(value: sp.Expr) -> Quantity:
    number = sp.N(value, DIGITS)
    return Quantity(number, False, float(max(abs(number), 1)) * 10.0**-DIGITS, "sums over the hinges")
