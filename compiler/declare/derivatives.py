"""F, F' and every dF/dparameter of a declared expression, with the slope at every kink decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.kinks import choose
from learnact.compiler.declare.symbols import x

Pass = Callable[[tuple[sp.Expr, ...], Sequence[sp.Symbol]], tuple[sp.Expr, ...]]
"""(expressions, parameters' symbols) -> expressions."""


def stabilize(exprs: tuple[sp.Expr, ...], symbols: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
    """log(1 + exp u) -> softplus(u) and 1/(1 + exp u) -> sigmoid(-u): the naive forms overflow in fp32 at |u| = 88."""
    u = sp.Wild("u")
    out = []
    for e in exprs:
        e = e.replace(sp.log(1 + sp.exp(u)), softplus(u)).replace(1 / (1 + sp.exp(u)), sigmoid(-u))
        out.append(e)
    return tuple(out)


def plain_conditions(exprs: tuple[sp.Expr, ...], symbols: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
    """If-then-else among conditions, SymPy's form of a comparison with a Piecewise, becomes and, or."""

    def plain(c: sp.Basic, yes: sp.Basic, no: sp.Basic) -> sp.Basic:
        return sp.Or(sp.And(c, yes), sp.And(sp.Not(c), no))

    return tuple(e.replace(sp.ITE, plain) for e in exprs)


def make_choices(exprs: tuple[sp.Expr, ...], symbols: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
    """Max, Min, Abs, sign and Heaviside become the functions of `kinks`, whose derivatives are stated."""
    return tuple(choose(e, symbols) for e in exprs)


def differentiate(exprs: tuple[sp.Expr, ...], symbols: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
    """F -> F, dF/dx, dF/d(parameter) ..."""
    (f,) = exprs
    return (f, *(sp.diff(f, s) for s in (x, *symbols)))


PASSES: tuple[Pass, ...] = (stabilize, plain_conditions, make_choices, differentiate)
