"""Integrals under a law in double precision: over the whole support, and beyond any point of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.moments import unit
from learnact.compiler.derive.expectation.values import Array, InDouble
from learnact.errors import NoStart

PANEL_NODES = 16
"""Gauss-Legendre nodes a panel."""

PANEL_WIDTH = 0.5
"""Widest panel in x, since the targets bend at scale 1; under a narrower law half the law's scale."""

MOST_PANELS = 100_000
"""On one law: beyond a sigma of some hundreds a classical activation is its two asymptotes."""

_LEGENDRE = np.polynomial.legendre.leggauss(PANEL_NODES)

REACH = {Normal: 14.0, Exponential: 150.0}
"""Where an unbounded law is cut, at unit scale: there a squared polynomial of degree 12 has decayed too."""


@dataclass(frozen=True)
class Panels:
    """Composite Gauss-Legendre quadrature under a law, with panel edges at `breaks`.

    Panels live in a variable t in which the density is smooth: x = t, or x = -limit cos t under the arcsine law.
    """

    law: Law
    breaks: tuple[float, ...] = ()

    @cached_property
    def scale(self) -> float:
        """The unit in which x has a law without parameters."""
        return float(unit(self.law))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The support, cut where nothing is left in double precision."""
        reach = REACH.get(type(self.law), 1.0) * self.scale
        return (0.0 if isinstance(self.law, Exponential) else -reach), reach

    @cached_property
    def edges(self) -> Array:
        """Edges of the panels in t, increasing. Raises NoStart for a law that would need too many."""
        lo, hi = self.ends
        width = min(PANEL_WIDTH, self.scale / 2)
        count = int(np.ceil((hi - lo) / width))
        if count > MOST_PANELS:
            raise NoStart(
                f"a fit under {self.law} takes {count:,} panels, more than {MOST_PANELS:,}; choose a smaller sigma"
            )
        regular = np.linspace(lo, hi, count + 1)
        return self.to_t(np.unique([*regular, *(b for b in self.breaks if lo < b < hi)]))

    def to_t(self, points: Array) -> Array:
        """t at points x."""
        return np.arccos(np.clip(-points / self.scale, -1, 1)) if isinstance(self.law, Arcsine) else points

    @cached_property
    def density(self) -> Callable[[Array], Array]:
        """Probability density at an array of points x."""
        density = self.law.density(x)
        return lambda points: InDouble(points)(density)

    @cached_property
    def density_slope(self) -> Callable[[Array], Array]:
        """Derivative of the density at an array of points x."""
        slope = sp.diff(self.law.density(x), x)
        return lambda points: InDouble(points)(slope)

    def between(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Nodes x and weights, density included, for each interval of t from a to b: shape (intervals, nodes)."""
        roots, weights = _LEGENDRE
        centre, half = (a + b)[:, None] / 2, (b - a)[:, None] / 2
        t = centre + half * roots
        if isinstance(self.law, Arcsine):
            return -self.scale * np.cos(t), half * weights / np.pi
        return t, half * weights * self.density(t)

    @cached_property
    def nodes(self) -> tuple[Array, Array]:
        """All nodes x and their weights: shape (panels, nodes of a panel)."""
        return self.between(self.edges[:-1], self.edges[1:])


class Tails:
    """E[f(x); x > point] for several f at once: integrals over whole panels, and over the rest of one."""

    def __init__(self, panels: Panels, integrands: Callable[[Array], Array]) -> None:
        """`integrands` maps an array of points to the values of all f, stacked along a new first axis."""
        self._panels, self._integrands = panels, integrands
        points, weights = panels.nodes
        whole = (integrands(points) * weights).sum(-1)
        beyond = np.cumsum(whole[:, ::-1], axis=1)[:, ::-1]
        self._beyond = np.concatenate([beyond, np.zeros((len(whole), 1))], axis=1)

    @property
    def all(self) -> Array:
        """E[f(x)], one for each f."""
        return self._beyond[:, 0]

    def __call__(self, points: Array) -> Array:
        """Shape (integrands, points)."""
        t, edges = self._panels.to_t(points), self._panels.edges
        panel = np.clip(np.searchsorted(edges, t, side="right"), 1, len(edges) - 1)
        nodes, weights = self._panels.between(t, edges[panel])
        return self._beyond[:, panel] + (self._integrands(nodes) * weights).sum(-1)
