"""Expectations under an input law by quadrature and by sampling, of a function that can only be called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from learnact.compiler.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.verify.jets import Walk
from learnact.compiler.verify.measured import DOUBLE, Array, Measured
from learnact.compiler.verify.points import rng

NODES = 32  # Gauss-Legendre nodes a panel
NORMAL_REACH = 24  # standard deviations: beyond, x^48 times the density is below 1e-50
EXPONENTIAL_REACH = 240  # means: likewise
FINITE_PANELS = 24  # for a law on an interval
SAMPLES = 1 << 17


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


def rule(law: Law, breaks: Sequence[float]) -> tuple[Array, Array]:
    """Nodes and weights, smooth between the breaks: sum(weights * f(nodes)) is E[f(x)]."""
    low, high = reach(law)
    if isinstance(law, Arcsine):  # in the angle, where the density is constant
        angles = [np.arccos(-b / high) / np.pi for b in breaks if low < b < high]
        p, weights = _panels(0.0, 1.0, FINITE_PANELS, angles)
        return -high * np.cos(np.pi * p), weights
    count = FINITE_PANELS if isinstance(law, Uniform) else round((high - low) / float(law.sigma))
    nodes, weights = _panels(low, high, count, [b for b in breaks if low < b < high])
    t = sp.Symbol("t", real=True)
    return nodes, weights * on_nodes(law.density(t), t, nodes)[0]


def _panels(low: float, high: float, count: int, breaks: Sequence[float]) -> tuple[Array, Array]:
    ends = np.unique(np.concatenate([np.linspace(low, high, count + 1), breaks]))
    unit, weight = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(ends)[:, None] / 2
    middle = (ends[:-1] + ends[1:])[:, None] / 2
    return (middle + half * unit).ravel(), (half * weight).ravel()


def sample(law: Law) -> Array:
    """Independent draws from the law, the same in every run."""
    if isinstance(law, Normal):
        return rng(400).normal(scale=float(law.sigma), size=SAMPLES)
    p = sp.Symbol("p", positive=True)
    return on_nodes(law.quantile(p), p, rng(401).uniform(size=SAMPLES))[0]
