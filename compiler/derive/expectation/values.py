"""Expressions in x at an array of points, each sub-expression once, in double precision or in fixed point.

Fixed point is v * 2^bits as Python integers in NumPy object arrays: several times faster than mpmath, and accurate
where absolute errors count, as in sums.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import reduce
from operator import add, ge, gt, le, lt
from typing import Any, ClassVar

import mpmath as mp
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from learnact.compiler.declare.constants import evaluate, number
from learnact.compiler.declare.doubles import with_doubles
from learnact.compiler.declare.functions import sigmoid
from learnact.compiler.declare.symbols import x

Array = NDArray[np.float64]
Integers = NDArray[np.object_]

MOST_TURNS = 64
"""Highest harmonic that is reached from its fundamental by rotations; higher ones call cos and sin."""

_ORDERS = {sp.Le: le, sp.Lt: lt, sp.Ge: ge, sp.Gt: gt}


class Evaluation(ABC):
    """One set of points; calling it with an expression gives an array of the points' shape."""

    def __init__(self, points: NDArray[Any]) -> None:
        self.points = points
        self._known: dict[sp.Expr, NDArray[Any]] = {x: points}

    def __call__(self, e: sp.Expr) -> NDArray[Any]:
        """The values of e."""
        if e not in self._known:
            self._known[e] = self._of(e)
        return self._known[e]

    def _of(self, e: sp.Expr) -> NDArray[Any]:
        if not e.has(x):
            return self.constant(e)
        if e.is_Add:
            return reduce(add, map(self, e.args))
        if e.is_Mul:
            return reduce(self.product, map(self, e.args))
        if e.is_Pow and e.exp.is_Integer:
            if e.exp < 0:
                return self.reciprocal(self(e.base ** (-e.exp)))
            return self.product(self(e.base), self(e.base ** (e.exp - 1)))
        if isinstance(e, sp.Max):
            return reduce(np.maximum, map(self, e.args))
        if isinstance(e, sp.Min):
            return reduce(np.minimum, map(self, e.args))
        if isinstance(e, sp.Abs):
            return np.abs(self(e.args[0]))
        if isinstance(e, sp.Piecewise) and all(type(c) in _ORDERS for _, c in e.args[:-1]) and e.args[-1][1] == sp.true:
            *cases, (otherwise, _) = e.args
            conditions = [_ORDERS[type(c)](self(c.lhs), self(c.rhs)) for _, c in cases]
            return reduce(
                lambda rest, case: np.where(case[0], self(case[1]), rest),
                [(c, branch) for c, (branch, _) in zip(conditions[::-1], cases[::-1], strict=True)],
                self(otherwise),
            )
        return self.function(e)

    @abstractmethod
    def constant(self, e: sp.Expr) -> NDArray[Any]:
        """An expression without x."""

    @abstractmethod
    def product(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """a b."""

    @abstractmethod
    def reciprocal(self, a: NDArray[Any]) -> NDArray[Any]:
        """1 / a."""

    @abstractmethod
    def function(self, e: sp.Expr) -> NDArray[Any]:
        """Any other function of x."""


def _erf(u: Array) -> Array:
    return np.fromiter(map(math.erf, np.ravel(u)), float, np.size(u)).reshape(np.shape(u))


def _sigmoid(u: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(u / 2)


def _softplus(u: Array) -> Array:
    return np.logaddexp(0.0, u)


def _erfc(u: Array) -> Array:
    return np.fromiter(map(math.erfc, np.ravel(u)), float, np.size(u)).reshape(np.shape(u))


BY_NAME = {"erf": _erf, "erfc": _erfc, "sigmoid": _sigmoid, "softplus": _softplus}
"""Functions that NumPy lacks, for text that SymPy prints."""


class InDouble(Evaluation):
    """Evaluation in double precision."""

    _FUNCTIONS: ClassVar[dict[type, Callable[[Array], Array]]] = {
        sp.exp: np.exp,
        sp.cos: np.cos,
        sp.sin: np.sin,
        sp.tanh: np.tanh,
        sp.erf: _erf,
        sigmoid: _sigmoid,
    }

    def constant(self, e: sp.Expr) -> Array:
        return np.full(self.points.shape, float(evaluate(e)))

    def product(self, a: Array, b: Array) -> Array:
        return a * b

    def reciprocal(self, a: Array) -> Array:
        return 1 / a

    def function(self, e: sp.Expr) -> Array:
        known = self._FUNCTIONS.get(type(e))
        if known:
            return known(self(e.args[0]))
        call = sp.lambdify(x, with_doubles(e), modules=[BY_NAME, "numpy"])
        return np.broadcast_to(np.asarray(call(self.points), float), self.points.shape)


def _precise_sigmoid(u: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-u))


class InFixedPoint(Evaluation):
    """Evaluation in integers v * 2^bits; mpmath's functions are called with as many bits."""

    _FUNCTIONS: ClassVar[dict[type, Callable[[mp.mpf], mp.mpf]]] = {
        sp.exp: mp.exp,
        sp.cos: mp.cos,
        sp.sin: mp.sin,
        sp.tanh: mp.tanh,
        sp.erf: mp.erf,
        sigmoid: _precise_sigmoid,
    }

    def __init__(self, points: Integers, bits: int) -> None:
        super().__init__(points)
        self.bits = bits
        self._turns: dict[sp.Expr, list[tuple[Integers, Integers]]] = {}  # w -> (cos kwx, sin kwx), k = 1, 2, ...

    def constant(self, e: sp.Expr) -> Integers:
        return np.full(self.points.shape, to_fixed(mp.mpf(evaluate(e, 60)), self.bits), object)

    def product(self, a: Integers, b: Integers) -> Integers:
        return (a * b) >> self.bits

    def reciprocal(self, a: Integers) -> Integers:
        return (1 << 2 * self.bits) // a

    def function(self, e: sp.Expr) -> Integers:
        with mp.workprec(self.bits):
            if isinstance(e, (sp.cos, sp.sin)) and not (frequency := e.args[0] / x).has(x):
                return self._turned(frequency)[isinstance(e, sp.sin)]
            known = self._FUNCTIONS.get(type(e))
            if known:
                return self._each(known, self(e.args[0]))
            return self._each(_pointwise(e), self.points)

    def _each(self, function: Callable[[mp.mpf], mp.mpf], arguments: Integers) -> Integers:
        values = [to_fixed(function(mp.ldexp(mp.mpf(u), -self.bits)), self.bits) for u in arguments]
        return np.array(values, object)

    def _turned(self, frequency: sp.Expr) -> tuple[Integers, Integers]:
        """cos and sin of frequency * x, as a multiple of an earlier frequency where it is one."""
        fundamentals = [base for base in self._turns if is_multiple(frequency, base)]
        if not fundamentals:
            argument = self(frequency * x)
            self._turns[frequency] = [(self._each(mp.cos, argument), self._each(mp.sin, argument))]
        base = fundamentals[0] if fundamentals else frequency
        turns = self._turns[base]
        cos, sin = turns[0]
        while len(turns) < frequency / base:
            c, s = turns[-1]
            turns.append(((c * cos - s * sin) >> self.bits, (s * cos + c * sin) >> self.bits))
        return turns[int(frequency / base) - 1]


def is_multiple(frequency: sp.Expr, base: sp.Expr) -> bool:
    """Whether the frequency is one of the harmonics of the base that are reached by rotations."""
    ratio = frequency / base
    return bool(ratio.is_Integer and 0 < ratio <= MOST_TURNS)


def _pointwise(e: sp.Expr) -> Callable[[mp.mpf], mp.mpf]:
    """An expression that no rule above knows, constants evaluated beforehand."""

    def is_irrational(part: sp.Basic) -> bool:
        return isinstance(part, sp.Expr) and not part.has(x) and not part.is_Rational

    return sp.lambdify(x, e.replace(is_irrational, number), modules=[{"sigmoid": _precise_sigmoid}, "mpmath"], cse=True)


def to_fixed(value: mp.mpf, bits: int) -> int:
    """The integer value * 2^bits, rounded towards 0."""
    return int(mp.ldexp(value, bits))


def from_fixed(value: int, bits: int) -> mp.mpf:
    """The number value * 2^-bits, in the precision of mpmath's context."""
    return mp.ldexp(mp.mpf(value), -bits)
