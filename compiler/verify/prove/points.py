"""Traced expressions and declarations as numbers: 40 digits at random rational points, ties among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import mpmath
import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify.prove.facts import MINUS, NONE, PLUS, Signs
from learnact.compiler.verify.prove.nodes import Pos, Upper, Where, Whole
from learnact.errors import UnsupportedNode

DIGITS = 40
TIE = mpmath.mpf("1e-30")  # nearer than this, relative to 1 + |u|, is 0: the points are rational with small parts

FUNCTIONS: dict[type, Callable[..., mpmath.mpf]] = {
    sigmoid: lambda u: 1 / (1 + mpmath.exp(-u)),
    softplus: lambda u: mpmath.log1p(mpmath.exp(u)),
    Whole: mpmath.floor,
}
"""Functions that mpmath has under another name; all others it has under SymPy's."""


class NoNumber(Exception):
    """An expression has no finite real value at a point."""


@dataclass
class Point:
    """Values of all symbols; a `Judge` of signs."""

    values: Mapping[sp.Symbol, mpmath.mpf]
    known: dict[sp.Expr, mpmath.mpf] = field(default_factory=dict)

    def __call__(self, e: sp.Expr) -> mpmath.mpf:
        """The value. Raises NoNumber, UnsupportedNode."""
        if e not in self.known:
            with mpmath.workdps(DIGITS):
                try:
                    value = mpmath.mpmathify(self._of(e))
                except (ZeroDivisionError, ValueError, OverflowError) as err:
                    raise NoNumber(str(err)) from err
            if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
                raise NoNumber(f"{value}")
            self.known[e] = value
        return self.known[e]

    def signs(self, u: sp.Expr) -> Signs:
        """The sign of u here."""
        value = self(u)
        return NONE if abs(value) < TIE * (1 + abs(value)) else PLUS if value > 0 else MINUS

    def _of(self, e: sp.Expr) -> mpmath.mpf:
        if e in self.values:
            return self.values[e]
        if e.is_Rational:
            return mpmath.mpf(int(e.p)) / int(e.q)
        if e is sp.nan:
            raise NoNumber("nan")
        if e.is_number:
            return mpmath.mpmathify(sp.N(e, DIGITS))
        if isinstance(e, Where):
            return self(e.args[1]) if self(e.args[0]) else self(e.args[2])
        if isinstance(e, Pos):
            return mpmath.mpf(int(self.signs(e.args[0]) == PLUS))
        if isinstance(e, sp.Mul):
            return mpmath.fprod(self._lazily(e.args))
        arguments = [self(a) for a in e.args]
        if isinstance(e, sp.Add):
            return mpmath.fsum(arguments)
        if isinstance(e, sp.Pow):
            return mpmath.power(*arguments)
        if isinstance(e, Upper):
            return max(arguments)
        if (function := FUNCTIONS.get(type(e)) or getattr(mpmath, type(e).__name__, None)) is None:
            raise UnsupportedNode(f"the prover cannot evaluate {type(e).__name__}; add it to verify/prove/points.py")
        return function(*arguments)

    def _lazily(self, factors: Sequence[sp.Expr]) -> Iterator[mpmath.mpf]:
        """Factors that choose first: where one is 0, others may have no value."""
        for f in sorted(factors, key=lambda f: not f.has(Pos)):
            value = self(f)
            yield value
            if value == 0:
                return


def sample(symbols: Sequence[sp.Symbol], ascending: Sequence[Sequence[sp.Symbol]], draw: random.Random) -> Point:
    """A random point: multiples of 1/16 up to 2.5, parameters of which it is known in order or above 0."""
    values = {s: mpmath.mpf(draw.randint(1 if s.is_positive else -40, 40)) / 16 for s in symbols}
    for keys in ascending:
        found = [k for k in keys if k in values]
        values |= dict(zip(found, sorted(values[k] for k in found), strict=True))
    return Point(values)


def at_tie(point: Point, u: sp.Expr) -> Point | None:
    """The point moved in x to where u is 0, if u is linear in x there."""
    with mpmath.workdps(DIGITS):
        try:
            low, high = (Point({**point.values, x: point.values[x] + step})(u) for step in (0, 1))
            if low == high:
                return None
            moved = Point({**point.values, x: point.values[x] - low / (high - low)})
            return moved if moved.signs(u) == NONE else None
        except NoNumber:
            return None
