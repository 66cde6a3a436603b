"""What is known about signs in one cell: of polynomials, up to a positive factor and a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from learnact.compiler.verify.prove.polynomial import Monomial, Poly

Signs = frozenset[int]
ALL, PLUS, MINUS, NONE = frozenset((-1, 0, 1)), frozenset((1,)), frozenset((-1,)), frozenset((0,))
NOT_BELOW, NOT_ABOVE = frozenset((0, 1)), frozenset((-1, 0))

Base = tuple[tuple[Monomial, Fraction], ...]


def split(p: Poly) -> tuple[Base, Fraction, int]:
    """p = positive * way * (base + offset): base without a constant, its first coefficient 1."""
    offset = p.get((), Fraction(0))
    terms = sorted((m, c) for m, c in p.items() if m)
    lead = terms[0][1]
    return tuple((m, c / lead) for m, c in terms), offset / lead, 1 if lead > 0 else -1


def flipped(signs: Signs) -> Signs:
    """The signs of -u."""
    return frozenset(-s for s in signs)


@dataclass(frozen=True)
class Facts:
    """(base, offset, signs that base + offset may have), in the order in which they were assumed."""

    known: tuple[tuple[Base, Fraction, Signs], ...] = ()

    def given(self, assumptions: Sequence[tuple[Poly, Signs]]) -> Facts:
        """These and more."""
        more = []
        for p, signs in assumptions:
            base, offset, way = split(p)
            more.append((base, offset, signs if way > 0 else flipped(signs)))
        return Facts((*self.known, *more))

    def signs(self, p: Poly) -> Signs:
        """The signs that p may have."""
        if not p:
            return NONE
        if len(p) == 1 and () in p:
            return PLUS if p[()] > 0 else MINUS
        base, offset, way = split(p)
        possible = ALL
        for other, at, signs in self.known:
            if other == base:
                possible &= moved(signs, offset - at)
        return possible if way > 0 else flipped(possible)


def moved(signs: Signs, distance: Fraction) -> Signs:
    """Signs of u + distance, where u has one of these."""
    if distance == 0:
        return signs
    step = 1 if distance > 0 else -1
    out: set[int] = set()
    for s in signs:
        out |= {step} if s in (0, step) else {-1, 0, 1}
    return frozenset(out)
