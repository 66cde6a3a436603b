"""E[f(x)] for x under a law: a closed form wherever a rule gives one, else a number marked as numeric."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare import functions
from learnact.compiler.declare.constants import DIGITS, less, number
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.exact import exact_expectation
from learnact.compiler.derive.expectation.pieces import derivative, kinks, pieces, roots
from learnact.compiler.derive.expectation.quadrature import quadrature
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import Divergent, NoClosedForm

__all__ = ["derivative", "expect", "kinks", "pieces"]

CHECK_DIGITS = 15
"""Digits of the quadrature that shows that an odd integrand, whose integral is 0, is integrable."""

BOUNDED = (sp.tanh, sp.erf, sp.erfc, sp.sin, sp.cos, sp.atan, sp.sign, sp.Heaviside, functions.sigmoid)
LINEAR_GROWTH = (sp.Abs, sp.Max, sp.Min, sp.floor, sp.ceiling, sp.asinh, functions.softplus)


def expect(expr: sp.Expr, law: Law, *, digits: int = DIGITS) -> Quantity:
    """E[expr(x)] for x distributed by the law.

    `expr` is an expression in `symbols.x`; other real symbols, the law's parameter among them, are allowed where a
    closed form exists. Without one the value is a number of `digits` digits, `exact` is False, `error` an estimate.

    Raises Divergent where the expectation does not exist or quadrature cannot show that it does, and NoClosedForm
    where no rule applies and the symbols left make quadrature impossible.
    """
    expr = sp.sympify(expr, strict=True)
    try:
        found = exact_expectation(expr, law)
        number(found)  # raises where its digits cannot be had
        return Quantity(found)
    except NoClosedForm as reason:
        odd = law.symmetric and sp.expand(expr + expr.xreplace({x: -x})) == 0
        if odd and _tame(expr):
            return Quantity(sp.S.Zero, route="odd under a symmetric law")
        _require_numbers(expr, law, reason)
        if odd:
            quadrature(sp.Abs(expr), law, CHECK_DIGITS)  # oddness gives 0 only if the integrand is integrable
            return Quantity(sp.S.Zero, route="odd under a symmetric law")
        value, error = quadrature(expr, law, digits)
        low = "" if error <= 10.0 ** -(digits // 2) * max(1.0, abs(float(value))) else "low-accuracy "
        return Quantity(value, exact=False, error=error, route=f"{low}quadrature: {reason}")


def _require_numbers(expr: sp.Expr, law: Law, reason: NoClosedForm) -> None:
    symbols = (expr.free_symbols | law.parameter.free_symbols) - {x}
    if symbols:
        _require_no_pole(expr, law)
        names = ", ".join(sorted(map(str, symbols)))
        raise NoClosedForm(f"E[{expr}] under {law} has no closed form ({reason}); give {names} a number")


def _require_no_pole(expr: sp.Expr, law: Law) -> None:
    """With symbols left quadrature cannot find a pole, but a denominator whose roots are known can."""
    if not expr.is_rational_function(x):
        return
    lo, hi = law.support
    try:
        poles = [p for p in roots(sp.fraction(sp.cancel(expr))[1]) if not less(p, lo) and not less(hi, p)]
    except NoClosedForm:
        return
    if poles:
        raise Divergent(f"E[{expr}] does not exist under {law}: a pole at x = {poles[0]}")


def _tame(expr: sp.Expr) -> bool:
    """Whether the expression is, by its form, locally bounded and of polynomial growth."""
    if not expr.has(x) or expr == x or isinstance(expr, BOUNDED):
        return True
    if expr.is_Add or expr.is_Mul or isinstance(expr, LINEAR_GROWTH):
        return all(map(_tame, expr.args))
    return bool(expr.is_Pow and expr.exp.is_Integer and expr.exp > 0 and _tame(expr.base))
