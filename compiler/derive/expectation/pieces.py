"""Splitting an expression at its kinks, and its derivative almost everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cmp_to_key, lru_cache
from itertools import combinations, pairwise
from typing import NamedTuple

import sympy as sp
from sympy.core.relational import Relational

from learnact.compiler.declare.cases import Piecewise
from learnact.compiler.declare.constants import between, less, order, sign
from learnact.compiler.declare.symbols import tie_order, x
from learnact.compiler.derive.expectation.terms import ZERO, Poly, polynomial
from learnact.errors import NoClosedForm

NONSMOOTH = (sp.Abs, sp.Max, sp.Min, sp.sign, sp.Heaviside, sp.Piecewise)
STEPS = (sp.floor, sp.ceiling)
"""Piecewise constant with infinitely many jumps: differentiated here, integrated by quadrature."""


class Piece(NamedTuple):
    """A smooth expression on an interval."""

    lo: sp.Expr
    hi: sp.Expr
    expr: sp.Expr


def pieces(expr: sp.Expr, lo: sp.Expr = -sp.oo, hi: sp.Expr = sp.oo) -> tuple[Piece, ...]:
    """Smooth pieces of an expression in x on (lo, hi), in order.

    Raises NoClosedForm where a kink is not a root of a polynomial, or where the order of kinks depends on symbols.
    """
    atom = next((a for a in sp.postorder_traversal(expr) if isinstance(a, NONSMOOTH) and a.has(x)), None)
    if atom is None:
        return (Piece(lo, hi, expr),)
    found: list[Piece] = []
    for branch in _branches(atom):
        start = branch.lo if less(lo, branch.lo) else lo
        end = branch.hi if less(branch.hi, hi) else hi
        if less(start, end):
            found.extend(pieces(expr.xreplace({atom: branch.expr}), start, end))
    return _merged(found)


def kinks(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """Where an expression in x changes its formula, in increasing order. Raises NoClosedForm as `pieces` does."""
    return tuple(piece.hi for piece in pieces(expr)[:-1])


def _merged(found: Iterable[Piece]) -> tuple[Piece, ...]:
    merged: list[Piece] = []
    for piece in found:
        if merged and merged[-1].expr == piece.expr:
            merged[-1] = merged[-1]._replace(hi=piece.hi)
        else:
            merged.append(piece)
    return tuple(merged)


@lru_cache(maxsize=1 << 10)
def _branches(atom: sp.Expr) -> tuple[Piece, ...]:
    """The smooth branches of one non-smooth atom over the whole line; its arguments are smooth."""
    if isinstance(atom, (sp.Max, sp.Min)):
        return _extremum(atom)
    if isinstance(atom, sp.Piecewise):
        cuts = [u for _, condition in atom.args for u in _switches(condition)]
        return _cut(cuts, lambda point: _chosen(atom, point))
    u = atom.args[0]
    values = {sp.Abs: lambda s: s * u, sp.sign: sp.Integer, sp.Heaviside: lambda s: sp.Integer(s > 0)}
    return _cut([u], lambda point: values[type(atom)](_sign_at(u, point)))


def _cut(switches: Sequence[sp.Expr], branch: Callable[[sp.Expr], sp.Expr]) -> tuple[Piece, ...]:
    """Split at the real roots of all switches; branch(point) is the formula around the point."""
    knots: list[sp.Expr] = []
    for root in sorted((r for u in switches for r in roots(u)), key=cmp_to_key(lambda a, b: -order(a, b))):
        if not knots or less(knots[-1], root):
            knots.append(root)
    ends = [-sp.oo, *knots, sp.oo]
    return _merged(Piece(lo, hi, branch(between(lo, hi))) for lo, hi in pairwise(ends))


def _sign_at(u: sp.Expr, point: sp.Expr) -> int:
    found = sign(u.xreplace({x: point}))
    if found is None:
        raise NoClosedForm(f"the sign of {u} depends on the symbols in it")
    return found


def _switches(condition: sp.Basic) -> list[sp.Expr]:
    return [r.lhs - r.rhs for r in condition.atoms(Relational) if r.has(x)]


def _chosen(atom: sp.Piecewise, point: sp.Expr) -> sp.Expr:
    for expr, condition in atom.args:
        if _holds(condition, point):
            return expr
    raise NoClosedForm(f"{atom} has no branch at x = {point}")


def _holds(condition: sp.Basic, point: sp.Expr) -> bool:
    if isinstance(condition, Relational):
        s = _sign_at(condition.lhs - condition.rhs, point)
        return bool(condition.func(sp.Integer(s), 0))
    if isinstance(condition, sp.And):
        return all(_holds(c, point) for c in condition.args)
    if isinstance(condition, sp.Or):
        return any(_holds(c, point) for c in condition.args)
    if isinstance(condition, sp.Not):
        return not _holds(condition.args[0], point)
    return bool(condition)


def _extremum(atom: sp.Expr) -> tuple[Piece, ...]:
    flip = 1 if isinstance(atom, sp.Max) else -1
    lines = [polynomial(u) for u in atom.args]
    if max((max(line, default=0) for line in lines), default=0) <= 1:
        return _envelope(lines, flip)

    def best(point: sp.Expr) -> sp.Expr:
        winner = atom.args[0]
        for u in atom.args[1:]:
            if _sign_at(u - winner, point) == flip:
                winner = u
        return winner

    return _cut([u - v for u, v in combinations(atom.args, 2)], best)


def _envelope(lines: Sequence[Poly], flip: int) -> tuple[Piece, ...]:
    """Upper (flip = 1) or lower envelope of lines, by one sweep in order of slope."""

    def rising(a: Poly, b: Poly) -> int:
        return -flip * order(a.get(1, ZERO), b.get(1, ZERO)) or -flip * order(a.get(0, ZERO), b.get(0, ZERO))

    hull: list[tuple[sp.Expr, Poly]] = []  # (where the line takes over, line)
    for line in sorted(lines, key=cmp_to_key(rising)):
        start: sp.Expr = -sp.oo
        while hull:
            since, last = hull[-1]
            if order(last.get(1, ZERO), line.get(1, ZERO)) != 0:
                start = _root_of_line({k: line.get(k, ZERO) - last.get(k, ZERO) for k in (0, 1)})
                if less(since, start):
                    break
            hull.pop()  # parallel and lower, or overtaken before it leads
        hull.append((start if hull else -sp.oo, line))
    ends = [*(since for since, _ in hull[1:]), sp.oo]
    return tuple(
        Piece(lo, hi, line.get(0, ZERO) + line.get(1, ZERO) * x) for (lo, line), hi in zip(hull, ends, strict=True)
    )


def _root_of_line(line: Poly) -> sp.Expr:
    offset, slope = (sp.expand(line.get(k, ZERO)) for k in (0, 1))
    if slope.is_Rational:
        return sp.expand(-offset / slope)
    return -sp.factor_terms(offset) / sp.factor_terms(slope)


def roots(u: sp.Expr) -> tuple[sp.Expr, ...]:
    """Real roots of a polynomial in x, exactly. Raises NoClosedForm."""
    poly = {k: c for k, c in polynomial(u).items() if sign(c) != 0}
    degree = max(poly, default=0)
    if degree == 0:
        return ()
    if degree == 1:
        return (_root_of_line(poly),)
    if degree == 2:
        return _quadratic_roots(*(poly.get(k, ZERO) for k in (2, 1, 0)))
    if not all(c.is_Rational for c in poly.values()):
        raise NoClosedForm(f"the roots of {u} have no closed form")
    dense = sp.Poly(dict(poly), x)
    return tuple(dict.fromkeys(dense.real_roots()))


def _quadratic_roots(a: sp.Expr, b: sp.Expr, c: sp.Expr) -> tuple[sp.Expr, ...]:
    discriminant = sp.expand(b**2 - 4 * a * c)
    s = sign(discriminant)
    if s is None:
        raise NoClosedForm(f"whether {a}*x**2 + {b}*x + {c} has real roots depends on the symbols in it")
    if s < 0:
        return ()
    if s == 0:
        return (-b / (2 * a),)
    return tuple((-b + e * sp.sqrt(discriminant)) / (2 * a) for e in (-1, 1))


@lru_cache(maxsize=1 << 12)
def derivative(expr: sp.Expr) -> sp.Expr:
    """d expr / d x almost everywhere: no delta at a jump, non-smooth atoms branch by branch."""
    atoms = _outermost(expr)
    if not atoms:
        return sp.diff(expr, x)
    stand_ins = {a: sp.Dummy(real=True) for a in atoms}
    smooth, back = expr.xreplace(stand_ins), {d: a for a, d in stand_ins.items()}
    chain = (sp.diff(smooth, d).xreplace(back) * _slope(a) for a, d in stand_ins.items())
    return sp.Add(sp.diff(smooth, x).xreplace(back), *chain)


def _outermost(expr: sp.Expr) -> list[sp.Expr]:
    if not expr.has(x):
        return []
    if isinstance(expr, NONSMOOTH + STEPS) or _is_power_of_extremum(expr):
        return [expr]
    return list(dict.fromkeys(a for part in expr.args for a in _outermost(part)))


def _is_power_of_extremum(expr: sp.Expr) -> bool:
    """Whether its derivative by the chain rule would be 0/0 where the extremum is 0 and stays so."""
    return bool(expr.is_Pow and isinstance(expr.base, (sp.Max, sp.Min)) and not expr.exp.is_Integer)


def _slope(atom: sp.Expr) -> sp.Expr:
    if isinstance(atom, sp.Abs):
        return sp.sign(atom.args[0]) * derivative(atom.args[0])
    if isinstance(atom, sp.Piecewise):
        return Piecewise(*((derivative(e), condition) for e, condition in atom.args))
    if isinstance(atom, (sp.Max, sp.Min)):
        return _slope_of_extremum(atom, sp.S.One)
    if atom.is_Pow:
        return _slope_of_extremum(*atom.args)
    return ZERO  # sign, Heaviside, floor, ceiling


def _slope_of_extremum(atom: sp.Expr, power: sp.Expr) -> sp.Expr:
    """d/dx of a maximum or minimum to some power, piece by piece."""
    if not atom.has(*(t for t in NONSMOOTH if not isinstance(atom, t))):
        try:
            *inner, last = _branches(atom)
        except NoClosedForm:
            pass  # the order depends on symbols: say it with conditions on the arguments instead
        else:
            return Piecewise(
                *((derivative(p.expr**power), x <= p.hi) for p in inner),
                (derivative(last.expr**power), True),
                evaluate=False,
            )
    arguments = tie_order(atom.args, ())
    compare = sp.Ge if isinstance(atom, sp.Max) else sp.Le
    cases = [
        (derivative(u**power), sp.And(*(compare(u, v) for v in arguments[k + 1 :])))
        for k, u in enumerate(arguments[:-1])
    ]
    return Piecewise(*cases, (derivative(arguments[-1] ** power), True))
