"""F = sum_k a_k L_k(x) with Laguerre polynomials, which are orthonormal under x ~ Exponential(1): inputs above 0."""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit, slope_of
from learnact.compiler.declare.laws import Exponential
from learnact.compiler.declare.polynomials import at_scale
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def recurrence(n: int) -> tuple[Feature, ...]:
    """l_k = L_k(x): k l_k = (2k - 1 - x) l_{k-1} - (k-1) l_{k-2} and l_k' = l_{k-1}' - l_{k-1}."""
    l = [sp.Symbol(f"l{k}", real=True) for k in range(n + 1)]  # noqa: E741
    steps = [Feature(l[0], sp.S.One, sp.S.Zero), Feature(l[1], 1 - x, sp.S.NegativeOne)]
    for k in range(2, n + 1):
        value = ((2 * k - 1 - x) * l[k - 1] - (k - 1) * l[k - 2]) / k
        steps.append(Feature(l[k], value, slope_of(l[k - 1]) - l[k - 1]))
    return tuple(steps)


def polynomial(k: int) -> sp.Expr:
    """L_k(x)."""
    return sp.polys.orthopolys.laguerre_poly(k, x)


def balanced(n, law):
    """Coefficients gain/k! of L_k(x/sigma); with equal ones Var g would exceed E[g'^2], and no balance exists."""
    weights = [gain * shift, *(gain / sp.factorial(k) for k in range(1, n + 1))]
    return {"coefficients": at_scale(polynomial, weights, law.sigma)}


laguerre = Family(
    name="laguerre",
    title="Laguerre polynomial",
    formula="sum_{k=0..n} coefficients_k L_k(x)",
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: sum(a * polynomial(k) for k, a in enumerate(p.coefficients)),
    law=Exponential(),
    basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
    starts={"balanced": Start(balanced, note="coefficients 1/k!")},
    fit=LinearFit(
        features=lambda n, law: [polynomial(k) for k in range(n + 1)],
        values=lambda n, law, solution: {"coefficients": solution},
    ),
    domain="x >= 0, as behind a softplus or an exponential; grows like |x|^n",
)
