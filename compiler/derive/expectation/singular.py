"""Where quadrature is split: kinks, jumps and singularities of an expression, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import mpmath as mp
import sympy as sp
from sympy.codegen.cfunctions import log1p
from sympy.core.relational import Relational

from learnact.compiler.declare.constants import number
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.numeric import numeric
from learnact.compiler.derive.expectation.pieces import NONSMOOTH, STEPS, kinks, roots
from learnact.errors import Divergent, NoClosedForm

SAMPLES = 512
"""Points of the support at which a switch function's sign is looked at; closer pairs of roots are missed."""

MOST_STEPS = 300
"""Steps of a floor over which an expectation is summed; each takes a panel of its own, and 300 take a minute."""

TOUCHES = mp.mpf(10) ** -25
"""What is smaller at a kink is 0 there."""

LOOK = 15
"""Digits for looking at signs; the roots themselves are refined to full precision."""


class Cut(NamedTuple):
    """A point where the integrand is not smooth."""

    point: mp.mpf
    singular: bool  # it may be unbounded there, not merely kinked


def cuts(expr: sp.Expr, lo: mp.mpf, hi: mp.mpf) -> list[Cut]:
    """Points of [lo, hi] in increasing order where an expression in x is not smooth.

    Roots of polynomials are found exactly, all others by sign changes on a grid of `SAMPLES` points. Raises Divergent
    where a function that decides is not real, NoClosedForm for a floor with more than `MOST_STEPS` steps.
    """
    found: dict[mp.mpf, bool] = {}
    for atom in sp.postorder_traversal(expr):
        if atom.has(x):
            for point, singular in _of_atom(atom, lo, hi):
                found[point] = found.get(point, False) or singular
    return [Cut(p, found[p]) for p in sorted(found) if lo <= p <= hi]


def _of_atom(atom: sp.Basic, lo: mp.mpf, hi: mp.mpf) -> Iterator[Cut]:
    if isinstance(atom, NONSMOOTH):
        try:
            points = [_real(p) for p in kinks(atom)]
        except NoClosedForm:
            points = [p for u in _switches(atom) for p in zeros(u, lo, hi)]
        yield from (Cut(p, singular=False) for p in points)
    elif isinstance(atom, STEPS):
        yield from (Cut(p, singular=False) for p in _steps(atom, lo, hi))
    else:
        yield from (Cut(p, singular=True) for u in _vanishing(atom) for p in zeros(u, lo, hi))


def _switches(atom: sp.Expr) -> list[sp.Expr]:
    """Functions whose sign decides which branch of the atom holds."""
    if isinstance(atom, (sp.Max, sp.Min)):
        return [u - v for u, v in combinations(atom.args, 2)]
    if isinstance(atom, sp.Piecewise):
        return [r.lhs - r.rhs for r in atom.atoms(Relational) if r.has(x)]
    return [atom.args[0]]


def _vanishing(atom: sp.Basic) -> list[sp.Expr]:
    """Functions at whose zeros the atom may be unbounded or have a branch point."""
    if atom.is_Pow and atom.base.has(x) and not (atom.exp.is_Integer and atom.exp > 0):
        return [] if atom.base.is_positive else [atom.base]
    if isinstance(atom, (sp.log, log1p)):
        inside = atom.args[0] + 1 if isinstance(atom, log1p) else atom.args[0]
        return [] if inside.is_positive else [inside]
    if isinstance(atom, (sp.tan, sp.sec)):
        return [sp.cos(atom.args[0])]
    if isinstance(atom, (sp.cot, sp.csc)):
        return [sp.sin(atom.args[0])]
    return []


def zeros(u: sp.Expr, lo: mp.mpf, hi: mp.mpf) -> list[mp.mpf]:
    """Zeros of an expression in x: all of a polynomial, else where its sign changes on [lo, hi]. Raises Divergent."""
    try:
        return [_real(root) for root in roots(u)]
    except NoClosedForm:
        pass  # no polynomial: look for sign changes instead
    f = numeric(u)

    def look(t: mp.mpf) -> mp.mpf:
        try:
            return mp.sign(f(t))
        except ZeroDivisionError:  # 0/0 or a pole: to be cut at like a zero
            return mp.mpf(0)

    grid = [lo + (hi - lo) * k / SAMPLES for k in range(SAMPLES + 1)]
    with mp.workdps(LOOK):
        signs = [look(t) for t in grid]
    if any(isinstance(s, mp.mpc) for s in signs):
        raise Divergent(f"{u} is not real everywhere between x = {mp.nstr(lo, 5)} and {mp.nstr(hi, 5)}")
    found = [t for t, s in zip(grid, signs, strict=True) if s == 0]
    for (a, before), (b, after) in pairwise(zip(grid, signs, strict=True)):
        if before * after < 0:
            found.append(mp.findroot(f, (a, b), solver="illinois", verify=False))
    return [*found, *(p for p in _touching(u, lo, hi) if _is_zero(f, p))]


def _is_zero(f: Callable[[mp.mpf], mp.mpf], point: mp.mpf) -> bool:
    """Whether f touches 0 at a point; where it has no value there, as 0/0 has none, a cut does no harm."""
    try:
        return bool(abs(f(point)) < TOUCHES)
    except ArithmeticError:
        return True


def _touching(u: sp.Expr, lo: mp.mpf, hi: mp.mpf) -> list[mp.mpf]:
    """Kinks of an expression, at which it may be 0 without a change of sign, as |x - 1/3| is."""
    inner = [v for atom in u.atoms(*NONSMOOTH) if atom.has(x) for v in _switches(atom)]
    return [p for v in inner for p in zeros(v, lo, hi)]


def _steps(atom: sp.Expr, lo: mp.mpf, hi: mp.mpf) -> list[mp.mpf]:
    """Where the argument of a floor or ceiling is an integer. Raises NoClosedForm for very many."""
    f = numeric(atom.args[0])
    grid = [lo + (hi - lo) * k / SAMPLES for k in range(SAMPLES + 1)]
    values = [f(t) for t in grid]
    if any(isinstance(v, mp.mpc) or not mp.isfinite(v) for v in values):
        raise Divergent(f"{atom} is not real everywhere between x = {mp.nstr(lo, 5)} and {mp.nstr(hi, 5)}")
    count = sum(abs(mp.floor(after) - mp.floor(before)) for before, after in pairwise(values))
    if count > MOST_STEPS:
        where = f"between x = {mp.nstr(lo, 5)} and {mp.nstr(hi, 5)}"
        raise NoClosedForm(
            f"{atom} has {mp.nstr(count, 3)} steps {where}, of which {MOST_STEPS} can be integrated over"
        )
    found = []
    for (a, before), (b, after) in pairwise(zip(grid, values, strict=True)):
        low, high = sorted((before, after))
        for step in range(int(mp.ceil(low)), int(mp.floor(high)) + 1):
            ends = [t for t, v in ((a, before), (b, after)) if v == step]
            between = (a, b)
            found += ends or [mp.findroot(lambda t, k=step: f(t) - k, between, solver="illinois", verify=False)]
    return found


def _real(point: sp.Expr) -> mp.mpf:
    return mp.mpf(number(point))
