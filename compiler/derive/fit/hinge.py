"""Fits by a difference of two convex piecewise-linear functions with free knots (tropical rational functions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy as sp

from learnact.compiler.declare.constants import DIGITS
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.balance import moments
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.pieces import pieces
from learnact.compiler.derive.expectation.values import Array
from learnact.compiler.derive.fit.hinge_descent import Descent, Hinges, Line
from learnact.compiler.derive.fit.hinge_moments import Hinge, hinge_moments
from learnact.compiler.derive.fit.hinge_start import Region, allocate, balanced_knots, central, regions
from learnact.compiler.derive.fit.panels import Panels, Tails
from learnact.compiler.derive.fit.target import Target
from learnact.errors import NoStart

TAILS = 1.25
"""The fit with exact asymptotes is preferred if it raises the square root of the objective by at most this factor.

Measured with six knots a side: 1.0005 for GELU and 1.11 for tanh under N(0, 1), 1.15 for tanh under N(0, 0.3), while
the largest error on 4 standard deviations falls to a half and less.
"""

LEAST_CHANGE = 0.01
"""Every knot must change the slope by at least this share of the mean change; else its piece is not active."""

FAR = 40.0, 80.0
"""|x| at which asymptotes are read off: the classical activations equal theirs to double precision there."""

PLACES = 10
"""Decimals that are kept: the minimum is found to 11 or 12, so that every machine keeps the same."""


@dataclass(frozen=True)
class HingeSum:
    """level + tilt x + sum_i rise_i relu(x - up_i) - sum_j fall_j relu(x - down_j), every rise and fall positive."""

    level: sp.Expr
    tilt: sp.Expr
    ups: list[sp.Expr]
    rises: list[sp.Expr]
    downs: list[sp.Expr]
    falls: list[sp.Expr]

    def at(self, scale: sp.Expr) -> HingeSum:
        """scale * F(x/scale)."""
        ups, downs = ([scale * t for t in knots] for knots in (self.ups, self.downs))
        return HingeSum(scale * self.level, self.tilt, ups, self.rises, downs, self.falls)

    def filled(self, counts: tuple[int, int], law: Law) -> HingeSum:
        """The same function with `counts` = (upward, downward) hinges, by adding pairs that cancel.

        Pairs lie at the quantiles (3j-1)/(3m) of the law, never at the median; hinges that one side still lacks are
        placed on hinges of the other side, which grow by as much. Raises NoStart when there are too few of those.
        """
        missing_up, missing_down = counts[0] - len(self.ups), counts[1] - len(self.downs)
        bend = sum(self.rises) + sum(self.falls)
        share = bend / (max(counts) + 1)
        pairs = min(missing_up, missing_down)
        shared = [(law.quantile(sp.Rational(3 * j - 1, 3 * pairs)), share) for j in range(1, pairs + 1)]
        ups, downs = list(zip(self.ups, self.rises, strict=True)), list(zip(self.downs, self.falls, strict=True))
        up_to_down, down_to_up = missing_down - pairs, missing_up - pairs
        if pairs < 0 or up_to_down > len(ups) or down_to_up > len(downs):
            raise NoStart(f"a fit with {len(ups)} upward and {len(downs)} downward hinges cannot fill {counts}")
        ups, more_downs = _doubled(ups, up_to_down, share)
        downs, more_ups = _doubled(downs, down_to_up, share)
        ups, downs = _sorted([*ups, *more_ups, *shared]), _sorted([*downs, *more_downs, *shared])
        return HingeSum(self.level, self.tilt, *map(list, zip(*ups, strict=True)), *map(list, zip(*downs, strict=True)))


Pairs = list[Hinge]


def _doubled(hinges: Pairs, count: int, share: sp.Expr) -> tuple[Pairs, Pairs]:
    """Raise `count` of the hinges by `share`, and the opposite hinges that take it away again."""
    chosen = {(2 * k + 1) * len(hinges) // (2 * count) for k in range(count)}
    raised = [(t, bend + share) if i in chosen else (t, bend) for i, (t, bend) in enumerate(hinges)]
    return raised, [(hinges[i][0], share) for i in sorted(chosen)]


def _sorted(hinges: Pairs) -> Pairs:
    return sorted(hinges, key=lambda hinge: float(hinge[0]))


def fit_hinges(counts: tuple[int, int], target: Target, law: Law) -> tuple[HingeSum, Moments, str]:
    """The fit with this many upward and downward hinges, its moments, and how it was found. Raises NoStart."""
    exact = _piecewise_linear(target)
    if exact is not None:
        return exact.filled(counts, law), moments(target.expr, law), "the target itself; further pieces cancel"
    found, tails = _smooth(counts, target, law)
    level, tilt, *jumps = map(_rounded, found.coefficients)
    hinges = list(zip(map(_rounded, found.knots), jumps, strict=True))
    ups, downs = [h for h in hinges if h[1] > 0], [(t, -w) for t, w in hinges if w < 0]
    total = HingeSum(
        level, tilt, [t for t, _ in ups], [w for _, w in ups], [t for t, _ in downs], [w for _, w in downs]
    )
    note = f"free knots, least squares in value and slope{', exact asymptotes' if tails else ''}, to {PLACES} decimals"
    return total.filled(counts, law), hinge_moments(level, tilt, hinges, law), note


def _rounded(value: float) -> sp.Expr:
    decimal = sp.Float(f"{value:.{PLACES}f}", DIGITS)
    return decimal if decimal else sp.S.Zero


def _piecewise_linear(target: Target) -> HingeSum | None:
    """The target itself, if it is piecewise linear."""
    parts = pieces(target.expr)
    if not all(p.expr.is_polynomial(x) and sp.degree(p.expr, x) <= 1 for p in parts):
        return None
    slopes = [sp.diff(p.expr, x) for p in parts]
    bends = [(p.hi, b - a) for p, (a, b) in zip(parts, pairwise(slopes), strict=False)]
    ups, downs = [h for h in bends if h[1] > 0], [(t, -w) for t, w in bends if w < 0]
    level = parts[0].expr.subs(x, 0)
    return HingeSum(
        level, slopes[0], [t for t, _ in ups], [w for _, w in ups], [t for t, _ in downs], [w for _, w in downs]
    )


def _smooth(counts: tuple[int, int], target: Target, law: Law) -> tuple[Hinges, bool]:
    """The fit of a smooth target, and whether its asymptotes are exact."""
    panels = Panels(law)
    bends = regions(target, panels)
    free = _best(counts, bends, Descent(target, panels, (None, None)))
    if free is None:
        raise NoStart(
            f"no piecewise-linear fit of {target.name} under {law} keeps all its pieces active; choose a lower degree "
            "or another law"
        )
    low, high = law.support
    ends = (None if low.is_finite else _asymptote(target, -1), None if high.is_finite else _asymptote(target, 1))
    if ends == (None, None):
        return free, False
    tied = _best(counts, bends, Descent(target, panels, ends))
    if tied is not None and tied.objective <= TAILS**2 * free.objective:
        return tied, True
    return free, False


def _asymptote(target: Target, side: int) -> Line | None:
    """Asymptote of the target at -inf or +inf (side -1 or 1), or None."""
    points = side * np.asarray(FAR)
    values, slopes, _ = target.in_double(points)
    intercepts = values - slopes * points
    straight = np.ptp(slopes) < np.finfo(float).eps and np.ptp(intercepts) < FAR[1] * np.finfo(float).eps
    return (float(intercepts[-1]), float(slopes[-1])) if straight else None


def _best(counts: tuple[int, int], bends: Sequence[Region], descent: Descent) -> Hinges | None:
    """The fit with the most hinges of which each changes the slope by LEAST_CHANGE.

    The sign with more curvature gets all its hinges; the other, whose regions may have little probability, as many as
    pass.
    """
    slope_tails = Tails(descent.panels, _mass_and_slope(descent.target))
    left, right = descent.left, descent.right
    outer = (left[1] if left else None, right[1] if right else None)
    for up, down in _splits(counts, bends):
        shares = {s: [r.share for r in bends if r.sign == s] for s in (1, -1)}
        per_sign = {s: iter(allocate(shares[s], k) if shares[s] else []) for s, k in ((1, up), (-1, down))}
        knots, signs = balanced_knots(bends, [next(per_sign[r.sign]) for r in bends], slope_tails, outer)
        found = descent.descend(knots, signs, central(descent.panels.law))
        if found is not None and np.abs(found.jumps).min() > LEAST_CHANGE * np.abs(found.jumps).mean():
            return found
    return None


def _splits(counts: tuple[int, int], bends: Sequence[Region]) -> Iterator[tuple[int, int]]:
    """Numbers of upward and downward hinges to try, most first, in steps of one hinge a region."""
    curvature = {s: sum(r.share for r in bends if r.sign == s) for s in (1, -1)}
    number = {s: sum(1 for r in bends if r.sign == s) for s in (1, -1)}
    up, down = counts
    lesser = -1 if curvature[1] >= curvature[-1] else 1
    most = (up if lesser == 1 else down) if number[lesser] else 0
    step = max(number[lesser], 1)
    tried = [most, *range(most - (most % step or step), -1, -step)]
    for k in dict.fromkeys(tried):
        yield (k, down) if lesser == 1 else (up, k)


def _mass_and_slope(target: Target) -> Callable[[Array], Array]:
    return lambda points: np.stack([np.ones_like(points), target.in_double(points)[1]])
