"""Proves that a traced expression equals the declared one: cell by cell, until nothing is left to decide."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mpmath
import sympy as sp

from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify.prove import points
from learnact.compiler.verify.prove.declared import Assumption, Declared, Split
from learnact.compiler.verify.prove.facts import NONE, NOT_ABOVE, NOT_BELOW, PLUS, Facts, Signs
from learnact.compiler.verify.prove.nodes import Pos, Upper, of_declaration
from learnact.compiler.verify.prove.normal import Atoms, Normal, Unprovable
from learnact.compiler.verify.prove.points import NoNumber, Point
from learnact.compiler.verify.prove.polynomial import ONE, Poly, without_common_factor
from learnact.compiler.verify.prove.trace import Claim, G
from learnact.compiler.verify.report import Verdict
from learnact.errors import UnsupportedNode

SAMPLES = 12  # random points
TRIES = 400  # random points in search of one in a given cell
AGREE = mpmath.mpf("1e-25")  # of numbers to 40 digits, relative to 1 + their size


@dataclass(frozen=True)
class Outcome:
    """What became of one claim."""

    verdict: Verdict
    detail: str  # cells of a proof; why none was found; where and by how much it fails


class Late(Exception):
    """The time limit is over."""


@dataclass
class CellJudge:
    """Decides by what one cell knows."""

    normal: Normal

    def signs(self, u: sp.Expr) -> Signs:
        """The signs that u may have in the cell."""
        return self.normal.signs_of(self.normal(u))


@dataclass
class Prover:
    """Proves the claims of one file."""

    activation: Activation
    ascending: Sequence[Sequence[sp.Symbol]]
    seconds: float
    atoms: Atoms = field(default_factory=Atoms)
    forms: dict[sp.Expr, Poly] = field(default_factory=dict)

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The parameters' symbols."""
        return self.activation.symbols

    def __call__(self, claim: Claim) -> Outcome:
        """A proof, else high-precision agreement at random points, else the point at which both differ."""
        try:
            if (failure := self.refuted(claim)) is not None:
                return Outcome("failed", failure)
        except UnsupportedNode as err:
            return Outcome("failed", str(err))
        self.deadline = time.perf_counter() + self.seconds
        try:
            return self.proof(claim)
        except Late:
            return Outcome("checked", f"time limit {self.seconds:g}s; equal at {self.compared} random points")
        except (Unprovable, UnsupportedNode) as err:
            return Outcome("checked", f"{err}; equal at {self.compared} random points")

    def declared(self, claim: Claim, judge: CellJudge | Point) -> sp.Expr:
        """What the claim's expression should be. Raises Split."""
        if claim.by is None:
            return of_declaration(self.activation.function)
        return G * Declared(self.symbols, judge).derivative(self.activation.function, claim.by)

    # by numbers
    def refuted(self, claim: Claim) -> str | None:
        """Where the two differ among random points, half of them at a tie or kink."""
        draw = random.Random(claim.what)
        kinks = self._kinks(claim)
        self.compared = 0
        for k in itertools.count():
            point = points.sample((x, G, *self.symbols), self.ascending, draw)
            if k % 2 and kinks:
                point = points.at_tie(point, draw.choice(kinks)) or point
            if (failure := self._differs(claim, point)) is not None:
                return failure
            if self.compared >= SAMPLES or k > 20 * SAMPLES:
                break
        return None if self.compared else "no random point at which both have a value"

    def _kinks(self, claim: Claim) -> list[sp.Expr]:
        whole = (of_declaration(self.activation.function), claim.traced)
        found = {p.args[0] for e in whole for p in e.atoms(Pos) if not p.args[0].has(Upper, Pos)}
        found |= {a - b for u in whole[0].atoms(Upper) for a, b in itertools.combinations(u.args, 2)}
        return sorted((u for u in found if u.has(x)), key=sp.default_sort_key)

    def _differs(self, claim: Claim, point: Point) -> str | None:
        try:
            due = point(self.declared(claim, point))
        except NoNumber:
            return None
        try:
            found = point(claim.traced)
        except NoNumber as err:
            return f"no number ({err}) where {mpmath.nstr(due, 8)} is due, at {self._where(point)}"
        self.compared += 1
        if abs(found - due) <= AGREE * (1 + abs(due)):
            return None
        return f"{mpmath.nstr(found, 8)} where {mpmath.nstr(due, 8)} is due, at {self._where(point)}"

    def _where(self, point: Point) -> str:
        shown = [(s, v) for s, v in point.values.items()][:8]
        return ", ".join(f"{s} = {mpmath.nstr(v, 6)}" for s, v in shown) + (", ..." if len(point.values) > 8 else "")

    # by normal forms
    def proof(self, claim: Claim) -> Outcome:
        """Every cell in turn. Raises Late, Unprovable, UnsupportedNode."""
        known = [(b - a, NOT_BELOW) for keys in self.ascending for a, b in itertools.combinations(keys, 2)]
        todo: list[list[Assumption]] = [known]
        done = 0
        while todo:
            if time.perf_counter() > self.deadline:
                raise Late
            cell = todo.pop()
            normal = self.normal(cell)
            if normal is None:  # the assumptions contradict each other
                continue
            try:
                due = normal(self.declared(claim, CellJudge(normal)))  # first: it splits where the traced form is long
                rest = normal.plus(normal(claim.traced), due, -1)
            except Split as split:
                todo += [[*cell, *finer] for finer in split.cells]
                continue
            if rest.is_zero or normal.facts.signs(without_common_factor(rest.over)) == NONE:
                done += 1
            elif (finer := self._finer(normal, rest.over, rest.under)) is not None:
                todo += [[*cell, *more] for more in finer]
            else:
                return self._unequal(claim, cell, normal, rest.over)
        return Outcome("proved", "one normal form" if done == 1 else f"{done} cells")

    def normal(self, cell: Sequence[Assumption]) -> Normal | None:
        """Normal forms in a cell, its equations solved; None where nothing satisfies it."""
        fixed: dict[sp.Symbol, sp.Expr] = {}
        while True:
            normal = Normal(self.atoms, Facts(), fixed=fixed)
            for u, signs in cell:
                form = self._form(u, normal)
                possible = normal.sign(form) & signs
                if not possible:
                    return None
                if not normal.sign(form) <= signs:
                    normal.facts.assume(form, signs)
            normal.forget()  # forms made before all was known
            solution = next((s for base, at in normal.facts.equations() if (s := self._solved(dict(base), at))), None)
            if solution is None:
                return normal
            fixed = {**{s: e.xreplace(dict([solution])) for s, e in fixed.items()}, solution[0]: solution[1]}

    def _form(self, u: sp.Expr, normal: Normal) -> Poly:
        """What has the sign of u; remembered where no cell changes it."""
        if normal.fixed or u.has(Pos, Upper):
            return normal.polynomial(u)
        if u not in self.forms:
            self.forms[u] = normal.polynomial(u)
        return self.forms[u]

    def _solved(self, base: Poly, offset: Fraction) -> tuple[sp.Symbol, sp.Expr] | None:
        """A symbol that an equation base + offset = 0 determines, and its value."""
        names: dict[int, Any] = {k: w for w, k in self.atoms.places.items()}
        used = [k for m in base for k, _ in m]
        if not all(isinstance(names[k], sp.Expr) for k in used):
            return None
        terms = {
            m: sp.Rational(c.numerator, c.denominator) * sp.Mul(*(names[k] ** e for k, e in m)) for m, c in base.items()
        }
        for m in base:
            if len(m) == 1 and m[0][1] == 1 and used.count(m[0][0]) == 1 and isinstance(s := names[m[0][0]], sp.Symbol):
                rest = sp.Add(*(t for n, t in terms.items() if n != m), sp.Rational(str(offset)))
                return s, -rest / terms[m].coeff(s)
        return None

    def _finer(self, normal: Normal, *polynomials: Poly) -> list[list[Assumption]] | None:
        """Cells that decide something of what is left."""
        for p in polynomials:
            for m in p:
                for k, _ in m:
                    if k in normal.open:
                        return self._parts(normal, normal.open[k])
        return None

    def _parts(self, normal: Normal, e: sp.Expr) -> list[list[Assumption]]:
        inner = [*e.args[0].atoms(Upper)] if isinstance(e, Pos) else [e]
        for u in sorted(inner, key=sp.default_sort_key):
            if len(left := self._left(normal, u)) > 1:
                return [[(a - b, NOT_BELOW) for b in left if b is not a] for a in left]
        for p in sorted(e.atoms(Pos), key=lambda p: (sp.count_ops(p), sp.default_sort_key(p))):
            if len(normal.signs_of(normal(p.args[0])) & NOT_ABOVE) and 1 in normal.signs_of(normal(p.args[0])):
                return [[(p.args[0], PLUS)], [(p.args[0], NOT_ABOVE)]]
        raise Unprovable("a choice that no sign decides")

    def _left(self, normal: Normal, u: sp.Expr) -> tuple[sp.Expr, ...]:
        form = normal(u).over
        ((m, _),) = form.items() if len(form) == 1 else [((), 0)]
        e = normal.open.get(m[0][0]) if len(m) == 1 and form != ONE else None
        return e.args if isinstance(e, Upper) else ()

    def _exactly(self, rest: Poly, point: Point) -> str | None:
        """A difference that is a polynomial in x and the parameters, too small to be seen in 40 digits."""
        names: dict[int, Any] = {k: w for w, k in self.atoms.places.items()}
        total = Fraction(0)
        for m, c in rest.items():
            for k, e in m:
                if not isinstance(names[k], sp.Symbol):
                    return None
                c *= Fraction(str(mpmath.nstr(point(names[k]), 30))) ** e
            total += c
        return f"a difference of {len(rest)} terms, at {self._where(point)}" if total else None

    def _unequal(self, claim: Claim, cell: Sequence[Assumption], normal: Normal, rest: Poly) -> Outcome:
        """Two different normal forms: a point of the cell at which they differ, if one is found."""
        draw = random.Random(len(cell))
        for _ in range(TRIES):
            point = points.sample((x, G, *self.symbols), self.ascending, draw)
            try:
                for s, e in normal.fixed.items():
                    point = Point({**point.values, s: point(e)})
                if not all(point.signs(u) <= signs for u, signs in cell):
                    continue
                if (found := self._differs(claim, point)) or (found := self._exactly(rest, point)):
                    return Outcome("failed", found)
            except NoNumber:
                continue
        return Outcome("checked", f"a difference of {len(rest)} terms in the normal forms, no point where it shows")
