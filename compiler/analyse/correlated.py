"""E[F(u) F(v)] for correlated Gaussians by quadrature in double precision, of any F.

For c >= 0 it is E[T(z)^2] with T(z) = E[F(sigma (sqrt(c) z + sqrt(1-c) w))], and for -c it is E[T(z) T(-z)]: w averages
over every kink, so that T is smooth. Between the correlations that are computed it is interpolated in theta, c = cos
theta, in which the square roots that kinks bring at c = 1 are analytic (Cho & Saul 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss

from learnact.compiler.analyse.double import Array, Function

REACH = 12.0
"""Standard deviations: a square that grows like x^8 has decayed to 1e-20 there."""

UNIT, WEIGHT = leggauss(16)
ROOT = np.sqrt(2 * np.pi)

FEWEST, MOST = 32, 128
"""Intervals of the interpolation: doubled until halves of the nodes give the same."""

CLOSE = 1e-11
"""Change at which doubling stops."""

RESOLVED = 1e-10
"""Relative error of E[F^2] up to which the panels resolve F: they reach 1e-13 where they do."""

BLOCK = 1 << 18
"""Values of F computed at once."""


def edges(scale: float, kinks: Sequence[float], width: float = 0.0) -> Array:
    """Panel ends in z for x = scale z: one apart, dyadic around x = 0, and at kinks and `width` 2^j beside them."""
    ends: list[Array] = [np.linspace(-REACH, REACH, 17)]
    if scale > 0:
        dyadic: Array = 2.0 ** np.arange(-2.0, 24.0)
        ends += [dyadic / scale, -dyadic / scale, np.zeros(1)]
        beside: Array = width * 2.0 ** np.arange(-1.0, 12.0) if width > 0 else np.zeros(0)
        for k in kinks:
            ends += [np.array([k / scale]), k / scale + beside, k / scale - beside]
    joined = np.concatenate(ends)
    inside = joined[np.abs(joined) <= REACH]
    return np.unique(np.concatenate([inside, -inside]))


def nodes(ends: Array) -> tuple[Array, Array]:
    """Nodes between the ends along the last axis, and their weights with the normal density: (..., 16 panels)."""
    left, right = ends[..., :-1, None], ends[..., 1:, None]
    at = (left + right) / 2 + (right - left) / 2 * UNIT
    weight = (right - left) / 2 * WEIGHT * np.exp(-(at**2) / 2) / ROOT
    shape = (*ends.shape[:-1], -1)
    return at.reshape(shape), weight.reshape(shape)


class Correlated:
    """c -> E[F(u) F(v)] for u, v ~ N(0, sigma^2) of correlation c.

    `value` is F, `kinks` where it is not smooth, `second` and `mirrored` are E[F(u)^2] and E[F(u) F(-u)].
    """

    def __init__(self, value: Function, sigma: float, kinks: Sequence[float], second: float, mirrored: float) -> None:
        self._value, self._sigma, self._kinks = value, sigma, tuple(kinks)
        self._second, self._mirrored = second, mirrored

    @cached_property
    def resolved(self) -> bool:
        """Whether the rule's panels give E[F^2]: a function that oscillates far out slips between them."""
        z, weight = nodes(edges(self._sigma, self._kinks))
        return bool(abs((self._value(self._sigma * z) ** 2 * weight).sum() - self._second) <= RESOLVED * self._second)

    def pair(self, correlation: float) -> tuple[float, float]:
        """E[F(u) F(v)] at this correlation, 0 <= c < 1, and at its negative."""
        rho, rest = float(np.sqrt(correlation)), float(np.sqrt(1 - correlation))
        width = rest / rho if rho > 0 else 0.0
        z, weight = nodes(edges(self._sigma * rho, self._kinks, width))
        smooth = self._averaged(z, rho, rest)
        return float((smooth**2 * weight).sum()), float((smooth * smooth[::-1] * weight).sum())

    def _averaged(self, z: Array, rho: float, rest: float) -> Array:
        """T(z)."""
        base = edges(0.0, ())
        dyadic = 2.0 ** np.arange(-2, 24)
        special = np.concatenate([self._kinks, [0.0], dyadic, -dyadic]) / self._sigma
        special = special[np.abs(special) < 2 * REACH]
        step = max(1, BLOCK // (16 * (len(base) + len(special))))
        found = []
        for k in range(0, len(z), step):
            centre = rho * z[k : k + step, None]
            moved = np.clip((special - centre) / rest, -REACH, REACH)
            w, weight = nodes(np.sort(np.concatenate([np.broadcast_to(base, (len(centre), len(base))), moved], 1), 1))
            found.append((self._value(self._sigma * (centre + rest * w)) * weight).sum(1))
        return np.concatenate(found)

    @cached_property
    def _interpolated(self) -> tuple[Array, float]:
        """Chebyshev coefficients in 2 theta/pi - 1, and how far half of the nodes are from them."""
        known: dict[int, float] = {0: self._mirrored, MOST: self._second}
        n = FEWEST
        while True:
            for j in range(0, MOST // 2 + 1, MOST // n):
                if j not in known:
                    correlation = abs(float(np.cos(np.pi * (1 + np.cos(np.pi * j / MOST)) / 2)))
                    known[MOST - j], known[j] = self.pair(min(correlation, 1.0))
            fine, coarse = (_coefficients([known[j] for j in range(0, MOST + 1, MOST // m)]) for m in (n, n // 2))
            padded = np.zeros_like(fine)
            padded[: len(coarse)] = coarse
            change = float(np.abs(fine - padded).sum())
            if change < CLOSE * self._second or n == MOST:
                return fine, change + 1e-13 * self._second
            n *= 2

    @property
    def error(self) -> float:
        """Of interpolated values: what half of the nodes would have changed, more than is still lacking."""
        return self._interpolated[1]

    def __call__(self, correlation: Array | float) -> Array:
        """Interpolated values."""
        theta = np.arccos(np.clip(correlation, -1, 1))
        return np.asarray(chebyshev.chebval(2 * theta / np.pi - 1, self._interpolated[0]))

    def slope(self, correlation: float) -> float:
        """d/dc, for |c| < 1."""
        theta = float(np.arccos(correlation))
        rate = chebyshev.chebval(2 * theta / np.pi - 1, chebyshev.chebder(self._interpolated[0]))
        return float(-rate * 2 / np.pi / np.sin(theta))


def _coefficients(values: Sequence[float]) -> Array:
    """Chebyshev coefficients from values at cos(pi j/n)."""
    n = len(values) - 1
    f = np.array(values)
    j = np.arange(n + 1)
    halved = np.where((j == 0) | (j == n), 0.5, 1.0)
    matrix = np.cos(np.pi * np.outer(j, j) / n)
    return np.asarray(2 / n * halved * (matrix @ (halved * f)))
