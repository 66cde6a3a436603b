"""Quadrature nodes under a law in many digits, and refinement until an answer has converged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count, pairwise

import mpmath as mp
import numpy as np
import sympy as sp

from learnact.compiler.declare.constants import DIGITS
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal
from learnact.compiler.derive.expectation.moments import unit
from learnact.compiler.derive.expectation.values import Integers, to_fixed
from learnact.errors import NoStart

WORKING = 50
"""Digits of the arithmetic: 30 are promised, and an ill-conditioned Gram matrix may cost more than 10."""

BITS = 200
"""Of the fixed point: 60 digits after the point, so that weights below 1e-50 lose nothing that is seen."""

GROWTH = 3
"""Nodes from level to level: midpoints of cells stay midpoints when every cell is cut in three."""

FIRST_STEP, FIRST_NODES = 0.18, 60
"""The coarsest step on the line, at unit scale, and the fewest nodes of a panel.

With these twelve harmonics, and poles at +-i pi/2, converge at the second or third level under N(0, 1).
"""

MOST_NODES = 2000
"""On one rule; enough for poles of the target 0.02 standard deviations off the real line."""


@dataclass(frozen=True)
class Rule:
    """Quadrature under a law, by rules that converge geometrically for analytic integrands.

    The trapezoidal rule on the line for a normal law without cuts (Trefethen & Weideman 2014), else Fejer's first rule
    on the panels between cuts. Both have nodes at midpoints, of equal cells of the line or of an angle: a level keeps
    the nodes of the one before, and none ever meets a cut.
    """

    law: Law
    cuts: tuple[sp.Expr, ...] = ()  # where the integrand is not smooth
    half: bool = False  # the integrand is even: only x > 0 is visited, at twice the weight

    @cached_property
    @mp.workdps(WORKING)
    def scale(self) -> mp.mpf:
        """The unit in which x has a law without parameters."""
        return mp.mpf(sp.N(unit(self.law), WORKING))

    @mp.workdps(WORKING)
    def size(self, level: int) -> int:
        """How many nodes there are up to this level."""
        return sum(_count(panel, self._on_line, level) for panel in pairwise(self._ends))

    @mp.workdps(WORKING)
    def points(self, level: int) -> Integers:
        """The x that this level adds to those of the levels before."""
        cells = [_cells(panel, self._on_line, level)[0] for panel in pairwise(self._ends)]
        return np.array([to_fixed(self._x(t), BITS) for ts in cells for t in ts], object)

    @mp.workdps(WORKING)
    def weights(self, level: int) -> Integers:
        """Weights, density included, of all nodes up to this level, in the order in which they were added."""
        found: list[Integers] = []
        for since in range(level + 1):
            for panel in pairwise(self._ends):
                points, index = _cells(panel, self._on_line, since)
                shares = _shares(panel, self._on_line, level)[_later(index, level - since)]
                found.append((shares * _densities(self.law, points)) >> BITS)
        return np.concatenate(found) * (2 if self.half else 1)

    def _x(self, t: mp.mpf) -> mp.mpf:
        return self.scale * (mp.cos(t) if isinstance(self.law, Arcsine) else t)

    @property
    def _on_line(self) -> bool:
        return isinstance(self.law, Normal) and not self.cuts

    @cached_property
    def _ends(self) -> list[mp.mpf]:
        """Ends of the panels in t, where x = scale t, or scale cos t under the arcsine law."""
        nats = WORKING * mp.log(10)
        inner = [mp.mpf(sp.N(cut, WORKING)) / self.scale for cut in self.cuts]
        if isinstance(self.law, Normal):
            lo, hi = -mp.sqrt(2 * nats), mp.sqrt(2 * nats)
        elif isinstance(self.law, Exponential):
            lo, hi = mp.mpf(0), nats
            inner += [nats / 4, nats / 16]  # the density falls by 50 digits: a graded mesh follows it
        else:
            lo, hi = mp.mpf(-1), mp.mpf(1)
        if self.half:
            lo = mp.mpf(0)
        points = [lo, *sorted(t for t in inner if lo < t < hi), hi]
        return [mp.acos(t) for t in reversed(points)] if isinstance(self.law, Arcsine) else points


Panel = tuple[mp.mpf, mp.mpf]


def _count(panel: Panel, on_line: bool, level: int) -> int:
    lo, hi = panel
    first = int(mp.ceil((hi - lo) / FIRST_STEP)) if on_line else FIRST_NODES
    return first * GROWTH**level


@lru_cache(maxsize=64)
def _cells(panel: Panel, on_line: bool, level: int) -> tuple[tuple[mp.mpf, ...], Integers]:
    """The nodes that a level adds, and their numbers among all of the level."""
    n, (lo, hi) = _count(panel, on_line, level), panel
    index = np.array([j for j in range(n) if level == 0 or j % GROWTH != GROWTH // 2])
    fractions = [mp.mpf(int(2 * j + 1)) / (2 * n) for j in index]
    if not on_line:
        fractions = [(1 - mp.cospi(u)) / 2 for u in fractions]
    return tuple(lo + (hi - lo) * u for u in fractions), index


def _later(index: Integers, levels: int) -> Integers:
    """Numbers of the same nodes some levels later."""
    for _ in range(levels):
        index = GROWTH * index + GROWTH // 2
    return index


@lru_cache(maxsize=64)
def _shares(panel: Panel, on_line: bool, level: int) -> Integers:
    """Weights of a level's nodes in plain integrals over the panel."""
    n, width = _count(panel, on_line, level), panel[1] - panel[0]
    if on_line:
        return np.full(n, to_fixed(width / n, BITS), object)
    return (_fejer(n) * to_fixed(width / 2, BITS)) >> BITS


@lru_cache(maxsize=8)
def _fejer(n: int) -> Integers:
    """Weights of Fejer's first rule on [-1, 1], with nodes cos(a_j), a_j = (2j+1) pi/2n.

    They are (2 - 4 sum_{m=1..n/2} cos(2m a_j) / (4m^2 - 1)) / n.
    """
    quarter = [to_fixed(mp.cospi(mp.mpf(k) / n), BITS) for k in range(n // 2 + 1)]
    half = [*quarter, *(-c for c in reversed(quarter[: n - n // 2]))]  # cos(k pi / n), k = 0..n
    cosines = np.array([*half, *half[-2:0:-1]], object)  # k = 0..2n-1
    m, j = np.arange(1, n // 2 + 1), np.arange((n + 1) // 2)
    coefficients = np.array([(4 << BITS) // (4 * int(k) ** 2 - 1) for k in m], object)
    sums = coefficients @ cosines[np.outer(m, 2 * j + 1) % (2 * n)]
    left = ((2 << BITS) - (sums >> BITS)) // n
    return np.concatenate([left, left[: n // 2][::-1]])


@lru_cache(maxsize=64)
def _densities(law: Law, points: tuple[mp.mpf, ...]) -> Integers:
    """The density in t."""
    if isinstance(law, Normal):
        norm = 1 / mp.sqrt(2 * mp.pi)
        values = [norm * mp.exp(-t * t / 2) for t in points]
    elif isinstance(law, Exponential):
        values = [mp.exp(-t) for t in points]
    else:
        values = [1 / mp.pi if isinstance(law, Arcsine) else mp.mpf(1) / 2] * len(points)
    return np.array([to_fixed(v, BITS) for v in values], object)


def refined(rule: Rule, answer: Callable[[int], list[mp.mpf]]) -> tuple[int, list[mp.mpf]]:
    """(level, answer(level)) of the first level at which `answer`, a function of the level, has converged to 30 digits.

    Under geometric convergence GROWTH times the nodes raise the error to the power GROWTH, so that power of the last
    change estimates it. Raises NoStart when the answer does not converge.
    """
    previous = answer(0)
    for level in count(1):
        found = answer(level)
        change = max(abs(a - b) for a, b in zip(found, previous, strict=True)) / max(map(abs, found))
        if change**GROWTH < mp.mpf(10) ** -(DIGITS + 2):
            return level, found
        if (nodes := rule.size(level)) > MOST_NODES:
            break
        previous = found
    raise NoStart(f"the fit under {rule.law} does not converge with {nodes} nodes; choose a smaller sigma")
