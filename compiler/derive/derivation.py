"""The product of `derive`: for every start its exact values, its moments and, for fits, its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.shape import Shape
from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import NoStart, UnknownName


@dataclass(frozen=True)
class Moments:
    """Moments of F under a law. Variance factors are 1/E[F^2] forward, 1/E[F'^2] backward (He et al. 2015)."""

    mean: Quantity  # E[F]
    second: Quantity  # M = E[F^2]
    slope_second: Quantity  # M' = E[F'^2]
    q_slope: Quantity  # E[x F F'] / E[F^2] = d log M / d log sigma^2; |q-slope| < 1 is a stable length

    def at(self, scale: sp.Expr) -> Moments:
        """Moments of scale * F(x/scale), with x under the law of scale * x."""
        mean, second = self.mean.times(scale), self.second.times(scale**2)
        return Moments(mean, second, self.slope_second, self.q_slope)

    @property
    def exact(self) -> bool:
        """Whether all four are closed forms."""
        return all(q.exact for q in (self.mean, self.second, self.slope_second, self.q_slope))


@dataclass(frozen=True)
class FitErrors:
    """Distance of a fit F from its target T under the law: relative L2 of value and slope, and the largest error."""

    value: float  # sqrt(E[(F - T)^2] / E[T^2])
    slope: float  # sqrt(E[(F' - T')^2] / E[T'^2])
    sup: float  # max |F - T| over the central interval
    interval: tuple[float, float]  # the interval that `sup` was taken over


@dataclass(frozen=True)
class StartDerivation:
    """One named start, solved."""

    name: str
    kind: Literal["balanced", "forward only", "as declared", "fit", "shaped", "curved"]
    values: Mapping[str, tuple[sp.Expr, ...]]  # parameter name -> exact expressions (numeric for numeric fits)
    exact: bool  # whether `values` are closed forms
    moments: Moments
    reason: str = ""  # why E[F'^2] = 1 cannot be had, where that is so
    note: str = ""  # where the start comes from
    errors: FitErrors | None = None  # for fits
    shape: Shape | None = None  # the further conditions that a shaped start meets


@dataclass(frozen=True)
class Derivation:
    """Every start of one activation under one law; the first of `starts` is the default."""

    activation: Activation
    law: Law
    starts: tuple[StartDerivation, ...]
    second: sp.Expr = sp.S.One  # what solved starts make E[F^2]
    missing: Mapping[str, str] = field(default_factory=dict)  # fits that do not exist under the law -> why not

    def start(self, name: str) -> StartDerivation:
        """The start `name`. Raises NoStart for a fit that does not exist, and UnknownName."""
        if name in self.missing:
            raise NoStart(self.missing[name])
        found = {s.name: s for s in self.starts}
        if name not in found:
            raise UnknownName(f"start of {self.activation.names.spec}", name, found)
        return found[name]

    def _repr_markdown_(self) -> str:
        from learnact.compiler.explain.formats import markdown  # noqa: PLC0415

        return markdown(self)

    def _repr_latex_(self) -> str:
        from learnact.compiler.explain.formats import latex  # noqa: PLC0415

        return latex(self)
