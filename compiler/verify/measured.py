"""Arithmetic on values that carry the magnitude their rounding error scales with.

A program that evaluates the same expression in a precision eps errs by a small multiple of eps * scale, where
scale follows the sum of the magnitudes that were added, and the input's own last digit (first-order running
error analysis; Higham, Accuracy and Stability of Numerical Algorithms, chapter 3). A polynomial of degree 12
at |x| = 8 may so lose the digits that it must lose, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp

DIGITS = 30
"""Working precision of the exact field: 14 digits beyond a double, enough for any cancellation a bound allows."""

LIMIT_DIGITS = 400
"""Working precision beside a gap: 0/0 of order 6 at a distance of 1e-60 cancels 360 digits."""

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Measured:
    """Arrays of one shape: values, and for each the scale of its rounding error."""

    value: Array
    scale: Array

    def __add__(self, other: Measured) -> Measured:
        value = self.value + other.value
        return Measured(value, self.scale + other.scale + abs(value))

    def __mul__(self, other: Measured) -> Measured:
        value = self.value * other.value
        return Measured(value, abs(self.value) * other.scale + abs(other.value) * self.scale + abs(value))

    def where(self, mask: Array, other: Measured) -> Measured:
        """Keep self where the mask holds, take the other elsewhere."""
        return Measured(np.where(mask, self.value, other.value), np.where(mask, self.scale, other.scale))


@dataclass(frozen=True, eq=False)
class Field:
    """Numbers to evaluate in: how to make arrays, constants and functions of them."""

    dtype: type
    number: Callable[[sp.Expr], Any]
    lift: Callable[[Callable[..., Any]], Callable[..., Array]]  # a function of scalars or arrays -> one of arrays
    modules: tuple[Any, ...]  # where lambdify finds functions

    def array(self, values: Array) -> Array:
        """These doubles in this field."""
        return np.asarray(values, dtype=np.float64).astype(self.dtype) if self.dtype is float else _mp_array(values)

    def full(self, expr: sp.Expr, shape: tuple[int, ...]) -> Array:
        """A number, everywhere."""
        return np.full(shape, self.number(expr), dtype=self.dtype)

    def floor(self, values: Array) -> Array:
        """The largest integers that are not above."""
        return self.lift(np.floor if self.dtype is float else mpmath.floor)(values)

    def power(self, base: Array, exponent: sp.Expr) -> Array:
        """base ** exponent; nan where it is not real."""
        e = int(exponent) if exponent.is_Integer else self.number(exponent)
        return self.lift(lambda b: b**e)(base)


@cache
def elementary(field: Field, kind: type[sp.Function]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """A function and its derivative, on arrays of the field."""
    u, slope = derivative(kind)  # type: ignore[arg-type]  # classes are hashable
    modules = list(field.modules)
    return field.lift(sp.lambdify(u, kind(u), modules=modules)), field.lift(sp.lambdify(u, slope, modules=modules))


@cache
def derivative(kind: type[sp.Function]) -> tuple[sp.Symbol, sp.Expr]:
    """A symbol, and the function's derivative at it."""
    u = sp.Dummy("u", real=True)
    return u, kind(u).diff(u)


def _mp_array(values: Array) -> Array:
    return np.frompyfunc(mpmath.mpf, 1, 1)(np.asarray(values, dtype=np.float64)).astype(object)


def _mp_lift(function: Callable[..., Any]) -> Callable[..., Array]:
    def real(*args: Any) -> Any:
        try:
            result = function(*args)
        except (ZeroDivisionError, ValueError, OverflowError):  # a pole, or a branch that is not taken here
            return mpmath.nan
        return mpmath.nan if isinstance(result, mpmath.mpc) else mpmath.mpf(result)

    ufunc = np.frompyfunc(real, 1, 1)
    return lambda u: np.asarray(ufunc(u), dtype=object)


def _np_lift(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda u: np.broadcast_to(np.asarray(function(u), dtype=np.float64), u.shape)


def _np_sigmoid(u: Array) -> Array:
    small = np.exp(-np.abs(u))
    return np.where(u >= 0, 1, small) / (1 + small)


_np_erf = np.vectorize(mpmath.fp.erf, otypes=[np.float64])
_np_erfc = np.vectorize(mpmath.fp.erfc, otypes=[np.float64])
_NUMPY = {"sigmoid": _np_sigmoid, "softplus": lambda u: np.logaddexp(0, u), "erf": _np_erf, "erfc": _np_erfc}
_MPMATH = {
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "expm1": mpmath.expm1,
    "log1p": mpmath.log1p,
}


def _mp_field(digits: int) -> Field:
    return Field(object, cache(lambda e: mpmath.mpf(sp.N(e, digits + 10))), _mp_lift, (_MPMATH, "mpmath"))


DOUBLE = Field(float, cache(lambda e: float(sp.N(e, 20))), _np_lift, (_NUMPY, "numpy"))
EXACT, LIMIT = _mp_field(DIGITS), _mp_field(LIMIT_DIGITS)
