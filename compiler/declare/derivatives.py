"""F, F' and every dF/dparameter of a declared expression, with the slope at every kink decided."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.kinks import choose
from learnact.compiler.declare.one_sided import LeftLimit
from learnact.compiler.declare.symbols import x

Pass = Callable[[tuple[sp.Expr, ...], LeftLimit], tuple[sp.Expr, ...]]
"""(expressions, how limits are taken and in which parameters) -> expressions."""


def stabilize(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """log(1 + exp u) -> softplus(u) and 1/(1 + exp u) -> sigmoid(-u): the naive forms overflow in fp32 at |u| = 88."""
    u = sp.Wild("u")
    out = []
    for e in exprs:
        e = e.replace(sp.log(1 + sp.exp(u)), softplus(u)).replace(1 / (1 + sp.exp(u)), sigmoid(-u))
        out.append(e)
    return tuple(out)


def plain_conditions(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """If-then-else among conditions, SymPy's form of a comparison with a Piecewise, becomes and, or."""

    def plain(c: sp.Basic, yes: sp.Basic, no: sp.Basic) -> sp.Basic:
        return sp.Or(sp.And(c, yes), sp.And(sp.Not(c), no))

    return tuple(e.replace(sp.ITE, plain) for e in exprs)


def make_choices(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """Max, Min, Abs, sign and Heaviside become the functions of `kinks`, whose derivatives are stated."""
    return tuple(choose(e, limit.order) for e in exprs)


def differentiate(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """F -> F, dF/dx, dF/d(parameter) ..."""
    (f,) = exprs
    return (f, *(sp.diff(f, s) for s in (x, *limit.symbols)))


def take_left_limits(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """F as it is, and every derivative as its limit from the left."""
    f, *derivatives = exprs
    return (f, *map(limit, derivatives))


PASSES: tuple[Pass, ...] = (stabilize, plain_conditions, make_choices, differentiate, take_left_limits)
