"""F, F' and every dF/dparameter of a declared expression, with the slope at every kink decided."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.cases import Piecewise, cheaply
from learnact.compiler.declare.clamped import split_powers
from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.kinks import choose
from learnact.compiler.declare.one_sided import LeftLimit
from learnact.compiler.declare.symbols import x

Pass = Callable[[tuple[sp.Expr, ...], LeftLimit], tuple[sp.Expr, ...]]
"""(expressions, how limits are taken and in which parameters) -> expressions."""


def stabilize(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """log(1 + exp u) -> softplus(u) and 1/(1 + exp u) -> sigmoid(-u): the naive forms overflow in fp32 at |u| = 88.

    exp(u) - 1 -> expm1(u) and log(1 + u) -> log1p(u), which keep their digits near u = 0, and 1 + tanh(u) ->
    2 sigmoid(2 u), which keeps them far to the left.
    """
    out = []
    for e in exprs:
        e = e.replace(lambda part: isinstance(part, (sp.log, log1p)), _softplus_of_logarithm)
        e = e.replace(lambda part: part.is_Pow and part.exp == -1, _sigmoid_of_inverse)
        e = e.replace(lambda part: part.is_Add, _expm1_of_sum).replace(lambda part: part.is_Add, _sigmoid_of_sum)
        out.append(e.replace(lambda part: isinstance(part, sp.log), _log1p_of_sum))
    return tuple(out)


def _exponent_beside_1(total: sp.Expr) -> sp.Expr | None:
    """u of 1 + exp(u)."""
    one, rest = total.as_coeff_Add()
    return rest.args[0] if one == 1 and isinstance(rest, sp.exp) else None


def _softplus_of_logarithm(logarithm: sp.Expr) -> sp.Expr:
    """log(1 + exp(u)) and log1p(exp(u)) as softplus(u)."""
    inside = logarithm.args[0]
    if isinstance(logarithm, log1p):
        return softplus(inside.args[0]) if isinstance(inside, sp.exp) else logarithm
    exponent = _exponent_beside_1(inside)
    return logarithm if exponent is None else softplus(exponent)


def _sigmoid_of_inverse(inverse: sp.Expr) -> sp.Expr:
    """1/(1 + exp(u)) as sigmoid(-u)."""
    exponent = _exponent_beside_1(inverse.base)
    return inverse if exponent is None else sigmoid(-exponent)


def _expm1_of_sum(total: sp.Expr) -> sp.Expr:
    """c exp(u) - c + rest as c expm1(u) + rest."""
    terms = list(total.args)
    for term in total.args:
        exponentials = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.exp)]
        if len(exponentials) == 1 and -term / exponentials[0] in terms:
            scale = term / exponentials[0]
            terms.remove(term)
            terms.remove(-scale)
            terms.append(scale * expm1(exponentials[0].args[0]))
    return sp.Add(*terms)


def _sigmoid_of_sum(total: sp.Expr) -> sp.Expr:
    """c + c tanh(u) + rest as 2 c sigmoid(2 u) + rest."""
    terms = list(total.args)
    for term in total.args:
        found = [f for f in sp.Mul.make_args(term) if isinstance(f, sp.tanh)]
        if len(found) == 1 and term in terms and (scale := term / found[0]) in terms:
            terms.remove(term)
            terms.remove(scale)
            terms.append(2 * scale * sigmoid(2 * found[0].args[0]))
    return sp.Add(*terms)


def _log1p_of_sum(logarithm: sp.Expr) -> sp.Expr:
    """log(1 + u) as log1p(u)."""
    one, rest = logarithm.args[0].as_coeff_Add()
    return log1p(rest) if one == 1 and rest.free_symbols else logarithm


def plain_cases(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """SymPy's Piecewise becomes the one of `cases`, whose conditions are plain and which is cheap to differentiate."""
    return tuple(cheaply(e) for e in exprs)


def make_choices(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """Max, Min, Abs, sign and Heaviside become the functions of `kinks`, whose derivatives are stated."""
    return tuple(choose(e, limit.order) for e in exprs)


def differentiate(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """F -> F, dF/dx, dF/d(parameter) ..."""
    (f,) = exprs
    smooth = split_powers(f)
    return (f, *(sp.diff(smooth, s) for s in (x, *limit.symbols)))


def join_factors(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """Products of something that may be 0 and something that may be infinite, as one factor that is neither.

    b**p/b -> b**(p - 1), which SymPy's power rule leaves as 0/0 at b = 0; exp(u) exp(v) -> exp(u + v), and
    exp(v) (1 - tanh(u)**2) likewise, which are 0 times infinity far out.
    """
    f, *derivatives = exprs
    return (f, *(e.replace(lambda m: isinstance(m, sp.Mul), _joined) for e in derivatives))


def _joined(product: sp.Expr) -> sp.Expr:
    factors = list(product.args)
    for power in [f for f in factors if f.is_Pow and f.exp.free_symbols and f.base != sp.E]:
        base, joined = power.base, power
        if 1 / base in factors:
            factors.remove(1 / base)
            joined = base ** (power.exp - 1)
        factors[factors.index(power)] = joined
    exponents = [f.exp for f in factors if isinstance(f, sp.exp)]
    falls = {f: u for f in factors if (u := _argument_of_fall(f)) is not None} if exponents else {}
    if len(exponents) + len(falls) < 2:
        return sp.Mul(*factors)
    factors = [f for f in factors if not isinstance(f, sp.exp) and f not in falls]
    logs = [-softplus(2 * u) - softplus(-2 * u) for u in falls.values()]  # of (1 - tanh(u)**2)/4
    return sp.Mul(sp.Integer(4) ** len(falls), *factors, sp.exp(sp.Add(*exponents, *logs)))


def _argument_of_fall(factor: sp.Expr) -> sp.Expr | None:
    """u of 1 - tanh(u)**2."""
    one, rest = factor.as_coeff_Add()
    square = -rest
    fits = one == 1 and square.is_Pow and square.exp == 2 and isinstance(square.base, sp.tanh)
    return square.base.args[0] if fits else None


def take_left_limits(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """F as it is, and every derivative as its limit from the left."""
    f, *derivatives = exprs
    return (f, *map(limit, derivatives))


def guard_logarithms(exprs: tuple[sp.Expr, ...], limit: LeftLimit) -> tuple[sp.Expr, ...]:
    """b**p log(b), the derivative by an exponent, is 0 where b is 0 and p > 0: the limit, and no 0 log(0)."""
    f, *derivatives = exprs
    return (f, *(e.replace(lambda m: isinstance(m, sp.Mul), _guarded) for e in derivatives))


def _guarded(product: sp.Expr) -> sp.Expr:
    """The logarithm of 1 in place of that of 0: second derivatives are numbers then too."""
    factors = list(product.args)
    for power in [f for f in factors if f.is_Pow and f.exp.free_symbols and sp.log(f.base) in factors]:
        at_zero = sp.And(_vanishes(power.base), power.exp > 0)
        inside = Piecewise((sp.S.One, at_zero), (power.base, True))
        factors[factors.index(sp.log(power.base))] = sp.log(inside)
    return sp.Mul(*factors)


def _vanishes(base: sp.Expr) -> sp.Basic:
    """A condition that holds where the base is 0 and, of cases, perhaps where it is 1: its logarithm is 0 there too."""
    if isinstance(base, Piecewise) and sp.S.One in [value for value, _ in base.args]:
        return sp.Or(*(sp.And(_vanishes(value), condition) for value, condition in base.args))
    if base.is_number:
        return sp.true if base.is_zero else sp.false
    return sp.Eq(base, 0, evaluate=False)


PASSES: tuple[Pass, ...] = (
    stabilize,
    plain_cases,
    make_choices,
    differentiate,
    join_factors,
    take_left_limits,
    guard_logarithms,
)
