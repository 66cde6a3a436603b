"""Differences that lose all digits far out, as one node each: slopes of tanh and of the sigmoid, and 1 + erf."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.functions import logistic, raised_erf, sech2, sigmoid


def with_digits(exprs: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """F and every derivative, with c - c tanh(u)^2 as c sech2(u), and s (1 - s) of s = sigmoid(u) as logistic(u).

    c + c erf(u) is c raised_erf(u). Where F' has a term with the sigmoid itself, as that of x sigmoid(x), there are
    digits enough: s (1 - s) stays, for it needs no exponential of its own.
    """
    f, slope, *gradients = (e.replace(_is_sum_or_product, _with_nodes) for e in exprs)
    kept = {logistic(s.args[0]): s * (1 - s) for s in slope.atoms(sigmoid)}
    return (f, *(e.xreplace(kept) for e in (slope, *gradients)))


def _is_sum_or_product(e: sp.Expr) -> bool:
    return bool(e.is_Add or e.is_Mul)


def _with_nodes(e: sp.Expr) -> sp.Expr:
    return _of_erf(_of_tanh(e)) if e.is_Add else _of_sigmoid(e)


def _of_tanh(total: sp.Expr) -> sp.Expr:
    terms = list(total.args)
    for term in total.args:
        squares = [f for f in sp.Mul.make_args(term) if f.is_Pow and f.exp == 2 and isinstance(f.base, sp.tanh)]
        if len(squares) == 1 and -term / squares[0] in terms:
            scale = -term / squares[0]
            terms.remove(term)
            terms.remove(scale)
            terms.append(scale * sech2(squares[0].base.args[0]))
    return sp.Add(*terms)


def _of_erf(total: sp.Expr) -> sp.Expr:
    terms = list(sp.Add.make_args(total))
    for term in sp.Add.make_args(total):
        found = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.erf)]
        if len(found) != 1:
            continue
        scale, u = term / found[0], found[0].args[0]
        for sign in (1, -1):
            if term in terms and sign * scale in terms:
                terms.remove(term)
                terms.remove(sign * scale)
                terms.append(sign * scale * raised_erf(sign * u))
    return sp.Add(*terms)


def _of_sigmoid(product: sp.Expr) -> sp.Expr:
    factors = list(product.args)
    for s in product.args:
        if isinstance(s, sigmoid) and 1 - s in factors:
            factors.remove(s)
            factors.remove(1 - s)
            factors.append(logistic(s.args[0]))
    return sp.Mul(*factors)
