"""Derivatives at kinks: the limit from the left, taken node by node.

Just before a point at which two arguments of a maximum tie, the one with the smaller slope in x is the larger; just
before a zero of u, u has the sign of -du/dx. Where a slope is a number, or its sign is known, that is decided here, and
costs the emitted code nothing; else the code compares the slopes. Where they are equal too, as of what does not depend
on x, the first of tied arguments counts, and sign and Heaviside are what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import combinations, pairwise

import sympy as sp
from sympy.core.relational import Relational

from learnact.compiler.declare.cases import Piecewise
from learnact.compiler.declare.constants import sign
from learnact.compiler.declare.functions import sigmoid
from learnact.compiler.declare.kinks import WINNERS, Floor, Largest, Magnitude, Select, Sign, Smallest, Step, Winner
from learnact.compiler.declare.sizes import nodes
from learnact.compiler.declare.symbols import tie_order, x

MOST_NODES = 256
"""Of a slope whose sign is looked for; of a longer one the emitted code finds out."""

NODES = (Largest, Smallest, Magnitude, Winner, Select, Sign, Step, Floor, Relational)
"""What the limit from the left may change."""


@dataclass(frozen=True)
class LeftLimit:
    """Takes limits from the left of chosen expressions and of their derivatives; every expression once."""

    symbols: Sequence[sp.Symbol]  # the parameters, in declared order
    ascending: Sequence[Sequence[sp.Symbol]] = ()  # parameters of which it is known that none is below the one before
    known: dict[sp.Basic, sp.Basic] = field(default_factory=dict)

    def __call__(self, e: sp.Basic) -> sp.Basic:
        """lim of e(x - h) as h falls to 0."""
        if not e.args or not e.has(*NODES):
            return e
        if e not in self.known:
            self.known[e] = self._limit(e)
        return self.known[e]

    def order(self, kind: type[sp.Function], arguments: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Arguments of a maximum or minimum: of tied ones the first should be the one that leads just before.

        In `symbols.tie_order` where slopes are equal, or cannot be compared before the parameters have values.
        """
        ordered = tie_order(arguments, self.symbols)
        slopes = {e: self._slope(e) for e in ordered}
        signs: dict[tuple[sp.Expr, sp.Expr], int] = {}
        for a, b in combinations(ordered, 2):
            found = self._sign(slopes[a] - slopes[b])
            if found is None:
                return ordered
            signs[a, b], signs[b, a] = found, -found
        way = 1 if kind is Largest else -1
        return sorted(ordered, key=cmp_to_key(lambda a, b: way * signs.get((a, b), 0)))

    def _slope(self, e: sp.Expr) -> sp.Expr:
        return self(sp.diff(e, x)) if e.has(x) else sp.S.Zero

    def _sign(self, e: sp.Expr) -> int | None:
        """The sign of an expression for all x and all values of the parameters; None where it has none."""
        for vector in self.ascending:
            place = {s: k for k, s in enumerate(vector)}
            if e.free_symbols <= place.keys() and e.is_Add and len(e.args) == 2:
                up, down = sorted(e.free_symbols, key=lambda s: -e.coeff(s))
                if e == up - down:
                    return 1 if place[up] > place[down] else -1  # or both are equal, and then any order serves
        if nodes(e, {}) > MOST_NODES:
            return None
        return sign(e.xreplace({f: sp.Dummy(positive=True) for f in e.atoms(sp.exp, sigmoid)}))

    def _limit(self, e: sp.Basic) -> sp.Basic:
        rules: dict[type, Callable[[sp.Expr], sp.Expr]] = {
            Magnitude: self._magnitude,
            Sign: lambda e: self._sign_before(e.args[0]),
            Step: lambda e: self._step_before(*e.args),
            Floor: lambda e: self._floor_before(e.args[0]),
            Largest: self._extremum,
            Smallest: self._extremum,
        }
        if type(e) in rules:
            return rules[type(e)](e)
        if isinstance(e, Winner):
            return self._winner(e)
        if isinstance(e, Relational):
            return self._relation(e)
        return e.func(*map(self, e.args))

    def _magnitude(self, e: sp.Expr) -> sp.Expr:
        """|u| as u times its sign, which torch's own second derivatives then follow."""
        (u,) = e.args
        return self(u) * self._sign_before(u) if u.has(x) else e

    def _sign_before(self, u: sp.Expr) -> sp.Expr:
        """The sign of u just before: where u is 0, of minus its slope."""
        slope, here = self._slope(u), self(u)
        match self._sign(slope):
            case 0:
                return Sign(here)
            case 1 | -1 as direction:
                return 2 * Step(here, sp.S.Zero if direction > 0 else sp.S.One) - 1
        zero = sp.Eq(here, 0, evaluate=False)
        return Piecewise((-Sign(slope), zero), (Sign(here), True), evaluate=False)

    def _step_before(self, u: sp.Expr, at_zero: sp.Expr) -> sp.Expr:
        slope, here = self._slope(u), self(u)
        match self._sign(slope):
            case 0:
                return Step(here, at_zero)
            case 1 | -1 as direction:
                return Step(here, sp.S.Zero if direction > 0 else sp.S.One)
        zero = sp.Eq(here, 0, evaluate=False)
        return Piecewise((Step(-slope, at_zero), zero), (Step(here, at_zero), True), evaluate=False)

    def _floor_before(self, u: sp.Expr) -> sp.Expr:
        """The floor just before: of an integer that u rises to, the integer below."""
        slope, here = self._slope(u), self(u)
        below = -Floor(-here) - 1
        match self._sign(slope):
            case 0 | -1:
                return Floor(here)
            case 1:
                return below
        return Piecewise((below, slope > 0), (Floor(here), True), evaluate=False)

    def _extremum(self, e: sp.Expr) -> sp.Expr:
        """The extremum itself, or the winner's argument where the first of tied ones is not the winner."""
        winner = self._winner(WINNERS[type(e)](*e.args))
        return Select(winner, *winner.fields) if winner.slopes else e.func(*winner.fields)

    def _winner(self, winner: Winner) -> Winner:
        slopes = [self._slope(e) for e in winner.args]
        fields = [self(e) for e in winner.args]
        way = 1 if winner.best is Largest else -1
        steps = [self._sign(b - a) for a, b in pairwise(slopes)]
        if all(s is not None and way * s >= 0 for s in steps):
            return winner.func(*fields)
        return winner.ranked(*fields, *slopes)

    def _relation(self, c: Relational) -> sp.Basic:
        """A condition just before: where both sides are equal, their slopes tell which was the smaller."""
        left, right = self(c.lhs), self(c.rhs)
        slope = self._slope(c.lhs - c.rhs)
        direction = self._sign(slope)
        if direction == 0:
            return c.func(left, right)
        smaller, larger = isinstance(c, (sp.Lt, sp.Le)), isinstance(c, (sp.Gt, sp.Ge))
        if direction is not None:
            if smaller:
                return sp.Le(left, right) if direction > 0 else sp.Lt(left, right)
            if larger:
                return sp.Gt(left, right) if direction > 0 else sp.Ge(left, right)
            return sp.S.false if isinstance(c, sp.Eq) else sp.S.true
        equal = sp.Eq(left, right, evaluate=False)
        if isinstance(c, sp.Ne):
            return sp.Or(sp.Ne(left, right), sp.Ne(slope, 0))
        if isinstance(c, sp.Eq):
            return sp.And(equal, sp.Eq(slope, 0))
        strictly = sp.Lt(left, right) if smaller else sp.Gt(left, right)
        before = {sp.Lt: sp.Gt, sp.Le: sp.Ge, sp.Gt: sp.Lt, sp.Ge: sp.Le}
        return sp.Or(strictly, sp.And(equal, next(f(slope, 0) for k, f in before.items() if isinstance(c, k))))
