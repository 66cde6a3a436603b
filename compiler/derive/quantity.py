"""A derived number that knows whether it is exact."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.constants import DIGITS, evaluate


@dataclass(frozen=True)
class Quantity:
    """An expectation, moment or gain: a closed form, a number with its error, or NaN with the reason in `route`."""

    value: sp.Expr  # closed form, or an mpmath-precision Float
    exact: bool = True
    error: float = 0.0  # estimated absolute error; 0 when exact
    route: str = "closed form"  # the rule that gave it, for people

    @classmethod
    def none(cls, reason: str) -> Quantity:
        """What does not exist, or cannot be shown to."""
        return cls(sp.nan, exact=False, error=float("nan"), route=reason)

    @property
    def exists(self) -> bool:
        """Whether there is a value."""
        return self.value is not sp.nan

    def number(self, digits: int = DIGITS) -> sp.Expr:
        """The value to `digits` significant digits; free symbols stay."""
        return evaluate(self.value, digits) if self.exists else self.value

    def times(self, factor: sp.Expr) -> Quantity:
        """The quantity times an exact positive factor."""
        if not self.exists:
            return self
        value = self.value * factor
        return Quantity(value if self.exact else evaluate(value), self.exact, self.error * float(factor), self.route)

    def __float__(self) -> float:
        return float(self.number())
