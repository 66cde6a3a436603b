"""Whether a function is odd, even, bounded, monotone, homogeneous: proved from its formula, or looked at.

A counterexample is exact, and so is what the formula shows: a symmetry that SymPy reduces to 0, pieces that are
polynomials. Otherwise an answer is numeric: on a grid of |x| <= 1490, and far out at 10^6 to 10^12.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mpmath as mp
import sympy as sp

from learnact.compiler.analyse.slopes import GROWTH, WORKING, slopes
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.numeric import numeric
from learnact.compiler.derive.expectation.pieces import Piece, pieces
from learnact.errors import NoClosedForm

POINTS = tuple(mp.mpf(p) for p in ("0.01", "0.375", "1", "1.6875", "2.71", "5.3", "11", "40"))
"""At which a symmetry must hold, with both signs."""

SAME = mp.mpf(10) ** -30
"""Largest relative difference of what is equal, with 45 digits to compute in."""

MEETS = mp.mpf(10) ** 12
"""So far out a bounded function has reached its limits."""


@dataclass(frozen=True)
class Answer:
    """What was found, and whether the formula proves it or it was looked at."""

    word: str
    exact: bool

    def __str__(self) -> str:
        return self.word if self.exact else f"{self.word} ~"


@dataclass(frozen=True)
class Properties:
    """Of one function, an expression in x alone."""

    function: sp.Expr

    @cached_property
    def parity(self) -> Answer:
        """odd, even, or no."""
        for word, sign in (("odd", 1), ("even", -1)):
            if self._mirrored(sign):
                return Answer(word, self._vanishes(self.function + sign * self.function.xreplace({x: -x})))
        return Answer("no", True)

    @cached_property
    def homogeneous(self) -> Answer:
        """The degree d of F(t x) = t^d F(x) for t > 0; or no."""
        found = self._pieces
        if found is not None and all(end in (0, sp.oo, -sp.oo) for p in found for end in (p.lo, p.hi)):
            degrees = {self._degree_of_monomial(p.expr) for p in found} - {0}
            if len(degrees) == 1 and None not in degrees:
                return Answer(str(degrees.pop()), True)
        with mp.workdps(WORKING):
            f = numeric(self.function)
            ratios = [mp.mpf(f(2 * s * p)) / at for s in (-1, 1) for p in POINTS if (at := mp.mpf(f(s * p))) != 0]
            if not ratios or max(ratios) - min(ratios) > SAME * max(map(abs, ratios)):
                return Answer("no", True)
            return Answer(mp.nstr(mp.log(ratios[0], 2), 6), False)

    @cached_property
    def monotone(self) -> Answer:
        """increasing, decreasing, no, or unknown."""
        try:
            found = slopes(self.function)
        except NoClosedForm:
            return Answer("unknown", True)
        word = "no" if found.trend == "neither" else found.trend
        linear = self._pieces is not None and all(not sp.diff(p.expr, x).has(x) for p in self._pieces)
        return Answer(word, linear or word == "no")

    @cached_property
    def bounded(self) -> Answer:
        """yes or no."""
        found = self._pieces
        if found is not None and all(p.expr.is_polynomial(x) for p in (found[0], found[-1])):
            inner = all(p.expr.is_polynomial(x) for p in found[1:-1])
            outer = found[0].expr.has(x) or found[-1].expr.has(x)
            return Answer("no" if outer else "yes", outer or inner)
        with mp.workdps(WORKING):
            f = numeric(self.function)
            near = max(abs(mp.mpf(f(s * p))) for s in (-1, 1) for p in (mp.mpf(0), *POINTS))
            for s in (-1, 1):
                middle, far = (abs(mp.mpf(f(s * p))) for p in (mp.sqrt(MEETS), MEETS))
                if far > GROWTH * middle and far > near:
                    return Answer("no", False)
        return Answer("yes", False)

    @cached_property
    def _pieces(self) -> tuple[Piece, ...] | None:
        try:
            return pieces(self.function)
        except NoClosedForm:
            return None

    def _mirrored(self, sign: int) -> bool:
        """Whether F(x) + sign F(-x) is 0 beside F(x) at every point."""
        with mp.workdps(WORKING):
            f = numeric(self.function)
            return all(abs(f(p) + sign * f(-p)) <= SAME * abs(f(p)) for p in POINTS)

    def _vanishes(self, expr: sp.Expr) -> bool:
        """Whether the formula shows that an expression is 0 everywhere."""
        if sp.expand(expr) == 0:
            return True
        try:
            return all(sp.expand(p.expr) == 0 for p in pieces(expr))
        except NoClosedForm:
            return False

    @staticmethod
    def _degree_of_monomial(expr: sp.Expr) -> int | None:
        """d of c x^d; 0 of 0, None of anything else."""
        if expr == 0:
            return 0
        if not expr.is_polynomial(x):
            return None
        terms = sp.Poly(sp.expand(expr), x).monoms()
        return int(terms[0][0]) or None if len(terms) == 1 else None
