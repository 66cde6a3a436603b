"""Numeric value, sign and order of constant expressions, to 60 digits: enough to tell a tie from a close call."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

import mpmath as mp
import sympy as sp

from learnact.compiler.declare.enclosed import enclosed
from learnact.errors import NoClosedForm

DIGITS = 30
"""Significant digits of a quantity without a closed form."""

EVALUATED = 60
"""Digits to which the functions inside a constant are evaluated, once each."""

ACCURATE = 40
"""Digits of a number that must be left after cancellation; else it is evaluated again, to MOST_EVALUATED digits."""

MOST_EVALUATED = 400
"""Digits to which sums are evaluated that cancel, as 1 - erf(12) does; what still cancels is 0."""

TIED = 20
"""Digits of a number that must be left then."""

TIE = sp.Float(10) ** -30
"""Two decimals of quadrature closer than this are the same."""

MOST_LOST = 300
"""Digits beyond those that are evaluated for the sake of a large exponential: exp(2 sigma^2) up to sigma = 18."""


def _lost(e: sp.Expr) -> int:
    """Digits that exp(large) (1 - erf(large)) loses. Raises NoClosedForm where that are too many to compute."""
    exponents = [float(f.args[0].evalf(15)) for f in e.atoms(sp.exp) if f.args[0].is_real]
    lost = int(max((0.0, *exponents)) / 2.3)
    if lost > MOST_LOST:
        raise NoClosedForm(f"exponentials as large as 10^{lost} cancel")
    return lost


@lru_cache(maxsize=1 << 16)
def number(e: sp.Expr) -> sp.Float | None:
    """A real constant as a 60-digit number; None where symbols are left. Raises NoClosedForm if not real."""
    if e.free_symbols:
        return None
    lost = _lost(e)
    for digits, enough in ((EVALUATED + lost, ACCURATE), (MOST_EVALUATED + lost, TIED)):
        found = enclosed(e, digits)
        if found is None or not mp.isfinite(found.value):
            raise NoClosedForm(f"{e} is no finite real number")
        if found.error <= abs(found.value) * mp.mpf(10) ** -enough:
            return sp.Float(found.value, EVALUATED)
    if found is None or not mp.isfinite(found.error):
        raise NoClosedForm(f"{e} is no finite real number")
    return sp.Float(0, EVALUATED)


def evaluate(value: sp.Expr, digits: int = DIGITS) -> sp.Expr:
    """The value to `digits` significant digits, each function of a constant evaluated once; free symbols stay."""
    return sp.N(value, digits) if value.free_symbols else sp.N(number(value), digits)


def _sign_of_number(e: sp.Expr) -> int:
    """The sign of a constant; a closed form that is not 0 has one however small it is."""
    value: Any = number(e)
    if value == 0 or (e.has(sp.Float) and abs(value) < TIE):
        return 0
    return 1 if value > 0 else -1


def _factored(e: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """e = constant * monomial, the monomial holding every symbol."""
    return e.as_independent(*e.free_symbols, as_Add=False)


@lru_cache(maxsize=1 << 16)
def sign(e: sp.Expr) -> int | None:
    """-1, 0 or 1; None where it depends on the symbols.

    A sum is decided if, monomial by monomial, its coefficients (numbers such as 1 - sqrt(2) erfinv(1/3)) agree.
    """
    if not e.free_symbols:
        return _sign_of_number(e)
    coefficients: dict[sp.Expr, list[sp.Expr]] = defaultdict(list)
    for part in sp.Add.make_args(sp.expand(e)):
        constant, monomial = _factored(part)
        coefficients[monomial].append(constant)
    signs = set()
    for monomial, constants in coefficients.items():
        own = _sign_of_number(sp.Add(*constants))
        if own:
            signs.add(own if monomial.is_positive else -own if monomial.is_negative else None)
    if not signs:
        return 0
    if len(signs) == 1 and None not in signs:
        return signs.pop()
    return 1 if e.is_positive else -1 if e.is_negative else None


@lru_cache(maxsize=1 << 16)
def order(a: sp.Expr, b: sp.Expr) -> int:
    """sign(b - a), infinities allowed. Raises NoClosedForm where symbols leave it open."""
    if a == b:
        return 0
    if a is sp.S.NegativeInfinity or b is sp.S.Infinity:
        return 1
    if a is sp.S.Infinity or b is sp.S.NegativeInfinity:
        return -1
    (left, mine), (right, yours) = _factored(a), _factored(b)
    same = mine == yours and mine.is_positive  # two knots sigma * c: cheaper than the sign of a symbolic difference
    found = sign(right - left) if same else sign(b - a)
    if found is None:
        raise NoClosedForm(f"the order of {a} and {b} depends on the symbols in them")
    return found


def less(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether a < b. Raises NoClosedForm where symbols leave it open."""
    return order(a, b) > 0


def between(lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    """A point strictly inside (lo, hi), rational wherever the ends are numbers."""
    if lo is sp.S.NegativeInfinity and hi is sp.S.Infinity:
        return sp.S.Zero
    if lo is sp.S.NegativeInfinity:
        return _rational(hi) - 1
    if hi is sp.S.Infinity:
        return _rational(lo) + 1
    return (_rational(lo, 30) + _rational(hi, 30)) / 2


def _rational(e: sp.Expr, digits: int = 15) -> sp.Expr:
    value = None if e.is_Rational else number(e)
    return e if value is None else sp.Rational(str(sp.Float(value, digits)))
