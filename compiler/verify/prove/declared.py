"""The declaration's own derivatives, with every kink decided by the limit from the left.

The rules are those of the referee's jets (`verify/jets.py`), on expressions in place of numbers: of tied arguments of a
maximum the one that leads just before x counts, of equal slopes the first in `symbols.tie_order`; |u| and a condition
go by the sign that u has just before, and where u does not move, by what they are. Who decides is a `Judge`: signs of
one cell, or the numbers of one point. What a cell leaves open raises `Split` with finer cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sympy as sp
from sympy.core.relational import Relational

from learnact.compiler.declare.symbols import tie_order, x
from learnact.compiler.verify.prove.facts import MINUS, NOT_BELOW, PLUS, Signs
from learnact.compiler.verify.prove.nodes import Whole, equal, of_declaration
from learnact.errors import UnsupportedNode

Assumption = tuple[sp.Expr, Signs]
JUMPING = (sp.sign, sp.Heaviside, sp.Piecewise, sp.floor, sp.ceiling)
RELATIONS = {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}, "==": {0}, "!=": {-1, 1}}


class Split(Exception):
    """The cell leaves a sign open: these finer cells together are the cell."""

    def __init__(self, cells: Sequence[Sequence[Assumption]]) -> None:
        super().__init__()
        self.cells = cells


class Judge(Protocol):
    """Knows the signs of expressions."""

    def signs(self, u: sp.Expr) -> Signs:
        """Those that u may have."""


class Declared:
    """One declared function, its derivatives and one-sided limits, as this judge decides."""

    def __init__(self, symbols: Sequence[sp.Symbol], judge: Judge) -> None:
        self.symbols, self.judge = symbols, judge

    def sign(self, u: sp.Expr) -> int:
        """-1, 0 or 1. Raises Split."""
        signs = self.judge.signs(u)
        if len(signs) == 1:
            return next(iter(signs))
        raise Split([[(u, frozenset((s,)))] for s in sorted(signs)])

    def derivative(self, e: sp.Expr, s: sp.Symbol) -> sp.Expr:
        """de/ds just before x. Raises Split, UnsupportedNode."""
        if not e.has(s):
            return sp.S.Zero
        match e:
            case sp.Symbol():
                return sp.S.One
            case sp.Add():
                return sp.Add(*(self.derivative(a, s) for a in e.args))
            case sp.Mul():
                return sp.Add(*(self._product(e.args, k, s) for k in range(len(e.args))))
            case sp.Pow():
                return self._power(e, s)
            case sp.Max() | sp.Min():
                return self.derivative(self.winner(e), s)
            case sp.Abs():
                side = self.side(e.args[0])
                return side * self.derivative(e.args[0], s)
            case sp.sign() | sp.Heaviside() | sp.floor() | sp.ceiling():
                return sp.S.Zero
            case sp.Piecewise():
                return self.derivative(self.piece(e), s)
            case sp.Function() if len(e.args) == 1:
                u = sp.Dummy(real=True)
                outer = sp.diff(e.func(u), u).xreplace({u: self.before(e.args[0])})
                return outer * self.derivative(e.args[0], s)
        raise UnsupportedNode(f"the prover cannot differentiate {type(e).__name__}; add it to verify/prove/declared.py")

    def _product(self, factors: Sequence[sp.Expr], k: int, s: sp.Symbol) -> sp.Expr:
        if (slope := self.derivative(factors[k], s)) == 0:
            return slope
        return sp.Mul(slope, *(self.before(f) for j, f in enumerate(factors) if j != k))

    def _power(self, e: sp.Pow, s: sp.Symbol) -> sp.Expr:
        base, exponent = e.args
        u, v = self.before(base), self.before(exponent)
        by_base = v * u ** (v - 1) * self.derivative(base, s) if base.has(s) else sp.S.Zero
        return by_base + (u**v * sp.log(u) * self.derivative(exponent, s) if exponent.has(s) else 0)

    def before(self, e: sp.Expr) -> sp.Expr:
        """The limit of e from the left."""
        if not e.has(*JUMPING):
            return of_declaration(e)
        match e:
            case sp.sign():
                return sp.Integer(self.side(e.args[0]))
            case sp.Heaviside():
                side = self.side(e.args[0])
                return e.args[1] if side == 0 else sp.Integer(int(side > 0))
            case sp.floor():
                u = self.before(e.args[0])
                rises = self.sign(self.derivative(e.args[0], x)) > 0
                return Whole(u) - (equal(u, Whole(u)) if rises else 0)
            case sp.ceiling():
                u = self.before(e.args[0])
                falls = self.sign(self.derivative(e.args[0], x)) < 0
                return -Whole(-u) + (equal(u, Whole(u)) if falls else 0)
            case sp.Piecewise():
                return self.before(self.piece(e))
            case sp.Max() | sp.Min():
                return self.before(self.winner(e))
            case sp.Abs():
                return self.side(e.args[0]) * self.before(e.args[0])
        return e.func(*map(self.before, e.args))

    def side(self, u: sp.Expr) -> int:
        """The sign of u just before x; where u is 0 and does not move, 0."""
        here = self.sign(self.before(u))
        return here or -self.sign(self.derivative(u, x))

    def piece(self, e: sp.Piecewise) -> sp.Expr:
        """The piece just before x."""
        return next((piece for piece, condition in e.args if self.holds(condition)), sp.nan)

    def holds(self, c: sp.Basic) -> bool:
        """Whether a condition holds just before x. Raises Split, UnsupportedNode."""
        if c in (sp.true, sp.false):
            return bool(c == sp.true)
        if isinstance(c, sp.And):
            return all(map(self.holds, c.args))
        if isinstance(c, sp.Or):
            return any(map(self.holds, c.args))
        if isinstance(c, sp.Not):
            return not self.holds(c.args[0])
        if isinstance(c, Relational):
            return self.side(c.lhs - c.rhs) in RELATIONS[c.rel_op]
        raise UnsupportedNode(f"the prover has no rule for the condition {c}; add one to verify/prove/declared.py")

    def winner(self, e: sp.Expr) -> sp.Expr:
        """The argument that leads just before x. Raises Split."""
        way = 1 if isinstance(e, sp.Max) else -1
        fields = tie_order(e.args, self.symbols)
        values = [way * self.before(a) for a in fields]
        slopes = [way * self.derivative(a, x) for a in fields]
        order = self._static(slopes)
        if order is None:
            return fields[self._chain(values, slopes)]
        cells = []
        for place, k in enumerate(order):
            leads = [(values[k] - values[j], PLUS if j in order[:place] else NOT_BELOW) for j in order if j != k]
            found = [(self.judge.signs(u), due) for u, due in leads]
            if all(signs <= due for signs, due in found):
                return fields[k]
            if all(signs & due for signs, due in found):
                cells.append(leads)
        raise Split(cells)

    def _static(self, slopes: Sequence[sp.Expr]) -> list[int] | None:
        """The order in which tied arguments win, if it is the same in all of the cell."""
        order: list[int] = []
        for j, slope in enumerate(slopes):
            signs = [self.judge.signs(slope - slopes[i]) for i in order]
            ahead = [s <= NOT_BELOW for s in signs]  # i stays before j
            if not all(a or s <= MINUS for a, s in zip(ahead, signs, strict=True)):
                return None
            place = next((p for p, a in enumerate(ahead) if not a), len(order))
            if not all(s <= MINUS for s in signs[place:]):
                return None
            order.insert(place, j)
        return order

    def _chain(self, values: Sequence[sp.Expr], slopes: Sequence[sp.Expr]) -> int:
        """The winner by comparing one after another; what follows from the comparisons is noted too. Raises Split."""
        leader = 0
        leads: dict[int, Signs] = {}  # argument -> signs of the leader's lead over it
        for k in range(1, len(values)):
            lead = self.sign(values[k] - values[leader])
            ahead = lead > 0 or (lead == 0 and self.sign(slopes[k] - slopes[leader]) < 0)
            if ahead:
                leads = {**{j: PLUS if lead > 0 else s for j, s in leads.items()}, leader: frozenset((lead,))}
                leader = k
            else:
                leads[k] = frozenset((-lead,))
        implied = [(values[leader] - values[j], s) for j, s in leads.items()]
        if not all(self.judge.signs(u) <= s for u, s in implied):
            raise Split([implied])
        return leader
