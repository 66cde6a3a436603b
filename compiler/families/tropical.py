"""F = scale max_k(k x + b_k), a tropical (max-plus) polynomial: n + 1 lines with slopes 0..n."""

import sympy as sp

from learnact.compiler.declare.hinges import max_of_lines
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def equal_probability(n, law):
    """Knots at the quantiles k/(n+1): each of the n + 1 pieces is active with probability 1/(n+1)."""
    knots = [law.quantile(sp.Rational(k, n + 1)) for k in range(1, n + 1)]
    _, offsets = max_of_lines(knots, [sp.S.One] * n)
    return {"scale": gain, "offsets": [b + shift for b in offsets]}


tropical = Family(
    name="tropical",
    title="Tropical polynomial",
    formula="scale * max_{k=0..n}(k x + offsets_k)",
    parameters={"scale": 1, "offsets": lambda n: n + 1},
    function=lambda p, n: p.scale * sp.Max(*(k * x + b for k, b in enumerate(p.offsets)), evaluate=False),
    starts={
        "balanced": Start(equal_probability, note="pieces of equal probability"),
        "paper": Start(
            lambda n, law: {"scale": gain, "offsets": [shift] * (n + 1)},
            root="plus",
            note="published: all offsets equal, so only the first and the last piece are ever active",
        ),
    },
    domain="all x; convex, slopes from 0 to n * scale",
    reference="Khalfaoui-Hassani & Kesselheim 2025, arXiv:2502.01247",
)
