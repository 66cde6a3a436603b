"""F = sum_k a_k He_2k(x)/(2k)!, k = 0..n, even Hermite polynomials: F(-x) = F(x), whatever is learned."""

from dataclasses import replace

import sympy as sp

from learnact.compiler.declare.basis import Basis, LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.compiler.families import hermite


def polynomial(k: int) -> sp.Expr:
    """He_2k(x)/(2k)!."""
    return sp.polys.orthopolys.hermite_prob_poly(2 * k, x) / sp.factorial(2 * k)


def recurrence(n: int):
    """The Hermite recurrence; those of odd degree carry no weight, and are the slopes of the others."""
    return tuple(replace(f, weighted=k % 2 == 0) for k, f in enumerate(hermite.recurrence(2 * n)))


def alternating(n, law):
    """Values of He_2k(x/sigma)/(2k)! with |a_k| = gain for k >= 1, signs - + - ..."""
    weights = [gain * shift, *(w for k in range(1, n + 1) for w in (sp.S.Zero, gain * (-1) ** k))]
    return {"coefficients": hermite.rescaled(weights, law.sigma)[::2]}


even = Family(
    name="even",
    title="Even Hermite polynomial",
    formula="sum_{k=0..n} coefficients_k He_2k(x)/(2k)!",
    degrees=range(1, 7),
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: sum(a * polynomial(k) for k, a in enumerate(p.coefficients)),
    basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
    starts={"balanced": Start(alternating, note="signs - + - + keep the q-slope near 0")},
    fit=LinearFit(
        features=lambda n, law: [polynomial(k) for k in range(n + 1)],
        values=lambda n, law, solution: {"coefficients": solution},
    ),
    domain="normalized inputs whose sign means nothing; grows like x^(2n)",
)
