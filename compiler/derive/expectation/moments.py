"""Truncated moments E[P(u); u <= t] of polynomials under the four laws at unit scale.

Integration by parts lowers the power, the same way for three of them,
    E[u^k; u <= t] = ratio(k) E[u^(k - step); u <= t] - weight(k) t^(k - lag) edge(t),
so one sweep from the highest power down leaves a multiple of the distribution function and one of the edge function:
erf and exp occur once per knot at any degree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.derive.expectation.terms import ZERO, Poly, evaluated


def normal_cdf(t: sp.Expr) -> sp.Expr:
    """P(Z <= t) for a standard normal Z."""
    return (1 + sp.erf(t / sp.sqrt(2))) / 2


def normal_pdf(t: sp.Expr) -> sp.Expr:
    """Density of a standard normal at t."""
    return sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)


@dataclass(frozen=True)
class ByParts:
    """A law at unit scale whose truncated moments follow from the rule above."""

    step: int
    lag: int
    ratio: Callable[[int], sp.Expr | int]
    weight: Callable[[int], sp.Expr | int]
    cdf: Callable[[sp.Expr], sp.Expr]
    edge: Callable[[sp.Expr], sp.Expr]

    def _swept(self, poly: Poly) -> tuple[sp.Expr, Poly]:
        rest, boundary = dict(poly), {}
        for k in range(max(poly, default=0), 0, -1):
            c = rest.pop(k, ZERO)
            if c != 0:
                boundary[k - self.lag] = c * self.weight(k)
                if k >= self.step:
                    rest[k - self.step] = rest.get(k - self.step, ZERO) + c * self.ratio(k)
        return rest.get(0, ZERO), boundary

    def whole(self, poly: Poly) -> sp.Expr:
        """E[P(u)]."""
        return self._swept(poly)[0]

    def below(self, poly: Poly, t: sp.Expr) -> sp.Expr:
        """E[P(u); u <= t]."""
        if t is sp.S.NegativeInfinity:
            return ZERO
        mass, boundary = self._swept(poly)
        if t is sp.S.Infinity:
            return mass
        return mass * self.cdf(t) - evaluated(boundary, t) * self.edge(t)


class Flat:
    """Uniform on [-1, 1]."""

    def whole(self, poly: Poly) -> sp.Expr:
        """E[P(u)]."""
        return sp.Add(*(c / (k + 1) for k, c in poly.items() if k % 2 == 0))

    def below(self, poly: Poly, t: sp.Expr) -> sp.Expr:
        """E[P(u); u <= t]."""
        return sp.Add(*(c * (t ** (k + 1) - (-1) ** (k + 1)) / (2 * (k + 1)) for k, c in poly.items()))


STANDARD_NORMAL = ByParts(2, 1, lambda k: k - 1, lambda k: 1, normal_cdf, normal_pdf)
UNIT: dict[type[Law], ByParts | Flat] = {
    Normal: STANDARD_NORMAL,
    Uniform: Flat(),
    Arcsine: ByParts(
        step=2,
        lag=1,
        ratio=lambda k: sp.Rational(k - 1, k),
        weight=lambda k: sp.Rational(1, k),
        cdf=lambda t: 1 - sp.acos(t) / sp.pi,
        edge=lambda t: sp.sqrt(1 - t**2) / sp.pi,
    ),
    Exponential: ByParts(1, 0, lambda k: k, lambda k: 1, lambda t: 1 - sp.exp(-t), lambda t: sp.exp(-t)),
}
"""Law class -> truncated moments of x / unit(law)."""


def unit(law: Law) -> sp.Expr:
    """The scale s for which the law of x/s has no parameter."""
    return 1 / law.parameter if isinstance(law, Exponential) else law.parameter
