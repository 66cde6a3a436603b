"""Parameters that stay in a range, for which the module stores an unconstrained tensor, and such that do not learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.errors import BadDeclaration

Length = Callable[[int], int] | Literal[1]
"""Of a parameter: 1, or a function of the degree."""


@dataclass(frozen=True)
class Positive:
    """A parameter above a bound: `above` + exp(stored), or `above` + softplus(stored).

    `length` counts its entries, 1 or a function of the degree. Through `exp` a step of the optimizer multiplies the
    parameter (SnakeBeta's log scale); `through` `softplus` it adds to one that is large (xIELU's slopes). Raises
    BadDeclaration.
    """

    length: Length = 1
    through: Literal["exp", "softplus"] = "exp"
    above: sp.Expr | int = 0

    def __post_init__(self) -> None:
        if self.through not in ("exp", "softplus"):
            raise BadDeclaration(f"a positive parameter goes through exp or softplus, found {self.through!r}")
        _require_number(self.above)

    @property
    def prefix(self) -> str:
        """The stored tensor is called <prefix>_<name>."""
        return "log" if self.through == "exp" and self.above == 0 else "raw"

    def value(self, stored: sp.Expr) -> sp.Expr:
        """The parameter, from what is `stored`."""
        return self.above + (sp.exp(stored) if self.through == "exp" else softplus(stored))

    def stored(self, value: sp.Expr) -> sp.Expr:
        """What is stored for this `value` of the parameter."""
        above = value - self.above
        return sp.log(above) if self.through == "exp" else sp.log(sp.exp(above) - 1)

    def allows(self, value: sp.Expr) -> bool:
        """Whether the number `value` is in the range."""
        return bool(value > self.above)

    @property
    def scales(self) -> bool:
        """Whether a positive factor cannot lead out of the range."""
        return self.above == 0

    def __str__(self) -> str:
        return f"above {self.above}"


@dataclass(frozen=True)
class Between:
    """A parameter inside an open interval: `low` + (`high` - `low`) sigmoid(stored).

    `length` counts its entries, 1 or a function of the degree. Raises BadDeclaration.
    """

    low: sp.Expr | int
    high: sp.Expr | int
    length: Length = 1

    def __post_init__(self) -> None:
        _require_number(self.low)
        _require_number(self.high)
        if not sp.sympify(self.low) < sp.sympify(self.high):
            raise BadDeclaration(f"a parameter lies between two numbers in order, found {self.low} and {self.high}")

    @property
    def prefix(self) -> str:
        """The stored tensor is called <prefix>_<name>."""
        return "raw"

    def value(self, stored: sp.Expr) -> sp.Expr:
        """The parameter, from what is `stored`."""
        return self.low + (self.high - self.low) * sigmoid(stored)

    def stored(self, value: sp.Expr) -> sp.Expr:
        """What is stored for this `value` of the parameter."""
        return sp.log((value - self.low) / (self.high - value))

    def allows(self, value: sp.Expr) -> bool:
        """Whether the number `value` is in the range."""
        return bool(self.low < value) and bool(value < self.high)

    @property
    def scales(self) -> bool:
        """Whether a positive factor cannot lead out of the range."""
        return False

    def __str__(self) -> str:
        return f"between {self.low} and {self.high}"


Constraint = Positive | Between


@dataclass(frozen=True)
class Fixed:
    """A positive parameter that starts set and training leaves alone: the module holds it as a buffer.

    So it is saved, copied and moved with the parameters, and is none of `parameters()`. `length` counts its entries,
    1 or a function of the degree. F is differentiated by it like by any other: only the module keeps it from learning.
    """

    length: Length = 1


def _require_number(bound: sp.Expr | int) -> None:
    number = sp.sympify(bound, strict=True)
    if not (number.is_number and number.is_real and number.is_finite):
        raise BadDeclaration(f"the bound of a parameter is a real number, found {bound}")
