"""Where an integrand is smooth but bends within a short distance: steep sigmoids, narrow bumps, near poles."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.numeric import numeric
from learnact.compiler.derive.expectation.pieces import derivative
from learnact.compiler.derive.expectation.singular import zeros
from learnact.errors import Divergent, NoClosedForm

BY_ONE = (sp.tanh, sp.erf, sp.erfc, sp.atan, sp.asinh, sp.exp, expm1, sp.cosh, sp.sinh, sigmoid, softplus)
"""Functions that bend where their argument is about 0, within a distance over which it changes by 1."""

NARROWEST = 60
"""Halvings of 1: narrower than 2^-60 is a jump to every double."""


ROOT = mp.mpf(10) ** -25
"""An argument is 0 at a point where it is smaller than this part of it nearby: the point is a rounded number."""


class Bend(NamedTuple):
    """A point, and the distance around it within which the integrand changes."""

    point: mp.mpf
    width: mp.mpf


def bends(expr: sp.Expr, lo: mp.mpf, hi: mp.mpf, widest: mp.mpf) -> list[Bend]:
    """Bends of an expression in x on [lo, hi] that are narrower than `widest`, in order.

    A function of u bends at the zeros of u and of du/dx; a power or logarithm of u there too, over a distance on which
    u doubles. Zeros are found as `cuts` finds them.
    """
    found: dict[mp.mpf, mp.mpf] = {}
    for u, relative in sorted(_arguments(expr), key=sp.default_sort_key):
        f = numeric(u)
        for point in {p for v in (u, derivative(u)) for p in _zeros(v, lo, hi)}:
            width = _width(f, point, relative, widest)
            if width < found.get(point, widest):
                found[point] = width
    return [Bend(p, found[p]) for p in sorted(found) if lo <= p <= hi]


def _arguments(expr: sp.Expr) -> set[tuple[sp.Expr, bool]]:
    """(argument, whether its change counts relative to itself) of every function that may bend."""
    found = {(a.args[0], False) for a in expr.atoms(*BY_ONE) if a.args[0].has(x)}
    found |= {(a.args[0], True) for a in expr.atoms(sp.log) if a.args[0].has(x)}
    found |= {(1 + a.args[0], True) for a in expr.atoms(log1p) if a.args[0].has(x)}
    powers = (p for p in expr.atoms(sp.Pow) if p.base.has(x) and not (p.exp.is_Integer and p.exp > 0))
    return found | {(p.base, True) for p in powers}


def _zeros(u: sp.Expr, lo: mp.mpf, hi: mp.mpf) -> list[mp.mpf]:
    try:
        return zeros(u, lo, hi) if u.has(x) else []
    except (Divergent, NoClosedForm, ArithmeticError, ValueError, TypeError):
        return []  # a bend that is not seen costs accuracy, which quadrature measures


def _width(f: Callable[[mp.mpf], mp.mpf], point: mp.mpf, relative: bool, widest: mp.mpf) -> mp.mpf:
    """The distance over which the argument changes by 1, or by itself; `widest` where it is 0 or has no value."""
    width = widest
    try:
        here = f(point)
        enough = abs(here) if relative else mp.mpf(1)
        if enough <= ROOT * max(abs(f(point + s * widest)) for s in (-1, 1)):
            return widest  # singular: a cut, and not a bend
        for _ in range(NARROWEST):
            if max(abs(f(point + s * width) - here) for s in (-1, 1)) <= enough:
                return width
            width /= 2
    except (ArithmeticError, ValueError, TypeError):
        return widest
    return width
