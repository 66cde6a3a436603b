"""Sums that lose all digits far out, as one node each: slopes of tanh and the sigmoid, 1 + erf, GELU and its slope."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.functions import gelu_slope, gelu_value, logistic, raised_erf, sech2, sigmoid


def with_digits(exprs: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """F and every derivative, with c - c tanh(u)^2 as c sech2(u), and s (1 - s) of s = sigmoid(u) as logistic(u).

    u (1 + erf(u/sqrt(2)))/2 is gelu_value(u), its derivative gelu_slope(u), any other 1 + erf(v) raised_erf(v). Where
    F' has a term with the sigmoid itself, as that of x sigmoid(x), there are digits enough: s (1 - s) stays.
    """
    f, slope, *gradients = (e.replace(_is_sum_or_product, _with_nodes) for e in exprs)
    kept = {logistic(s.args[0]): s * (1 - s) for s in slope.atoms(sigmoid)}
    return (f, *(e.xreplace(kept) for e in (slope, *gradients)))


def _is_sum_or_product(e: sp.Expr) -> bool:
    return bool(e.is_Add or e.is_Mul)


def _with_nodes(e: sp.Expr) -> sp.Expr:
    if e.is_Add:
        return sp.Add(*map(_of_gelu, sp.Add.make_args(_of_gelu_slope(_of_erf(_of_tanh(e))))))
    return _of_gelu(_of_sigmoid(e))


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
    """c + c erf(v) as c times 1 + erf(v)."""
    terms = list(sp.Add.make_args(total))
    for term in sp.Add.make_args(total):
        found = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.erf)]
        if len(found) != 1:
            continue
        scale, v = term / found[0], found[0].args[0]
        for sign in (1, -1):
            if term in terms and sign * scale in terms:
                terms.remove(term)
                terms.remove(sign * scale)
                terms.append(sign * scale * raised_erf(sign * v))
    return sp.Add(*terms)


def _of_gelu_slope(total: sp.Expr) -> sp.Expr:
    """c (1 + erf(v)) + 2 c v exp(-v^2)/sqrt(pi) as 2 c gelu_slope(sqrt(2) v)."""
    terms = list(sp.Add.make_args(total))
    for term in sp.Add.make_args(total):
        for raised in [f for f in sp.Mul.make_args(term) if isinstance(f, raised_erf)]:
            scale, v = term / raised, raised.args[0]
            rest = 2 * scale * v * sp.exp(-(v**2)) / sp.sqrt(sp.pi)
            if rest in terms and _is_plain(sp.sqrt(2) * v):
                terms.remove(term)
                terms.remove(rest)
                terms.append(2 * scale * gelu_slope(sp.sqrt(2) * v))
    return sp.Add(*terms)


def _is_plain(u: sp.Expr) -> bool:
    """Whether u can be computed as exactly as the argument of erf, u/sqrt(2)."""
    return bool(u.as_coeff_Mul()[0].is_Rational) and not u.has(sp.sqrt(2))


def _of_gelu(product: sp.Expr) -> sp.Expr:
    """c u (1 + erf(u/sqrt(2))) as 2 c gelu_value(u)."""
    for raised in [f for f in sp.Mul.make_args(product) if isinstance(f, raised_erf)]:
        number, own = (sp.sqrt(2) * raised.args[0]).as_coeff_Mul()
        rest = [f for f in product.args if f not in (raised, *sp.Mul.make_args(own))]
        if _is_plain(number * own) and len(rest) + 1 + len(sp.Mul.make_args(own)) == len(product.args):
            return sp.Mul(*rest, 2 / number, gelu_value(number * own))
    return product


def _of_sigmoid(product: sp.Expr) -> sp.Expr:
    factors = list(product.args)
    for s in product.args:
        if isinstance(s, sigmoid) and 1 - s in factors:
            factors.remove(s)
            factors.remove(1 - s)
            factors.append(logistic(s.args[0]))
    return sp.Mul(*factors)
