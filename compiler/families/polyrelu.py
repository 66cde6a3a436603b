"""F = sum_k coefficients_k max(0, x)^k: powers of ReLU, the first one a constant."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def powers(n, law):
    """1, r, r^2, ... with r = max(0, x)/sigma."""
    return [sp.S.One, *(sp.Max(0, x / law.sigma) ** k for k in range(1, n + 1))]


def of_unit_law(values, law):
    """Coefficients of max(0, x)^k for those of max(0, x/sigma)^k."""
    return {"coefficients": [v / law.sigma**k for k, v in enumerate(values)]}


polyrelu = Family(
    name="polyrelu",
    title="PolyReLU",
    formula="sum_{k=0..n} coefficients_k max(0, x)^k",
    degrees=range(1, 7),
    parameters={"coefficients": lambda n: n + 1},
    function=lambda p, n: p.coefficients[0] + sum(a * sp.Max(0, x) ** k for k, a in enumerate(p.coefficients) if k),
    starts={
        "balanced": Start(
            lambda n, law: of_unit_law([gain * shift, *(gain / sp.factorial(k) for k in range(1, n + 1))], law),
            note="coefficients 1/k! of max(0, x/sigma)^k",
        ),
        "paper": Start(
            lambda n, law: {"coefficients": [sp.S.Zero, *[sp.Rational(1, n)] * n]}, note="published: 0, and 1/n each"
        ),
    },
    fit=LinearFit(features=powers, values=lambda n, law, solution: of_unit_law(solution, law)),
    domain="all x; grows like x^n above 0, constant below",
    reference="Zhuo et al. 2024, arXiv:2411.03884",
)
