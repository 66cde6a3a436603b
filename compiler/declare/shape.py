"""What a start may fix beyond E[F^2] and E[F'^2]: how fast depth closes angles, and that F has mean 0.

Every start with E[F^2] = E[F'^2] = 1 is critical: its correlation map has C(1) = C'(1) = 1. What is left open, C''(1)
or with kinks kappa, sets the rate at which two inputs become one with depth (Martens et al. 2021, arXiv:2110.01765).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sympy as sp

from learnact.errors import BadDeclaration

Measure = Literal["curvature", "kappa"]

LABELS: dict[Measure, str] = {"curvature": "C''(1)", "kappa": "kappa"}
"""What pages call sigma^4 E[F''^2]/E[F^2], and with jumps w_i of F' at t_i what takes its part,
2 sigma^2/(3 sqrt(pi)) sum_i w_i^2 phi(t_i/sigma)/E[F^2]."""

LONGEST = 12
"""Characters of a number that pages write exactly."""


@dataclass(frozen=True)
class Shape:
    """Conditions of one start. Raises BadDeclaration for numbers that are not positive.

    `shaped`: E[F^2] as every start has it, E[F'^2] = slope and the measure. `curved`: E[F] = 0 in place of E[F^2].
    """

    measure: Measure  # of curvature: C''(1) where F' is continuous, kappa where it jumps
    amount: sp.Expr  # what the measure should be
    slope: sp.Expr = sp.S.One  # what E[F'^2] should be
    centred: bool = False  # whether E[F] = 0 is asked for, and E[F^2] follows

    def __post_init__(self) -> None:
        for name, value in ((self.measure, self.amount), ("slope", self.slope)):
            if not (value.is_number and value.is_positive):
                raise BadDeclaration(f"{name} of a {self.name} start must be a positive number, found {value}")

    @property
    def name(self) -> str:
        """Of the start."""
        return "curved" if self.centred else "shaped"

    @property
    def label(self) -> str:
        """What pages call the measure."""
        return LABELS[self.measure]

    @property
    def canonical(self) -> str:
        """All of it, as digests are taken of it."""
        return f"{self.name} {self.measure} {sp.srepr(self.amount)} {sp.srepr(self.slope)}"

    def __str__(self) -> str:
        mean = "E[F] = 0, " if self.centred else ""
        return f"{mean}E[F'^2] = {_readable(self.slope)}, {self.label} = {_readable(self.amount)}"


def _readable(value: sp.Expr) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{float(value):.10g}"
