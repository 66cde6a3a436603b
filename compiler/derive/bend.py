"""How much a function bends under N(0, sigma^2): sigma^4 E[F''^2], or for one with kinks what takes its part.

Divided by E[F^2] these are C''(1) and kappa of the correlation map C.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import sympy as sp

from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.shape import Measure
from learnact.compiler.declare.symbols import put, x
from learnact.compiler.derive.expectation.expect import derivative, expect, pieces
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import NoClosedForm, NoStart

LEAST_JUMP = sp.Float(10) ** -25
"""A jump of F or F' below it is rounding of its 40 digits."""


@lru_cache(maxsize=64)
def bend(g: sp.Expr, law: Normal, measure: Measure, digits: int = DIGITS) -> Quantity:
    """sigma^4 E[g''^2], or 2 sigma^2/(3 sqrt(pi)) sum_i w_i^2 phi(t_i/sigma) over the jumps w_i of g' at t_i.

    To `digits` digits where there is no closed form.
    Raises NoStart where g has the other measure or jumps itself, Divergent and NoClosedForm.
    """
    steps = _steps(g)
    if measure == "curvature":
        if steps:
            raise NoStart(
                f"F' jumps at x = {evaluate(steps[0][0], 6)}, so C''(1) does not exist; ask for kappa in place of "
                "curvature"
            )
        return expect(derivative(derivative(g)) ** 2, law, digits=digits).times(law.std**4)
    if not steps:
        raise NoStart("F' is continuous, so kappa is 0 whatever the start; ask for curvature in place of kappa")
    total = sp.Add(*(w**2 * sp.exp(-((at / law.std) ** 2) / 2) for at, w in steps)) / sp.sqrt(2 * sp.pi)
    return Quantity(2 * law.std**2 / (3 * sp.sqrt(sp.pi)) * total)


@lru_cache(maxsize=64)
def _steps(g: sp.Expr) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """(point, jump of g') for each jump. Raises NoStart where g itself jumps or its pieces are not known."""
    if any(e.has(x) for e in g.atoms(sp.floor, sp.ceiling)):
        raise NoStart("F jumps wherever floor or ceiling does, and E[F'^2] of a jump is no number")
    try:
        found = pieces(g)
    except NoClosedForm as err:
        raise NoStart(f"the places where F bends are not known: {err}") from err
    steps = []
    for before, after in pairwise(found):
        at, change = before.hi, after.expr - before.expr
        if abs(evaluate(put(change, {x: at}), 40)) > LEAST_JUMP:
            raise NoStart(f"F jumps at x = {evaluate(at, 6)}, and E[F'^2] of a jump is no number")
        step = put(sp.diff(change, x), {x: at})
        if abs(evaluate(step, 40)) > LEAST_JUMP:
            steps.append((at, step))
    return tuple(steps)
