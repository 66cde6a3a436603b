"""The length map q -> E[F(sqrt(q) z)^2]: mean squares from layer to layer, with weights of variance 1/fan_in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from learnact.compiler.analyse.correlated import edges, nodes
from learnact.compiler.analyse.double import Function
from learnact.compiler.analyse.fixed_points import FixedPoint, bisected, judged

LOW, HIGH = 1e-4, 1e4
"""Lengths between which fixed points are looked for."""

GRID = 241

SAME = 1e-10
"""Relative distance from q at which every q counts as fixed."""

STEP = 1e-5
"""Of the difference, relative: truncation and rounding are both of 1e-10."""

TINY = 1e-10
"""The length at which the slope in 0 is taken."""


class Length:
    """q -> E[F(sqrt(q) z)^2], z ~ N(0, 1), for F = `value` with `kinks`."""

    def __init__(self, value: Function, kinks: Sequence[float]) -> None:
        self._value, self._kinks = value, tuple(kinks)

    def __call__(self, q: float) -> float:
        """E[F(sqrt(q) z)^2]; inf where it overflows."""
        z, weight = nodes(edges(float(np.sqrt(q)), self._kinks))
        with np.errstate(all="ignore"):
            found = float((self._value(np.sqrt(q) * z) ** 2 * weight).sum())
        return found if np.isfinite(found) else float("inf")

    def rate(self, q: float) -> float:
        """d/dq, by a central difference: right where F jumps, too."""
        return (self(q * (1 + STEP)) - self(q * (1 - STEP))) / (2 * STEP * q)

    def fixed_points(self) -> tuple[FixedPoint, ...] | None:
        """The fixed points, 0 among them where F(0) = 0, and those between LOW and HIGH; None where every q is one."""
        grid = np.geomspace(LOW, HIGH, GRID)
        off = np.array([self(q) / q - 1 for q in grid])
        clear = [k for k in range(GRID) if abs(off[k]) >= SAME]
        if not clear:
            return None
        found = []
        if float(self._value(np.zeros(1))[0]) == 0:
            found.append(judged(0.0, self(TINY) / TINY))
        for a, b in pairwise(clear):
            if np.sign(off[a]) * np.sign(off[b]) < 0:
                q = bisected(lambda at: self(at) / at - 1, float(grid[a]), float(grid[b]))
                found.append(judged(q, self.rate(q)))
        return tuple(found)
