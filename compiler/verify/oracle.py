"""The oracle: what the declaration says about value, slope and parameter gradients at given points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mpmath
import numpy as np
import sympy as sp

from learnact.compiler.spec import Activation, x
from learnact.compiler.verify.jets import Walk
from learnact.compiler.verify.measured import DIGITS, DOUBLE, EXACT, Array, Field, Measured


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
        error = np.abs((found - self.high) - self.low)
        return np.where(np.isnan(error), np.inf, error)

    def __getitem__(self, index: Array | slice) -> Known:
        return Known(self.high[index], self.low[index], self.scale[index])

    def times(self, factor: Array) -> Known:
        """The truth times exact doubles: one more rounding for whoever computes it."""
        high = self.high * factor
        return Known(high, self.low * factor, self.scale * np.abs(factor) + np.abs(high))

    def summed(self) -> Known:
        """The sum over all points, exact to twice the digits of a double; its scale is the sum of the scales."""
        parts = [*self.high.tolist(), *self.low.tolist()]
        high = math.fsum(parts)
        return Known(np.array(high), np.array(math.fsum([*parts, -high])), np.array(self.scale.sum()))

    @staticmethod
    def stacked(parts: Sequence[Known]) -> Known:
        """Single numbers as one array."""
        return Known(*(np.array([getattr(k, name) for k in parts]) for name in ("high", "low", "scale")))


@dataclass(frozen=True)
class Truth:
    """Everything the declaration says at an array of points."""

    value: Known
    slope: Known  # dF/dx
    gradients: tuple[Known, ...]  # dF/d(parameter), flat in declared order
    kink: Array  # distance from a kink, in units of the scale of what decides it
    jump: Array  # distance from a discontinuity, likewise
    peak: Array  # the largest magnitude that a plain evaluation meets on the way

    @property
    def finite(self) -> Array:
        """Where all of it is a finite number."""
        known = (self.value, self.slope, *self.gradients)
        return np.logical_and.reduce([np.isfinite(k.high) & np.isfinite(k.scale) for k in known])

    def __getitem__(self, index: Array | slice) -> Truth:
        gradients = tuple(g[index] for g in self.gradients)
        places = (self.kink[index], self.jump[index], self.peak[index])
        return Truth(self.value[index], self.slope[index], gradients, *places)


@dataclass(frozen=True)
class Oracle:
    """Evaluates a declaration and its derivatives, independently of how it is compiled."""

    activation: Activation

    def __call__(self, points: Array, parameters: Sequence[float], *, exact: bool) -> Truth:
        """Truth at `points` (N,) for parameter values, flat in declared order: to 30 digits, or in doubles."""
        with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
            walk = self._walk(EXACT if exact else DOUBLE, points, parameters, derive=True)
            jet = walk.jet(self.activation.function)
            zero = walk.constant(sp.S.Zero)
            slope, *gradients = (Known.of(jet.tangents.get(s, zero)) for s in (x, *self.activation.symbols))
            nearest = [np.min([np.full(points.shape, np.inf), *found], axis=0) for found in (walk.kinks, walk.jumps)]
            return Truth(Known.of(jet.primal), slope, tuple(gradients), nearest[0], nearest[1], walk.peak)

    def branches(self, points: Array, parameters: Sequence[float]) -> Array:
        """Which branch every kinked node takes: (kinked nodes, N) integers, in doubles."""
        with np.errstate(all="ignore"):
            walk = self._walk(DOUBLE, points, parameters, derive=False)
            walk.jet(self.activation.function)
            return np.array(walk.choices, dtype=int).reshape(len(walk.choices), len(points))

    def _walk(self, numbers: Field, points: Array, parameters: Sequence[float], derive: bool) -> Walk:
        symbols = self.activation.symbols
        inputs = {x: numbers.array(points)}
        inputs |= {s: numbers.array(np.full(points.shape, p)) for s, p in zip(symbols, parameters, strict=True)}
        active = frozenset(inputs) if derive else frozenset()
        measured = {s: Measured(a, abs(a)) for s, a in inputs.items()}
        return Walk(numbers, points.shape, measured, active, symbols)
