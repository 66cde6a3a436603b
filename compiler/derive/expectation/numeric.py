"""An expression in x as a function of mpmath numbers."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import sympy as sp

from learnact.compiler.declare.constants import number
from learnact.compiler.declare.symbols import x


def _heaviside(u: mp.mpf, at_zero: mp.mpf) -> mp.mpf:
    return mp.mpf(u > 0) if u else at_zero


_FUNCTIONS = {
    "sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
    "softplus": lambda u: mp.log(1 + mp.exp(u)),
    "expm1": mp.expm1,
    "log1p": mp.log1p,
    "Heaviside": _heaviside,
}


def numeric(expr: sp.Expr) -> Callable[[mp.mpf], mp.mpf]:
    """A function of one mpmath number, at the precision of the context it is called in (60 digits at most)."""
    return sp.lambdify(x, _with_numbers(expr), modules=[_FUNCTIONS, "mpmath"], cse=True)


def _with_numbers(e: sp.Basic) -> sp.Basic:
    """Evaluate constants once, so that no call repeats an erfinv or a nested root."""
    if not isinstance(e, sp.Expr) or not e.has(x):
        is_constant = isinstance(e, sp.Expr) and not e.is_Rational
        return number(e) if is_constant else e
    if e == x:
        return e
    if e.is_Add or e.is_Mul:
        constant, rest = e.as_independent(x, as_Add=e.is_Add)
        parts = [_with_numbers(a) for a in e.func.make_args(rest)]
        return e.func(_with_numbers(constant), *parts)
    if isinstance(e, sp.Piecewise):
        return e.func(*((_with_numbers(branch), condition) for branch, condition in e.args), evaluate=False)
    if isinstance(e, (sp.Max, sp.Min)):
        return e.func(*map(_with_numbers, e.args), evaluate=False)
    return e.func(*map(_with_numbers, e.args))
