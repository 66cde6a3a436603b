"""Sparse polynomials with rational coefficients and whole exponents, negative ones included: the normal form's numbers.

SymPy's rings fix their generators beforehand; here a sine, a root or an undecided sign becomes a generator when it is
met. A polynomial is a dictionary from monomials, sorted tuples of (generator, exponent), to coefficients other than 0.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

Monomial = tuple[tuple[int, int], ...]
Poly = dict[Monomial, Fraction]

ZERO: Poly = {}
ONE: Poly = {(): Fraction(1)}


def constant(value: Fraction | int) -> Poly:
    """A number."""
    return {(): Fraction(value)} if value else {}


def generator(k: int, exponent: int = 1) -> Poly:
    """A power of a generator."""
    return {((k, exponent),): Fraction(1)} if exponent else dict(ONE)


def add(p: Poly, q: Poly, factor: Fraction | int = 1) -> Poly:
    """p + factor q."""
    out = dict(p)
    for m, c in q.items():
        if value := out.get(m, 0) + factor * c:
            out[m] = Fraction(value)
        else:
            out.pop(m, None)
    return out


def join(m: Monomial, n: Monomial) -> Monomial:
    """The product of monomials."""
    if not m or not n:
        return m or n
    powers = dict(m)
    for k, e in n:
        powers[k] = powers.get(k, 0) + e
    return tuple(sorted((k, e) for k, e in powers.items() if e))


def multiply(p: Poly, q: Poly) -> Poly:
    """p q."""
    out: dict[Monomial, Fraction] = {}
    for m, c in p.items():
        for n, d in q.items():
            both = join(m, n)
            out[both] = out.get(both, Fraction(0)) + c * d
    return {m: c for m, c in out.items() if c}


def power(p: Poly, exponent: int, times: Callable[[Poly, Poly], Poly]) -> Poly:
    """p**exponent, exponent >= 0."""
    out = dict(ONE)
    for _ in range(exponent):
        out = times(out, p)
    return out


def inverse(p: Poly) -> Poly | None:
    """1/p of a single term; None of a sum."""
    if len(p) != 1:
        return None
    ((m, c),) = p.items()
    return {tuple((k, -e) for k, e in m): 1 / c}


def key(p: Poly) -> tuple[tuple[Monomial, Fraction], ...]:
    """A hashable form, equal for equal polynomials."""
    return tuple(sorted(p.items()))


def is_number(p: Poly) -> bool:
    """Whether no generator occurs."""
    return not p or (len(p) == 1 and () in p)


def without_common_factor(p: Poly) -> Poly:
    """p over the largest monomial that divides all its terms."""
    if not p:
        return p
    common = dict(next(iter(p)))
    for m in p:
        powers = dict(m)
        common = {k: min(e, powers[k]) for k, e in common.items() if k in powers}
    return multiply(p, {tuple(sorted((k, -e) for k, e in common.items() if e)): Fraction(1)})
