"""F = sum_k a_k He_k(x)/k! with probabilists' Hermite polynomials, which are orthogonal under x ~ N(0, 1)."""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def recurrence(n: int) -> tuple[Feature, ...]:
    """h_k = He_k(x)/k!: h_k = (x h_{k-1} - h_{k-2})/k and h_k' = h_{k-1}, so the basis is also its own slope."""
    h = [sp.Symbol(f"h{k}", real=True) for k in range(n + 1)]
    steps = [Feature(h[0], sp.S.One, sp.S.Zero), Feature(h[1], x, sp.S.One)]
    steps += [Feature(h[k], (x * h[k - 1] - h[k - 2]) / k, h[k - 1]) for k in range(2, n + 1)]
    return tuple(steps)


def rescaled(weights: list[sp.Expr], sigma: sp.Expr) -> list[sp.Expr]:
    """Coefficients of He_j(x)/j! in sum_k weights_k He_k(x/sigma)/k!  (multiplication theorem)."""
    out = [sp.S.Zero] * len(weights)
    for k, weight in enumerate(weights):
        for i in range(k // 2 + 1):
            out[k - 2 * i] += weight * (1 - sigma**2) ** i / (sp.factorial(i) * 2**i * sigma**k)
    return out


def signs(n: int, period: tuple[int, ...]) -> list[int]:
    """Signs for k = 1..n of the periodic pattern that begins at k = 0."""
    return [period[k % len(period)] for k in range(1, n + 1)]


def start(period: tuple[int, ...]):
    """Values with all |a_k| = gain for k >= 1, of He_k(x/sigma)/k!, with the given sign pattern."""
    return lambda n, law: {"coefficients": rescaled([gain * shift, *(gain * s for s in signs(n, period))], law.sigma)}


hermite = Family(
    name="hermite",
    title="Hermite polynomial",
    formula="sum_{k=0..n} coefficients_k He_k(x)/k!",
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: sum(
        a * sp.polys.orthopolys.hermite_prob_poly(k, x) / sp.factorial(k) for k, a in enumerate(p.coefficients)
    ),
    basis=Basis(recurrence, weights=lambda p, n: p.coefficients),
    starts={
        "balanced": Start(start((1, 1, -1, -1)), note="signs + + - - keep the q-slope near 0"),
        "paper": Start(start((1,)), root="plus", note="published signs, all +"),
    },
    fit=LinearFit(
        features=lambda n, law: [sp.polys.orthopolys.hermite_prob_poly(k, x) / sp.factorial(k) for k in range(n + 1)],
        values=lambda n, law, solution: {"coefficients": solution},
    ),
    domain="normalized inputs; grows like |x|^n",
    reference="Khalfaoui-Hassani & Kesselheim 2025, arXiv:2502.01247",
)
