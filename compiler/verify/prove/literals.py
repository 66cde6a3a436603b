"""From a decimal in the file back to the exact number that stands there.

The rule. A float literal c stands for one exact number that rounds to it as a double:

1. a number of the declaration or of its first derivatives, as SymPy writes them;
2. else r b, with r the rational of smallest denominator that rounds to c / b, at most 40 bits of numerator and
   denominator together, and b = 1 or a quotient or product of two of the declaration's constants (pi, sqrt(2), ...);
3. else c itself, which is a dyadic rational.

In each case the literal is the correctly rounded double of the number it stands for. If the file with these numbers
equals the declaration, its literals are therefore the rounded exact constants; a literal that is off by one unit in
the last place stands for another number, and the identity fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import sympy as sp

BITS = 40
DIGITS = 60


@dataclass
class Literals:
    """Lifts the literals of one file."""

    declared: Sequence[sp.Expr]  # F and its first derivatives
    known: dict[float, sp.Expr] = field(default_factory=dict)
    bases: list[tuple[sp.Expr, Fraction]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Collect the declaration's numbers and constants."""
        numbers = {n for e in self.declared for n in sp.preorder_traversal(e) if n.is_number and n.is_real}
        numbers |= {m.as_coeff_Mul()[0] for e in self.declared for m in sp.preorder_traversal(e) if m.is_Mul}
        for n in sorted(numbers, key=sp.default_sort_key):
            value = rounded(n)
            if math.isfinite(value):
                self.known.setdefault(value, n)
                self.known.setdefault(-value, -n)
        constants = {b for n in numbers if not n.is_Rational for b in _constants(n)}
        for a, b in product(sorted({sp.S.One, *constants}, key=sp.default_sort_key), repeat=2):
            for base in (a * b, a / b):
                if base.is_number and not base.is_Rational:
                    self.bases.append((base, Fraction(str(sp.N(base, DIGITS)))))

    def __call__(self, c: float) -> sp.Expr:
        """The exact number that the literal stands for."""
        if not math.isfinite(c):
            return sp.nan if math.isnan(c) else sp.oo * int(math.copysign(1, c))
        if c not in self.known:
            self.known[c] = self._lift(c)
        return self.known[c]

    def _lift(self, c: float) -> sp.Expr:
        low, high = interval(c)
        if (r := simplest(low, high)) is not None:
            return sp.Rational(r.numerator, r.denominator)
        for base, value in self.bases:
            ends = sorted((low / value, high / value))
            r = simplest(*ends)
            if r is not None and rounded(lifted := sp.Rational(r.numerator, r.denominator) * base) == c:
                return lifted
        exact = Fraction(c)
        return sp.Rational(exact.numerator, exact.denominator)


def _constants(n: sp.Expr) -> set[sp.Expr]:
    """The irrational factors of a number."""
    found = set()
    for part in sp.Add.make_args(n):
        for f in sp.Mul.make_args(part):
            if not f.is_Rational:
                found |= {f, *({f.base, sp.sqrt(f.base)} if f.is_Pow and not f.base.is_Rational else set())}
    return found | {a for a in n.atoms(sp.NumberSymbol, sp.Function)}


def rounded(n: sp.Expr) -> float:
    """The correctly rounded double of an exact real number; infinite where none is near."""
    if n.is_Rational:
        try:
            return float(Fraction(int(n.p), int(n.q)))
        except OverflowError:
            return math.inf
    value = sp.N(n, DIGITS)
    return float(Fraction(str(value))) if value.is_Float else math.inf


def interval(c: float) -> tuple[Fraction, Fraction]:
    """Between the midpoints to the neighbouring doubles: everything inside rounds to c."""
    middle = Fraction(c)
    return tuple((middle + Fraction(math.nextafter(c, way))) / 2 for way in (-math.inf, math.inf))  # type: ignore[return-value]


def simplest(low: Fraction, high: Fraction) -> Fraction | None:
    """The rational of smallest denominator strictly inside; None beyond BITS bits."""
    if low < 0 < high:
        return Fraction(0)
    if high <= 0:
        r = simplest(-high, -low)
        return None if r is None else -r
    r = _between(low, high)
    return r if (r.numerator.bit_length() + r.denominator.bit_length()) <= BITS else None


def _between(low: Fraction, high: Fraction) -> Fraction:
    whole = math.floor(low)
    if whole + 1 < high:
        return Fraction(whole + 1)
    if low == whole:  # high <= whole + 1
        return whole + Fraction(1, math.floor(1 / (high - whole)) + 1)
    return whole + 1 / _between(1 / (high - whole), 1 / (low - whole))
