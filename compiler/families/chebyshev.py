"""F = sum_k a_k T_k(x/2) with Chebyshev polynomials; |x| <= 2 holds 95 % of a standard normal input."""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit, slope_of
from learnact.compiler.declare.polynomials import at_scale
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def recurrence(n: int) -> tuple[Feature, ...]:
    """t_k = T_k(x/2): t_k = x t_{k-1} - t_{k-2} and t_k'/k = t_{k-1} + t_{k-2}'/(k-2)."""
    t = [sp.Symbol(f"t{k}", real=True) for k in range(n + 1)]
    steps = [Feature(t[0], sp.S.One, sp.S.Zero), Feature(t[1], x / 2, sp.Rational(1, 2))]
    for k in range(2, n + 1):
        earlier = slope_of(t[k - 2]) / (k - 2) if k > 2 else 0
        steps.append(Feature(t[k], x * t[k - 1] - t[k - 2], k * (t[k - 1] + earlier)))
    return tuple(steps)


def polynomial(k: int) -> sp.Expr:
    """T_k(x/2)."""
    return sp.polys.orthopolys.chebyshevt_poly(k, x / 2)


def balanced(n, law):
    """Coefficients +-gain/k! of T_k(x/(2 sigma)), signs + - - + + ... from k = 1."""
    weights = [gain * sp.Rational((-1) ** (k // 2), sp.factorial(k)) for k in range(1, n + 1)]
    return {"coefficients": at_scale(polynomial, [gain * shift, *weights], law.sigma)}


chebyshev = Family(
    name="chebyshev",
    title="Chebyshev polynomial",
    formula="sum_{k=0..n} coefficients_k T_k(x/2)",
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: sum(a * polynomial(k) for k, a in enumerate(p.coefficients)),
    basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
    starts={"balanced": Start(balanced, note="signs + - - + over k!")},
    fit=LinearFit(
        features=lambda n, law: [polynomial(k) for k in range(n + 1)],
        values=lambda n, law, solution: {"coefficients": solution},
    ),
    domain="|x| <= 2, where every |T_k| <= 1; grows like |x|^n outside",
)
