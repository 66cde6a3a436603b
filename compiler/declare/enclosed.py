"""A constant with a bound on its rounding error: what cancels is seen, and can be computed again with more digits."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import mpmath as mp
import sympy as sp


class Enclosed(NamedTuple):
    """A number, and how far it is at most from what was asked for, to first order."""

    value: mp.mpf
    error: mp.mpf


def enclosed(e: sp.Expr, digits: int) -> Enclosed | None:
    """The value of a real constant, every function in it once, to so many digits; None if it is no finite real."""
    with mp.workdps(digits):
        return _enclosed(e, digits)


def _enclosed(e: sp.Expr, digits: int) -> Enclosed | None:
    if e.is_Rational:
        return _rounded(mp.mpf(int(e.p)) / int(e.q))
    if not (e.is_Add or e.is_Mul or (e.is_Pow and e.exp.is_Rational)):
        value = _other(e, digits)
        return None if value is None else _rounded(value)
    parts: list[Enclosed] = []
    for a in (e.base,) if e.is_Pow else e.args:
        part = _enclosed(a, digits)
        if part is None:
            return None
        parts.append(part)
    if e.is_Add:
        value, size = mp.fsum(p.value for p in parts), mp.fsum(abs(p.value) for p in parts)
        return Enclosed(value, mp.fsum(p.error for p in parts) + mp.eps * size)
    if e.is_Mul:
        return _product(parts)
    return _power(parts[0], e.exp)


def _rounded(value: mp.mpf) -> Enclosed:
    return Enclosed(value, mp.eps * abs(value))


def _product(parts: list[Enclosed]) -> Enclosed:
    value, error = mp.mpf(1), mp.mpf(0)
    for part in parts:
        error = error * (abs(part.value) + part.error) + abs(value) * (part.error + mp.eps * abs(part.value))
        value *= part.value
    return Enclosed(value, error)


def _power(base: Enclosed, exponent: sp.Rational) -> Enclosed | None:
    if abs(base.value) <= 2 * base.error:  # perhaps 0: nothing is known of a root of it, or of 1 over it
        return Enclosed(mp.mpf(0), mp.inf) if exponent < 0 else Enclosed(mp.mpf(0), (3 * base.error) ** _real(exponent))
    if base.value < 0 and not exponent.is_Integer:
        return None
    value = base.value ** (int(exponent) if exponent.is_Integer else _real(exponent))
    return Enclosed(value, abs(value) * (2 * abs(_real(exponent)) * base.error / abs(base.value) + mp.eps))


def _real(exponent: sp.Rational) -> mp.mpf:
    return mp.mpf(int(exponent.p)) / int(exponent.q)


@lru_cache(maxsize=1 << 15)
def _other(e: sp.Expr, digits: int) -> mp.mpf | None:
    """A function of a constant, or any other number."""
    value = e.evalf(digits + 5)
    return mp.mpf(value._mpf_) if value.is_Float else mp.mpf(0) if value == 0 else None
