"""Expectations under an input law by quadrature and by sampling, of a function that can only be called.

The rule is refined where its panels and their halves disagree: towards a singularity that no declaration points at,
say, of a logarithm. What halving still moves in the end is its own estimate of its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.verify.jets import Walk
from learnact.compiler.verify.measured import DOUBLE, Array, Measured
from learnact.compiler.verify.points import rng
from learnact.compiler.verify.tolerances import HALVED

NODES = 32  # Gauss-Legendre nodes a panel
NORMAL_REACH = 24  # standard deviations: beyond, x^48 times the density is below 1e-50
EXPONENTIAL_REACH = 240  # means: likewise
FINITE_PANELS = 24  # for a law on an interval
SAMPLES = 1 << 17
HALVINGS = 64  # of one panel: towards 0 a panel of 1e-19 of the first one's width is left
NARROWEST = 64  # spacings of doubles
MOST = 1024  # panels halved at once; more are no singularity, but a function for which refinement does not converge

Integrands = Callable[[Array], Array]
"""(N,) points -> (number of integrands, N)."""


@dataclass(frozen=True)
class Line:
    """The line that a law is integrated along: an interval cut in panels, and where its points lie in x."""

    low: float
    high: float
    panels: int
    to_x: Callable[[Array], Array]
    of_x: Callable[[float], float]
    density: Callable[[Array], Array]  # at points of the line

    def ends(self, breaks: Sequence[float]) -> Array:
        """Where panels meet, the breaks among them."""
        inside = [self.of_x(b) for b in breaks if self.to_x(np.array(self.low)) < b < self.to_x(np.array(self.high))]
        return np.unique(np.concatenate([np.linspace(self.low, self.high, self.panels + 1), inside]))

    def nodes(self, left: Array, right: Array) -> tuple[Array, Array]:
        """Points in x and their weights: (panels, NODES)."""
        unit, weight = np.polynomial.legendre.leggauss(NODES)
        half = (right - left)[:, None] / 2
        at = (left + right)[:, None] / 2 + half * unit
        return self.to_x(at), half * weight * self.density(at)

    def integrals(self, left: Array, right: Array, of: Integrands) -> Array:
        """(integrands, panels)."""
        nodes, weights = self.nodes(left, right)
        values = of(nodes.ravel())
        return np.sum(values.reshape(len(values), *nodes.shape) * weights, axis=-1)


def on_nodes(expr: sp.Expr, symbol: sp.Symbol, at: Array) -> tuple[Array, Array]:
    """An expression in one symbol at doubles, and its slope."""
    with np.errstate(all="ignore"):
        walk = Walk(DOUBLE, at.shape, {symbol: Measured(at, np.zeros_like(at))}, frozenset({symbol}), ())
        jet = walk.jet(sp.sympify(expr))
        slope = jet.tangents[symbol].value if jet.tangents else np.zeros_like(at)
        return jet.primal.value, slope


def reach(law: Law) -> tuple[float, float]:
    """The interval that carries all of the law that a double can see."""
    if isinstance(law, Normal):
        return -NORMAL_REACH * float(law.sigma), NORMAL_REACH * float(law.sigma)
    if isinstance(law, Exponential):
        return 0.0, EXPONENTIAL_REACH * float(law.sigma)
    low, high = law.support
    return float(low), float(high)


def line(law: Law) -> Line:
    """Along x, or for the arcsine law along the angle, where the density is constant."""
    low, high = reach(law)
    if isinstance(law, Arcsine):
        return Line(
            low=0.0,
            high=1.0,
            panels=FINITE_PANELS,
            to_x=lambda p: -high * np.cos(np.pi * p),
            of_x=lambda at: float(np.arccos(-at / high) / np.pi),
            density=np.ones_like,
        )
    t = sp.Symbol("t", real=True)
    panels = FINITE_PANELS if isinstance(law, Uniform) else round((high - low) / float(law.sigma))
    return Line(low, high, panels, lambda at: at, lambda at: at, lambda at: on_nodes(law.density(t), t, at)[0])


@dataclass(frozen=True)
class Rule:
    """Nodes and weights, and by how much the last halving still moved each integral that it was refined for."""

    nodes: Array
    weights: Array
    moved: Array


def rule(law: Law, breaks: Sequence[float], of: Integrands | None = None) -> Rule:
    """Smooth between the breaks, and refined for these integrands: sum(weights * f(nodes)) is E[f(x)]."""
    along = line(law)
    ends = along.ends(breaks)
    left, right, moved = ends[:-1], ends[1:], np.zeros(0)
    if of is not None:
        left, right, moved = _refined(along, left, right, of)
    nodes, weights = along.nodes(left, right)
    return Rule(nodes.ravel(), weights.ravel(), moved)


def _refined(along: Line, left: Array, right: Array, of: Integrands) -> tuple[Array, Array, Array]:
    """Panels, halved until that no longer moves the integrals; and by how much it still does in all."""
    whole = along.integrals(left, right, of)
    size = np.abs(whole).sum(axis=1, keepdims=True)
    done: list[tuple[Array, Array, Array]] = []
    for k in range(HALVINGS):
        middle = (left + right) / 2
        halves = np.concatenate([along.integrals(left, middle, of), along.integrals(middle, right, of)], axis=1)
        with np.errstate(invalid="ignore"):
            moved = np.abs(whole - halves[:, : left.size] - halves[:, left.size :])
        wide = right - left > NARROWEST * np.spacing(np.maximum(np.abs(left), np.abs(right)))
        halve = (moved > HALVED * size).any(axis=0) & wide
        if k == HALVINGS - 1 or halve.sum() > MOST:
            halve[:] = False
        done.append((left[~halve], right[~halve], moved[:, ~halve]))
        if not halve.any():
            break
        left, right = (np.concatenate(pair) for pair in ((left[halve], middle[halve]), (middle[halve], right[halve])))
        whole = halves[:, np.tile(halve, 2)]
    lefts, rights, moves = zip(*done, strict=True)
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(moves, axis=1).sum(axis=1)


def sample(law: Law) -> Array:
    """Independent draws from the law, the same in every run."""
    if isinstance(law, Normal):
        return rng(400).normal(scale=float(law.sigma), size=SAMPLES)
    p = sp.Symbol("p", positive=True)
    return on_nodes(law.quantile(p), p, rng(401).uniform(size=SAMPLES))[0]
