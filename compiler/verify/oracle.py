"""The oracle: value, slope and parameter gradients of the declaration at given points.

Where plain evaluation overflows, arithmetic without an exponent limit replaces it; where it is 0/0, the limit does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import mpmath
import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify.jets import JUMPING, Walk
from learnact.compiler.verify.measured import DIGITS, DOUBLE, EXACT, LIMIT, LIMIT_DIGITS, Array, Field, Measured

ASIDE = (mpmath.mpf("1e-60"), mpmath.mpf("1e-50"))  # distances from a gap at which a limit is read, and checked
BESIDE = 1e-3  # a distance at which F must be a number on both sides, or there is no gap to fill
CONVERGED = 1e-12  # relative difference of what is read at all of them; a logarithm differs by a fifth


@dataclass(frozen=True)
class Known:
    """True numbers as unevaluated sums of two doubles, and the scales of their rounding errors."""

    high: Array
    low: Array
    scale: Array

    @classmethod
    def of(cls, measured: Measured) -> Known:
        """Split into doubles."""
        high = measured.value.astype(float)
        low = np.where(np.isfinite(high), (measured.value - high).astype(float), 0.0)
        return cls(high, low, measured.scale.astype(float))

    def error(self, found: Array) -> Array:
        """|found - truth|; infinite where what was found is no number."""
        with np.errstate(invalid="ignore"):
            error = np.abs((found - self.high) - self.low)
        return np.where(np.isnan(error), np.inf, error)

    def __getitem__(self, index: Array | slice) -> Known:
        return Known(self.high[index], self.low[index], self.scale[index])

    def times(self, factor: Array) -> Known:
        """The truth times exact doubles: one more rounding for whoever computes it."""
        with np.errstate(invalid="ignore"):  # of what is infinite
            high = self.high * factor
            return Known(high, self.low * factor, self.scale * np.abs(factor) + np.abs(high))

    def summed(self) -> Known:
        """The sum over all points, exact to twice the digits of a double; its scale is the sum of the scales."""
        parts = [*self.high.tolist(), *self.low.tolist()]
        high = math.fsum(parts)
        return Known(np.array(high), np.array(math.fsum([*parts, -high])), np.array(self.scale.sum()))

    def put(self, where: Array, other: Known) -> Known:
        """The other's numbers in these places."""
        parts = [(getattr(self, name).copy(), getattr(other, name)) for name in ("high", "low", "scale")]
        for mine, theirs in parts:
            mine[where] = theirs
        return Known(*(mine for mine, _ in parts))

    @staticmethod
    def stacked(parts: Sequence[Known]) -> Known:
        """Single numbers as one array."""
        return Known(*(np.array([getattr(k, name) for k in parts]) for name in ("high", "low", "scale")))


@dataclass(frozen=True)
class Truth:
    """F, dF/dx and dF/dparameter of the declaration at an array of points, with their rounding scales."""

    value: Known
    slope: Known  # dF/dx
    gradients: tuple[Known, ...]  # dF/d(parameter), flat in declared order
    kink: Array  # distance from a kink, in units of the scale of what decides it
    jump: Array  # distance from a discontinuity, likewise
    peak: Array  # the largest magnitude that a plain evaluation meets on the way
    gap: Array  # whether these are limits, of what is 0/0 here

    @property
    def finite(self) -> Array:
        """Where value, slope and gradients are all finite, (N,) booleans."""
        return np.isfinite(self.extent)

    @property
    def size(self) -> Array:
        """The largest true number; inf where one of them is no number."""
        sizes = np.abs([k.high for k in (self.value, self.slope, *self.gradients)])
        return np.where(np.isfinite(sizes).all(axis=0), sizes.max(axis=0), np.inf)

    @property
    def extent(self) -> Array:
        """The largest true number or scale, which even the best program meets; inf where one of them is no number."""
        known = (self.value, self.slope, *self.gradients)
        sizes = np.array([np.maximum(np.abs(k.high), k.scale) for k in known])
        return np.where(np.isfinite(sizes).all(axis=0), np.abs(sizes).max(axis=0), np.inf)

    def put(self, where: Array, other: Truth) -> Truth:
        """The other's statements in these places."""
        mine, theirs = ((t.value, t.slope, *t.gradients) for t in (self, other))
        value, slope, *gradients = (a.put(where, b) for a, b in zip(mine, theirs, strict=True))
        places = [(getattr(self, name).copy(), getattr(other, name)) for name in ("kink", "jump", "peak", "gap")]
        for old, new in places:
            old[where] = new
        return Truth(value, slope, tuple(gradients), *(old for old, _ in places))

    def __getitem__(self, index: Array | slice) -> Truth:
        gradients = tuple(g[index] for g in self.gradients)
        places = (self.kink[index], self.jump[index], self.peak[index], self.gap[index])
        return Truth(self.value[index], self.slope[index], gradients, *places)


def _without_cancellation(total: sp.Expr) -> sp.Expr:
    """Every s exp(u) - s in a sum as s expm1(u)."""
    for exponential in total.atoms(sp.exp):
        scale = total.coeff(exponential)
        rest = total - scale * exponential
        if scale != 0 and -scale in sp.Add.make_args(rest):
            total = rest + scale + scale * expm1(exponential.args[0])
    return total


@dataclass(frozen=True)
class Oracle:
    """Evaluates a declaration and its derivatives, independently of how it is compiled."""

    activation: Activation

    @cached_property
    def function(self) -> sp.Expr:
        """The declared function; log(1 + exp(u)) and 1/(1 + exp(u)) in one piece, as they are best computed.

        So are exp(u) - 1 and log(1 + u): digits are due near u = 0.
        """
        u = sp.Wild("u")
        whole = self.activation.function.replace(sp.log(1 + sp.exp(u)), softplus(u))
        whole = whole.replace(1 / (1 + sp.exp(u)), sigmoid(-u)).replace(log1p(sp.exp(u)), softplus(u))
        whole = whole.replace(lambda e: isinstance(e, sp.Add), _without_cancellation)
        return whole.replace(
            lambda e: isinstance(e, sp.log) and isinstance(e.args[0], sp.Add) and 1 in e.args[0].args,
            lambda e: log1p(e.args[0] - 1),
        )

    def __call__(self, points: Array, parameters: Sequence[float], *, exact: bool) -> Truth:
        """Truth at `points` (N,) for parameter values, flat in declared order: to 30 digits, or in doubles."""
        truth = self._truth(EXACT if exact else DOUBLE, points, parameters)
        overflows = np.isinf(truth.peak)
        if not exact and overflows.any():
            truth = truth.put(overflows, self._truth(EXACT, points[overflows], parameters))
        return truth if truth.finite.all() else self._filled(truth, points, parameters)

    def within(self, numbers: Field, points: Array, parameters: Sequence[float]) -> Truth:
        """Truth at `points` for `parameters` in `numbers`, a field such as LIMIT; where it is 0/0, no number."""
        return self._truth(numbers, points, parameters)

    def _truth(self, numbers: Field, points: Array, parameters: Sequence[float], aside: mpmath.mpf | int = 0) -> Truth:
        """What a plain evaluation says, at a distance `aside` from the points."""
        with mpmath.workdps(LIMIT_DIGITS if numbers is LIMIT else DIGITS), np.errstate(all="ignore"):
            walk = self._walk(numbers, points, parameters, derive=True, aside=aside)
            jet = below = walk.jet(self.function)
            peak = walk.peak
            if self.function.has(*JUMPING):
                beside = self._walk(numbers, points, parameters, derive=True, aside=aside, left=True)
                below = beside.jet(self.function)
                peak = np.fmax(peak, beside.peak)
            zero = walk.constant(sp.S.Zero)
            slope, *gradients = (Known.of(below.tangents.get(s, zero)) for s in (x, *self.activation.symbols))
            nearest = [np.min([np.full(points.shape, np.inf), *found], axis=0) for found in (walk.kinks, walk.jumps)]
            gap = np.zeros(points.shape, dtype=bool)
            return Truth(Known.of(jet.primal), slope, tuple(gradients), nearest[0], nearest[1], peak, gap)

    def _filled(self, truth: Truth, points: Array, parameters: Sequence[float]) -> Truth:
        """The same with the limit wherever F and all its first derivatives have one; rounding scales with that."""
        steps = BESIDE * (1 + np.abs(points))
        beside = [self._truth(DOUBLE, points + side * steps, parameters).finite for side in (-1, 1)]
        gaps = np.flatnonzero(~truth.finite & beside[0] & beside[1])
        if not gaps.size:
            return truth
        read = [self._truth(LIMIT, points[gaps], parameters, side * step) for step in ASIDE for side in (-1, 1)]
        numbers = np.array([[k.high for k in (t.value, t.slope, *t.gradients)] for t in read])
        limits = numbers[:2].mean(axis=0)
        with np.errstate(all="ignore"):
            converged = (np.ptp(numbers, axis=0) <= CONVERGED * (1 + np.abs(limits))).all(axis=0)
        value, slope, *gradients = (Known(n, np.zeros_like(n), 1 + np.abs(n)) for n in limits)
        peak = 1 + np.abs(limits).max(axis=0)
        filled = Truth(value, slope, tuple(gradients), read[0].kink, read[0].jump, peak, np.ones_like(converged))
        return truth.put(gaps[converged], filled[converged])

    def branches(self, points: Array, parameters: Sequence[float]) -> Array:
        """Which branch every kinked node takes: (kinked nodes, N) integers, in doubles."""
        with np.errstate(all="ignore"):
            walk = self._walk(DOUBLE, points, parameters, derive=False)
            walk.jet(self.function)
            return np.array(walk.choices, dtype=int).reshape(len(walk.choices), len(points))

    def _walk(
        self,
        numbers: Field,
        points: Array,
        parameters: Sequence[float],
        derive: bool,
        aside: mpmath.mpf | int = 0,
        left: bool = False,
    ) -> Walk:
        symbols = self.activation.symbols
        inputs = {x: numbers.array(points) + aside}
        inputs |= {s: numbers.array(np.full(points.shape, p)) for s, p in zip(symbols, parameters, strict=True)}
        active = frozenset(inputs) if derive else frozenset()
        measured = {s: Measured(a, abs(a)) for s, a in inputs.items()}
        return Walk(numbers, points.shape, measured, active, symbols, left)
