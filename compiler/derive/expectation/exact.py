"""The exact engine: E[f(x)] as a closed form, by rules that all terminate."""

from __future__ import annotations

from itertools import pairwise

import sympy as sp

from learnact.compiler.declare.constants import sign
from learnact.compiler.declare.laws import Exponential, Law, Normal, Uniform
from learnact.compiler.derive.expectation.gaussian import normal_expectation
from learnact.compiler.derive.expectation.integrals import integral
from learnact.compiler.derive.expectation.moments import UNIT, unit
from learnact.compiler.derive.expectation.pieces import pieces
from learnact.compiler.derive.expectation.terms import ONE, PLAIN, ZERO, Form, Poly, Shape, normal_form, rescaled
from learnact.errors import Divergent, NoClosedForm


def exact_expectation(expr: sp.Expr, law: Law) -> sp.Expr:
    """E[expr(x)] for x under the law. Raises NoClosedForm, Divergent."""
    scale = unit(law)
    split = [
        (sp.expand(lo / scale), sp.expand(hi / scale), rescaled(normal_form(smooth), scale))
        for lo, hi, smooth in pieces(expr, *law.support)
    ]
    polynomials = [(lo, form.get(PLAIN, {})) for lo, _, form in split]
    parts = [piecewise_polynomial(polynomials, law)]
    for lo, hi, form in split:
        for shape, poly in form.items():
            if shape != PLAIN:
                parts.append(_term(poly, shape, lo, hi, form, law))
    return sp.Add(*parts)


def piecewise_polynomial(split: list[tuple[sp.Expr, Poly]], law: Law) -> sp.Expr:
    """E[f(u)] at unit scale, f given as (left end, polynomial) piece by piece in increasing order.

    That is E[last piece] + sum over knots of E[piece before - piece after; u <= knot].
    """
    moments = UNIT[type(law)]
    parts = [moments.whole(split[-1][1])]
    for (_, left), (knot, right) in pairwise(split):
        jump = {k: left.get(k, ZERO) - right.get(k, ZERO) for k in {**left, **right}}
        parts.append(moments.below({k: c for k, c in jump.items() if c != 0}, knot))
    return sp.Add(*parts)


def _term(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr, form: Form, law: Law) -> sp.Expr:
    """E[P(u) shape(u); lo < u < hi] at unit scale."""
    try:
        if isinstance(law, Normal):
            return normal_expectation(poly, shape, lo, hi)
        if isinstance(law, Uniform):
            return integral(poly, shape, lo, hi) / 2
        if isinstance(law, Exponential):
            return integral(poly, shape._replace(lin=shape.lin - ONE), lo, hi)
    except Divergent:
        # terms with erf can cancel (exp(x^2) erfc(x) is bounded), and a zero coefficient proves nothing
        if any(s.erfs for s in form) or all(sign(c) == 0 for c in poly.values()):
            raise NoClosedForm("a term grows too fast, though the sum may not") from None
        raise
    raise NoClosedForm(f"no rule but polynomials under {law}")
