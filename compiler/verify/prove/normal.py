"""The normal form: a quotient of polynomials in atoms between which no polynomial relation is left.

Sums of angles are expanded, sin^2 becomes 1 - cos^2, everything hyperbolic or logistic is rational in exponentials,
exponentials of sums are products, roots keep a power below their degree. Signs and maxima that `Facts` decide vanish;
what is undecided is an atom, and stays so until the cell is split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any

import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.verify.prove import polynomial as poly
from learnact.compiler.verify.prove.facts import MINUS, NONE, NOT_ABOVE, NOT_BELOW, PLUS, Facts
from learnact.compiler.verify.prove.nodes import Pos, Upper, Where, Whole
from learnact.compiler.verify.prove.polynomial import ONE, Poly, add, constant, generator, key, multiply
from learnact.errors import UnsupportedNode

WIDEST = 4000  # terms of a polynomial, beyond which no proof is tried


class Unprovable(Exception):
    """The normal form does not reach this expression."""


@dataclass(frozen=True)
class Quotient:
    """over / under."""

    over: Poly
    under: Poly

    @property
    def is_zero(self) -> bool:
        """Whether this is 0."""
        return not self.over


@dataclass
class Atoms:
    """The generators of one activation, shared by all its cells."""

    places: dict[object, int] = field(default_factory=dict)
    positive: set[int] = field(default_factory=set)
    relations: dict[int, tuple[int, Poly]] = field(default_factory=dict)  # generator -> (degree, what that power is)
    steps: dict[poly.Monomial, int] = field(default_factory=dict)  # monomial -> denominator of its angles and exponents

    def place(self, what: object, *, positive: bool = False) -> int:
        """The generator for this."""
        if what not in self.places:
            self.places[what] = len(self.places)
            if positive:
                self.positive.add(self.places[what])
        return self.places[what]

    def times(self, p: Poly, q: Poly) -> Poly:
        """The product, with every relation used. Raises Unprovable where it grows too long."""
        out = multiply(p, q)
        if len(out) > WIDEST:
            raise Unprovable(f"more than {WIDEST} terms")
        while (found := self._reducible(out)) is not None:
            out = self._reduced(out, *found)
        return out

    def _reducible(self, p: Poly) -> tuple[int, int, Poly] | None:
        for m in p:
            for k, e in m:
                if k in self.relations and not 0 <= e < self.relations[k][0]:
                    return (k, *self.relations[k])
        return None

    def _reduced(self, p: Poly, k: int, degree: int, equals: Poly) -> Poly:
        out: Poly = {}
        for m, c in p.items():
            e = dict(m).get(k, 0)
            whole, rest = divmod(e, degree)
            if whole == 0:
                out = add(out, {m: c})
                continue
            factor = equals if whole > 0 else poly.inverse(equals)
            if factor is None:
                raise Unprovable("a root of a sum in a denominator")
            powers = tuple(sorted([(j, f) for j, f in m if j != k] + ([(k, rest)] if rest else [])))
            out = add(out, multiply({powers: c}, poly.power(factor, abs(whole), multiply)))
        return out


@dataclass
class Normal:
    """Normal forms in one cell."""

    atoms: Atoms
    facts: Facts
    known: dict[sp.Expr, Quotient] = field(default_factory=dict)
    open: dict[int, Pos | Upper] = field(default_factory=dict)  # generator -> what is undecided
    fixed: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)  # symbols that an equation of the cell determines

    def __call__(self, e: sp.Expr) -> Quotient:
        """The normal form. Raises Unprovable, UnsupportedNode."""
        if e not in self.known:
            self.known[e] = self._of(e)
        return self.known[e]

    def forget(self) -> None:
        """Make every form anew: more is known now."""
        self.known, self.open = {}, {}

    def polynomial(self, e: sp.Expr) -> Poly:
        """The numerator over a positive denominator: has the sign of e. Raises Unprovable."""
        q = self(e)
        if q.under == ONE or self.sign(q.under) == PLUS:
            return q.over
        return self.atoms.times(q.over, q.under)

    def _of(self, e: sp.Expr) -> Quotient:
        if e.is_Rational:
            return Quotient(constant(Fraction(int(e.p), int(e.q))), ONE)
        if e.is_Symbol:
            if e in self.fixed:
                return self(self.fixed[e])
            return self._atom(e, positive=bool(e.is_positive))
        if e is sp.pi:
            return self._atom(e, positive=True)
        if e is sp.E:
            return self.exponential(self(sp.S.One))
        rules: dict[type, Callable[[sp.Expr], Quotient]] = {
            sp.Add: self._sum, sp.Mul: self._product, sp.Pow: self._power, Pos: self._indicator, Upper: self._largest,
            Where: self._where, sp.exp: lambda e: self.exponential(self(e.args[0])), sp.log: self._logarithm,
            sp.sin: lambda e: self._angle(self(e.args[0]))[0], sp.cos: lambda e: self._angle(self(e.args[0]))[1],
            sp.tan: lambda e: self.over(*self._angle(self(e.args[0]))),
        }  # fmt: skip
        if type(e) in rules:
            return rules[type(e)](e)
        if type(e) in REWRITTEN:
            return self(REWRITTEN[type(e)](e.args[0]))
        if type(e) in ODD:
            return self._odd(e)
        if isinstance(e, Whole):
            return self._atom((type(e), self._name(self(e.args[0]))))
        raise UnsupportedNode(f"the prover has no rule for {type(e).__name__}; add one to verify/prove/normal.py")

    # arithmetic
    def plus(self, a: Quotient, b: Quotient, factor: int = 1) -> Quotient:
        """a + factor b."""
        if a.under == b.under:
            return self._clean(add(a.over, b.over, factor), a.under)
        times = self.atoms.times
        return self._clean(add(times(a.over, b.under), times(b.over, a.under), factor), times(a.under, b.under))

    def times(self, a: Quotient, b: Quotient) -> Quotient:
        """a b."""
        return self._clean(self.atoms.times(a.over, b.over), self.atoms.times(a.under, b.under))

    def over(self, a: Quotient, b: Quotient) -> Quotient:
        """a / b. Raises Unprovable where b is 0."""
        if b.is_zero:
            raise Unprovable("a quotient by 0")
        return self.times(a, self._clean(b.under, b.over))

    def _clean(self, over: Poly, under: Poly) -> Quotient:
        if not over:
            return Quotient(over, ONE)
        if under != ONE and (inverse := poly.inverse(under)) is not None:
            return Quotient(self.atoms.times(over, inverse), ONE)
        return Quotient(over, under)

    def _sum(self, e: sp.Expr) -> Quotient:
        total = Quotient({}, ONE)
        for a in e.args:
            total = self.plus(total, self(a))
        return total

    def _product(self, e: sp.Expr) -> Quotient:
        """Factors that choose come first: where one is 0, the others need no form."""
        product = Quotient(ONE, ONE)
        for f in sorted(e.args, key=lambda f: not f.has(Pos)):
            product = self.times(product, self(f))
            if product.is_zero:
                break
        return product

    def _power(self, e: sp.Expr) -> Quotient:
        base, exponent = e.args
        if base is sp.E:
            return self.exponential(self(exponent))
        if exponent.is_Integer:
            b, n = self(base), abs(int(exponent))
            raised = Quotient(poly.power(b.over, n, self.atoms.times), poly.power(b.under, n, self.atoms.times))
            return raised if exponent > 0 else self.over(Quotient(ONE, ONE), raised)
        if exponent.is_Rational:
            return self._root(self(base), int(exponent.p), int(exponent.q))
        return self.exponential(self(exponent * sp.log(base)))

    def _root(self, base: Quotient, p: int, q: int) -> Quotient:
        """base**(p/q), of an argument that is not negative."""
        if base.under != ONE:
            raise Unprovable("a root of a quotient")
        name = key(base.over)
        if base.is_zero:
            return base
        k = self.atoms.place(("root", q, name), positive=True)
        self.atoms.relations.setdefault(k, (q, base.over))
        return Quotient(self.atoms.times(generator(k, p), ONE), ONE)

    def _atom(self, what: object, *, positive: bool = False) -> Quotient:
        return Quotient(generator(self.atoms.place(what, positive=positive)), ONE)

    def _name(self, q: Quotient) -> object:
        return key(q.over), key(q.under)

    # functions
    def _parts(self, q: Quotient) -> list[tuple[poly.Monomial, int, int]]:
        """The terms of an angle or exponent: (monomial, whole multiple, of one part in so many)."""
        if q.under != ONE:
            raise Unprovable("an angle or exponent that is a quotient")
        parts = []
        for m, c in q.over.items():
            step = self.atoms.steps.setdefault(m, c.denominator)
            if step % c.denominator:
                raise Unprovable("an angle in a unit that was not noted")
            parts.append((m, int(c * step), step))
        return parts

    def exponential(self, q: Quotient) -> Quotient:
        """exp of a sum as a product. Raises Unprovable."""
        out: Poly = dict(ONE)
        if q.under != ONE:
            return self._atom(("exp", self._name(q)), positive=True)
        for m, n, step in self._parts(q):
            if len(m) == 1 and m[0][1] == 1 and step == 1 and (inner := self._logarithms.get(m[0][0])) is not None:
                out = self.atoms.times(out, poly.power(inner, n, self.atoms.times) if n > 0 else
                                       poly.power(poly.inverse(inner) or _no("log"), -n, self.atoms.times))  # fmt: skip
                continue
            out = self.atoms.times(out, generator(self.atoms.place(("exp", m, step), positive=True), n))
        return Quotient(out, ONE)

    @property
    def _logarithms(self) -> dict[int, Poly]:
        return {k: dict(w[1][0]) for w, k in self.atoms.places.items()
                if isinstance(w, tuple) and w[0] == "log" and w[1][1] == key(ONE)}  # fmt: skip

    def _logarithm(self, e: sp.Expr) -> Quotient:
        u = self(e.args[0])
        if u.over == u.under:
            return Quotient({}, ONE)
        return self._atom(("log", self._name(u)))

    def _odd(self, e: sp.Expr) -> Quotient:
        """An odd function, of an argument whose first coefficient is positive."""
        u = self(e.args[0])
        if u.is_zero:
            return u
        negative = key(u.over)[0][1] < 0
        name = self._name(Quotient({m: -c for m, c in u.over.items()}, u.under) if negative else u)
        return self._clean({m: -c if negative else c for m, c in self._atom((type(e), name)).over.items()}, ONE)

    def _angle(self, q: Quotient) -> tuple[Quotient, Quotient]:
        """Sine and cosine of a sum, by the addition theorems."""
        s, c = Quotient({}, ONE), Quotient(ONE, ONE)
        for m, n, step in self._parts(q):
            one = self._turned(m, step) if not self._is_pi(m) else None
            if one is None:
                angle = sp.pi * sp.Rational(n, step)
                one, n = (self(sp.sin(angle)), self(sp.cos(angle))), 1
            if n < 0:
                one, n = (self.times(one[0], Quotient(constant(-1), ONE)), one[1]), -n
            for _ in range(n):
                s, c = (
                    self.plus(self.times(s, one[1]), self.times(c, one[0])),
                    self.plus(self.times(c, one[1]), self.times(s, one[0]), -1),
                )
        return s, c

    def _is_pi(self, m: poly.Monomial) -> bool:
        return sp.pi in self.atoms.places and m == ((self.atoms.places[sp.pi], 1),)

    def _turned(self, m: poly.Monomial, step: int) -> tuple[Quotient, Quotient]:
        cosine = self.atoms.place(("cos", m, step))
        sine = self.atoms.place(("sin", m, step))
        self.atoms.relations[sine] = (2, add(dict(ONE), generator(cosine, 2), -1))
        return Quotient(generator(sine), ONE), Quotient(generator(cosine), ONE)

    # choices
    def sign(self, p: Poly) -> frozenset[int]:
        """Signs that a polynomial may have in this cell."""
        signs = self.facts.signs(p)
        if len(signs) > 1 and all(self._positive(m) for m in p):
            if all(c > 0 for c in p.values()):
                return PLUS
            if all(c < 0 for c in p.values()):
                return MINUS
        if len(signs) > 1 and len(p) > 1 and all(self._is_number(m) for m in p):
            return self._number(p)
        return signs

    def _is_number(self, m: poly.Monomial) -> bool:
        """Whether a monomial is a number, such as sqrt(2) pi."""
        names: dict[int, Any] = {k: w for w, k in self.atoms.places.items()}
        return all(names[k] is sp.pi or (isinstance(names[k], tuple) and names[k][0] == "root"
                   and poly.is_number(dict(names[k][2]))) for k, _ in m)  # fmt: skip

    def _number(self, p: Poly) -> frozenset[int]:
        names: dict[int, Any] = {k: w for w, k in self.atoms.places.items()}

        def value(k: int) -> sp.Expr:
            w = names[k]
            return w if w is sp.pi else sp.Rational(*_pair(dict(w[2])[()])) ** sp.Rational(1, w[1])

        number = sp.N(
            sp.Add(*(sp.Mul(sp.Rational(*_pair(c)), *(value(k) ** e for k, e in m)) for m, c in p.items())), 60
        )
        return PLUS if number > sp.Float("1e-40") else MINUS if number < -sp.Float("1e-40") else frozenset((-1, 0, 1))

    def _positive(self, m: poly.Monomial) -> bool:
        return all(k in self.atoms.positive for k, _ in m)

    def _indicator(self, e: sp.Expr) -> Quotient:
        u = self.polynomial(e.args[0])
        decided = self._above(u)
        if decided is not None:
            return Quotient(constant(int(decided)), ONE)
        k = self.atoms.place(("pos", key(u)))
        self.atoms.relations.setdefault(k, (2, generator(k)))
        self.open[k] = e
        return Quotient(generator(k), ONE)

    def _above(self, u: Poly) -> bool | None:
        """Whether u > 0: a maximum inside is above if one argument is, and not if none is."""
        for m, c in u.items():
            for k, exponent in m:
                if k in self.open and isinstance(self.open[k], Upper) and m == ((k, 1),) and exponent == 1:
                    rest = {n: d for n, d in u.items() if n != m}
                    found = [self._above(add(rest, self.polynomial(a), c)) for a in self.open[k].args]
                    if c > 0:
                        return True if True in found else (None if None in found else False)
                    return False if False in found else (None if None in found else True)
        signs = self.sign(u)
        if signs <= PLUS:
            return True
        return False if signs <= NOT_ABOVE else None

    def _largest(self, e: sp.Expr) -> Quotient:
        """The arguments that may be the largest in this cell; a single one is it."""
        fields = {a: self(a) for a in e.args}
        left: list[sp.Expr] = []
        for a in e.args:
            beaten = any(
                b is not a and self.signs_of(self.plus(fields[b], fields[a], -1)) <= NOT_BELOW
                and (b in left or not self.signs_of(self.plus(fields[b], fields[a], -1)) <= NONE)
                for b in e.args
            )  # fmt: skip
            if not beaten:
                left.append(a)
        if len(left) == 1:
            return fields[left[0]]
        name = ("upper", frozenset(self._name(fields[a]) for a in left))
        k = self.atoms.place(name)
        self.open[k] = Upper(*left)
        return Quotient(generator(k), ONE)

    def signs_of(self, q: Quotient) -> frozenset[int]:
        """Signs that a quotient may have."""
        if q.under == ONE or self.sign(q.under) == PLUS:
            return self.sign(q.over)
        return self.sign(self.atoms.times(q.over, q.under))

    def _where(self, e: sp.Expr) -> Quotient:
        condition, a, b = e.args
        c = self(condition)
        if poly.is_number(c.over):
            return self(b) if c.is_zero else self(a)
        other = self.plus(Quotient(ONE, ONE), c, -1)
        return self.plus(self.times(c, self(a)), self.times(other, self(b)))


def _pair(c: Fraction) -> tuple[int, int]:
    return c.numerator, c.denominator


def _no(what: str) -> Poly:
    raise Unprovable(f"a negative power of a {what}'s argument that is a sum")


REWRITTEN: dict[type, Callable[[sp.Expr], sp.Expr]] = {
    sigmoid: lambda u: 1 / (1 + sp.exp(-u, evaluate=False)),
    softplus: lambda u: sp.log(1 + sp.exp(u, evaluate=False)),
    sp.tanh: lambda u: 1 - 2 / (1 + sp.exp(2 * u, evaluate=False)),
    sp.sinh: lambda u: (sp.exp(u, evaluate=False) - sp.exp(-u, evaluate=False)) / 2,
    sp.cosh: lambda u: (sp.exp(u, evaluate=False) + sp.exp(-u, evaluate=False)) / 2,
    sp.erfc: lambda u: 1 - sp.erf(u),
}
"""Functions by others; a new one is one line here, or in ODD."""

ODD: Sequence[type] = (sp.erf, sp.atan, sp.asinh)
"""Odd functions that are atoms themselves."""


def note_units(atoms: Atoms, expressions: Sequence[sp.Expr]) -> None:
    """Note the smallest unit of every angle and exponent beforehand, so that cos(x/2) and cos(x) share one."""
    periodic = (sp.sin, sp.cos, sp.tan, sp.exp, sigmoid, softplus, sp.tanh, sp.sinh, sp.cosh)
    arguments = {f.args[0] for e in expressions for f in e.atoms(*periodic)}
    for u in sorted(arguments, key=lambda u: (sp.count_ops(u), sp.default_sort_key(u))):
        try:
            terms = Normal(atoms, Facts())(u).over
        except (Unprovable, UnsupportedNode):
            continue
        for m, c in terms.items():
            atoms.steps[m] = lcm(atoms.steps.get(m, 1), c.denominator)
