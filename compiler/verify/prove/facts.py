"""What is known about signs in one cell: of polynomials, up to a positive factor and a constant."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass
class Facts:
    """Signs that base + offset may have, by base."""

    known: dict[Base, list[tuple[Fraction, Signs]]] = field(default_factory=dict)

    def assume(self, p: Poly, signs: Signs) -> None:
        """Take p to have one of these signs."""
        base, offset, way = split(p)
        self.known.setdefault(base, []).append((offset, signs if way > 0 else flipped(signs)))

    def signs(self, p: Poly) -> Signs:
        """The signs that p may have."""
        if not p:
            return NONE
        if len(p) == 1 and () in p:
            return PLUS if p[()] > 0 else MINUS
        base, offset, way = split(p)
        possible = ALL
        for at, signs in self.known.get(base, ()):
            possible &= moved(signs, offset - at)
        return possible if way > 0 else flipped(possible)

    def equations(self) -> list[tuple[Base, Fraction]]:
        """(base, offset) of which the sum is known to be 0."""
        return [(base, at) for base, found in self.known.items() for at, _ in found
                if self.signs({**dict(base), **({(): at} if at else {})}) == NONE]  # fmt: skip


def moved(signs: Signs, distance: Fraction) -> Signs:
    """Signs of u + distance, where u has one of these."""
    if distance == 0:
        return signs
    step = 1 if distance > 0 else -1
    out: set[int] = set()
    for s in signs:
        out |= {step} if s in (0, step) else {-1, 0, 1}
    return frozenset(out)
