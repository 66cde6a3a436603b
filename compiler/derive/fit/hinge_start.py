"""Where the knots of a piecewise-linear fit start: spread by curvature, then balanced as in Lloyd's algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy as sp

from learnact.compiler.declare.laws import Law
from learnact.compiler.derive.expectation.values import Array
from learnact.compiler.derive.fit.panels import Panels, Tails
from learnact.compiler.derive.fit.target import Target

OUTSIDE = sp.Rational(3, 10**7)
"""Probability beyond the outermost knot on either side: 5 standard deviations under a normal law."""

GRID = 4001
"""Points at which the curvature is sampled."""

NEGLIGIBLE = 1e-4
"""A region with a smaller share of the curvature gets no knot."""

ROUNDS = 30
"""Of Lloyd's algorithm; Newton's method finishes."""


def central(law: Law) -> tuple[float, float]:
    """The interval that may hold knots."""
    lo, hi = law.support
    left = float(lo) if lo.is_finite else float(law.quantile(OUTSIDE))
    right = float(hi) if hi.is_finite else float(law.quantile(1 - OUTSIDE))
    return left, right


@dataclass(frozen=True)
class Region:
    """An interval on which T'' keeps its sign."""

    sign: int  # of T'': +1 holds upward knots, -1 downward ones
    share: float  # of the integral of |T''|^(2/3) density^(1/3)
    points: Array
    slopes: Array  # T' at the points
    curvature: Array  # |T''|^(2/3) density^(1/3) at the points

    def quantiles(self, count: int) -> Array:
        """Knots in the middle of `count` cells of equal curvature, the best density for a step function's error."""
        cumulated = np.cumsum(self.curvature)
        return np.interp((np.arange(count) + 0.5) / count, cumulated / cumulated[-1], self.points)

    def where_slope_is(self, levels: Array) -> Array:
        """Points at which T' takes the given values, clipped to the region."""
        return np.interp(self.sign * levels, self.sign * self.slopes, self.points)


def regions(target: Target, panels: Panels) -> list[Region]:
    """The regions between inflections of the target, in increasing order; none if the law sees no curvature."""
    lo, hi = central(panels.law)
    margin = (hi - lo) * 1e-6  # the arcsine density has its poles at the ends
    points = np.linspace(lo + margin, hi - margin, GRID)
    _, slopes, second = target.in_double(points)
    curvature = (second**2 * panels.density(points)) ** (1 / 3)
    signs = np.where(second >= 0, 1, -1)
    edges = [0, *(np.flatnonzero(np.diff(signs)) + 1), GRID]
    found: list[Region] = []
    if not curvature.any():
        return found
    for a, b in pairwise(edges):
        share = curvature[a:b].sum() / curvature.sum()
        if share > NEGLIGIBLE:
            found.append(Region(int(signs[a]), share, points[a:b], slopes[a:b], curvature[a:b]))
    return found


def allocate(shares: Sequence[float], count: int) -> list[int]:
    """Split `count` knots in proportion to the shares, by largest remainders."""
    ideal = count * np.asarray(shares) / sum(shares)
    whole = np.floor(ideal).astype(int)
    order = np.argsort(whole - ideal, kind="stable")
    whole[order[: count - whole.sum()]] += 1
    return [int(k) for k in whole]


def balanced_knots(
    found: Sequence[Region], counts: Sequence[int], slope_tails: Tails, outer: tuple[float | None, float | None]
) -> tuple[Array, Array]:
    """Knots and their signs, each knot where T' is half-way between the mean slopes on its two sides.

    `slope_tails` gives the probability and E[T'] beyond a point; `outer` are the slopes that the two outermost
    pieces must have, None where they are free.
    """
    knots = np.concatenate([r.quantiles(k) for r, k in zip(found, counts, strict=True)])
    signs = np.concatenate([np.full(k, r.sign) for r, k in zip(found, counts, strict=True)])
    ends = np.cumsum([0, *counts])
    for _ in range(ROUNDS):
        beyond = np.concatenate([slope_tails.all[:, None], slope_tails(knots), np.zeros((2, 1))], axis=1)
        probability, slope = -np.diff(beyond)
        levels = slope / np.maximum(probability, np.finfo(float).tiny)
        for end, given in zip((0, -1), outer, strict=True):
            if given is not None:
                levels[end] = given
        middle = (levels[1:] + levels[:-1]) / 2
        moved = [r.where_slope_is(middle[a:b]) for r, a, b in zip(found, ends[:-1], ends[1:], strict=True)]
        knots = np.sort(np.concatenate(moved))
    return knots, signs
