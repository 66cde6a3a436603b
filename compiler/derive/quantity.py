"""A derived number that knows whether it is exact."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.constants import DIGITS, evaluate


@dataclass(frozen=True)
class Quantity:
    """An expectation, moment or gain: a closed form, or a number with its error."""

    value: sp.Expr  # closed form, or an mpmath-precision Float
    exact: bool = True
    error: float = 0.0  # estimated absolute error; 0 when exact
    route: str = "closed form"  # the rule that gave it, for people

    def number(self, digits: int = DIGITS) -> sp.Expr:
        """The value to `digits` significant digits; free symbols stay."""
        return evaluate(self.value, digits)

    def times(self, factor: sp.Expr) -> Quantity:
        """The quantity times an exact positive factor."""
        value = self.value * factor
        return Quantity(value if self.exact else evaluate(value), self.exact, self.error * float(factor), self.route)

    def __float__(self) -> float:
        return float(self.number())
