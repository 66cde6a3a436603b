"""F = P(x)/Q(x) with Q = 1 + sum_j (b_j x^j)^2 >= 1: a Pade approximant without poles; P has degree n, Q n - 1 or n."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def denominator(b):
    """Q."""
    return 1 + sum((c * x**j) ** 2 for j, c in enumerate(b, start=1))


def first_denominator(n, law):
    """Q = (1 + x^2/(4 sigma^2))^m with m = n // 2: no coefficient is 0, so each has a gradient."""
    m = n // 2
    return [sp.sqrt(sp.binomial(m, j)) / (2 * law.sigma) ** j for j in range(1, m + 1)]


def balanced(n, law):
    """P = (1 + x/(2 sigma))^n/2 + shift Q: one-sided like a ReLU, and Q takes up the shift."""
    b = first_denominator(n, law)
    bump = sp.Poly(sp.expand((1 + x / (2 * law.sigma)) ** n / 2), x).all_coeffs()[::-1]
    level = sp.Poly(sp.expand(denominator(b)), x).all_coeffs()[::-1]
    level += [sp.S.Zero] * (n + 1 - len(level))
    return {"numerator": [gain * (p + shift * q) for p, q in zip(bump, level, strict=True)], "denominator": b}


rational = Family(
    name="rational",
    title="Rational function",
    formula="sum_{k=0..n} numerator_k x^k / (1 + sum_{j=1..m} (denominator_j x^j)^2), m = n/2 rounded down",
    degrees=range(2, 8),
    parameters={"numerator": lambda n: n + 1, "denominator": lambda n: n // 2},
    function=lambda p, n: sum(a * x**k for k, a in enumerate(p.numerator)) / denominator(p.denominator),
    starts={"balanced": Start(balanced, note="(1 + x/(2 sigma))^n over (1 + x^2/(4 sigma^2))^m")},
    fit=LinearFit(
        features=lambda n, law: [x**k / denominator(first_denominator(n, law)) for k in range(n + 1)],
        values=lambda n, law, solution: {"numerator": list(solution), "denominator": first_denominator(n, law)},
    ),
    domain="all x; no poles; grows like |x| for odd n, bounded for even n",
    reference="after Molina et al. 2020, arXiv:1907.06732",
)
