"""The range of F' over the whole line: Lipschitz constant and monotonicity.

A constant slope is exact. Elsewhere F' is looked at on a grid that is fine around 0 and reaches to 10^3; its extrema
are refined to 30 digits as zeros of F'', and its limits are those it has reached at 10^12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import mpmath as mp
import sympy as sp

from learnact.compiler.declare.constants import DIGITS, number
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.numeric import numeric
from learnact.compiler.derive.expectation.pieces import Piece, pieces
from learnact.compiler.derive.expectation.singular import cuts
from learnact.compiler.derive.quantity import Quantity

Numeric = Callable[[mp.mpf], mp.mpf]

WORKING = 45
"""Digits of the arithmetic: products such as x^3 (1 - tanh(x^3)^2) must vanish far out."""

GRID = 1200
FAR = 8.0
"""The grid is sinh(t) at so many points of |t| <= FAR: spaced by 0.013 around 0, by 13 at 1490."""

NEAR = mp.mpf(10) ** -20
"""Distance from a pole at which its sign is looked at."""

DECADES = range(1, 13)
GROWTH = mp.mpf("1.01")
"""F' is unbounded if from 10^6 to 10^12 it grows by more, beyond everything seen before: a logarithm doubles."""

ERROR = 1e-28
"""Of an extremum, relative: its place is right to half the working digits, and it is flat there."""


@dataclass(frozen=True)
class Slopes:
    """Infimum and supremum of F', None where it is unbounded; and where F itself jumps."""

    low: Quantity | None
    high: Quantity | None
    jumps: tuple[sp.Expr, ...]

    @property
    def lipschitz(self) -> Quantity | None:
        """sup |F'|, None where there is none."""
        if self.low is None or self.high is None or self.jumps:
            return None
        flipped = Quantity(-self.low.value, self.low.exact, self.low.error, self.low.route)
        return max(flipped, self.high, key=float)

    @property
    def trend(self) -> str:
        """Whether F rises or falls everywhere, by its slopes and jumps: "increasing", "decreasing" or "neither"."""
        if self.jumps:
            return "neither"
        if self.low is not None and float(self.low) >= -ERROR:
            return "increasing"
        return "decreasing" if self.high is not None and float(self.high) <= ERROR else "neither"


@lru_cache(maxsize=64)
def slopes(function: sp.Expr) -> Slopes:
    """The range of the slope of `function`, an expression in x.

    Raises NoClosedForm where a kink is not the root of a polynomial.
    """
    found = pieces(function)
    low: list[Quantity | None] = []
    high: list[Quantity | None] = []
    for piece in found:
        lowest, highest = _range(piece)
        low.append(lowest)
        high.append(highest)
    return Slopes(_extreme(low, -1), _extreme(high, 1), jumps(function))


def jumps(function: sp.Expr) -> tuple[sp.Expr, ...]:
    """Where `function` jumps. Raises NoClosedForm as `slopes` does."""
    return tuple(at for at, before, after in around_kinks(function) if _differ(before, after, at))


def around_kinks(function: sp.Expr) -> tuple[tuple[sp.Expr, sp.Expr, sp.Expr], ...]:
    """(point, formula before, formula after) for each kink of `function`. Raises NoClosedForm as `slopes` does."""
    return tuple((a.hi, a.expr, b.expr) for a, b in pairwise(pieces(function)))


def _differ(before: sp.Expr, after: sp.Expr, at: sp.Expr) -> bool:
    with mp.workdps(WORKING):
        point = mp.mpf(number(at))
        a, b = (mp.mpf(numeric(sp.sympify(e))(point)) for e in (before, after))
        return bool(abs(a - b) > mp.mpf(10) ** -DIGITS * (1 + abs(a)))


def _extreme(found: list[Quantity | None], sign: int) -> Quantity | None:
    known = [q for q in found if q is not None]
    return max(known, key=lambda q: sign * float(q)) if len(known) == len(found) else None


def _range(piece: Piece) -> tuple[Quantity | None, Quantity | None]:
    slope = sp.diff(piece.expr, x)
    if not slope.has(x):
        exact = Quantity(slope) if not slope.has(sp.Float) else _number(mp.mpf(number(slope)))
        return exact, exact
    with mp.workdps(WORKING):
        f = numeric(slope)
        lo, hi = (mp.mpf(number(e)) if e.is_finite else None for e in (piece.lo, piece.hi))
        inner = [t for k in range(GRID + 1) if _inside(t := mp.sinh(FAR * (mp.mpf(2 * k) / GRID - 1)), lo, hi)]
        reach = mp.sinh(FAR)
        poles = [c.point for c in cuts(slope, -reach if lo is None else lo, reach if hi is None else hi) if c.singular]
        unbounded = {side: False for side in (-1, 1)}
        points, values = [], []
        for p in sorted({p for p in (lo, *inner, *poles, hi) if p is not None}):
            value = _at(f, p)
            if value is None:
                for near in (p - NEAR, p + NEAR):
                    if _inside(near, lo, hi) and (there := _at(f, near)) is not None:
                        unbounded[1 if there > 0 else -1] = True
            else:
                points.append(p)
                values.append(value)
        turning = range(1, len(points) - 1)
        for k in turning:
            before, here, after = values[k - 1 : k + 2]
            if (here - before) * (after - here) < 0:
                values.append(_turn(numeric(sp.diff(slope, x)), f, points[k - 1], points[k + 1], here))
        for side, end in ((-1, piece.lo), (1, piece.hi)):
            if not end.is_finite:
                value, grows = _far(f, side, max(map(abs, values)))
                if grows:
                    unbounded[int(mp.sign(value))] = True
                else:
                    values.append(value)
        lowest, highest = _number(min(values)), _number(max(values))
    return (None if unbounded[-1] else lowest), (None if unbounded[1] else highest)


def _at(f: Numeric, point: mp.mpf) -> mp.mpf | None:
    """F' at a point; None where it is infinite."""
    try:
        return mp.mpf(f(point))
    except (ZeroDivisionError, TypeError, ValueError):  # a pole, or a branch point beside which it is complex
        return None


def _inside(t: mp.mpf, lo: mp.mpf | None, hi: mp.mpf | None) -> bool:
    return (lo is None or t > lo) and (hi is None or t < hi)


def _turn(bend: Numeric, f: Numeric, a: mp.mpf, b: mp.mpf, here: mp.mpf) -> mp.mpf:
    """F' at the zero of F'' between a and b; `here` where there is none, as at the edge of rounding."""
    if bend(a) * bend(b) >= 0:
        return here
    at = mp.findroot(bend, (a, b), solver="illinois", verify=False)
    return mp.mpf(f(at))


def _far(f: Numeric, side: int, seen: mp.mpf) -> tuple[mp.mpf, bool]:
    """F' far out on one side, and whether it grows without bound."""
    middle = value = mp.mpf(0)
    for k in DECADES:
        value = mp.mpf(f(side * mp.mpf(10) ** k))
        if abs(value) > mp.mpf(10) ** 6 * (1 + seen):
            return value, True
        if k == DECADES[len(DECADES) // 2]:
            middle = abs(value)
    return value, bool(abs(value) > GROWTH * middle and abs(value) > seen)


def _number(value: mp.mpf) -> Quantity:
    return Quantity(sp.Float(value, DIGITS), False, ERROR * (1 + abs(float(value))), "extrema of F'")
