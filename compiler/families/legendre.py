"""F = sum_k a_k P_k(x/2) with Legendre polynomials; |x| <= 2 holds 95 % of a standard normal input."""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit, slope_of
from learnact.compiler.declare.polynomials import at_scale
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def recurrence(n: int) -> tuple[Feature, ...]:
    """p_k = P_k(x/2): k p_k = (2k-1) (x/2) p_{k-1} - (k-1) p_{k-2} and p_k' = (2k-1)/2 p_{k-1} + p_{k-2}'."""
    p = [sp.Symbol(f"p{k}", real=True) for k in range(n + 1)]
    steps = [Feature(p[0], sp.S.One, sp.S.Zero), Feature(p[1], x / 2, sp.Rational(1, 2))]
    for k in range(2, n + 1):
        value = sp.Rational(2 * k - 1, 2 * k) * x * p[k - 1] - sp.Rational(k - 1, k) * p[k - 2]
        slope = sp.Rational(2 * k - 1, 2) * p[k - 1] + (slope_of(p[k - 2]) if k > 2 else 0)
        steps.append(Feature(p[k], value, slope))
    return tuple(steps)


def polynomial(k: int) -> sp.Expr:
    """P_k(x/2)."""
    return sp.polys.orthopolys.legendre_poly(k, x / 2)


def balanced(n, law):
    """Coefficients +-gain/k! of P_k(x/(2 sigma)), signs + - - + + ... from k = 1."""
    weights = [gain * sp.Rational((-1) ** (k // 2), sp.factorial(k)) for k in range(1, n + 1)]
    return {"coefficients": at_scale(polynomial, [gain * shift, *weights], law.sigma)}


legendre = Family(
    name="legendre",
    title="Legendre polynomial",
    formula="sum_{k=0..n} coefficients_k P_k(x/2)",
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: sum(a * polynomial(k) for k, a in enumerate(p.coefficients)),
    basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
    starts={"balanced": Start(balanced, note="signs + - - + over k!")},
    fit=LinearFit(
        features=lambda n, law: [polynomial(k) for k in range(n + 1)],
        values=lambda n, law, solution: {"coefficients": solution},
    ),
    domain="|x| <= 2, where every |P_k| <= 1; grows like |x|^n outside",
)
