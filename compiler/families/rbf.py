"""F = offset + sum_k heights_k exp(-(u - c_k)^2/(2 w^2)), u = stretch x: Gaussian bumps at n + 1 even centres c_k."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x

REACH = 3
"""The centres lie evenly in [-3, 3], a distance w apart: 99.7 % of a standard normal input."""


def bumps(n, u):
    """The n + 1 Gaussians of u."""
    width = sp.Rational(2 * REACH, n)
    return [sp.exp(-((u + REACH - k * width) ** 2) / (2 * width**2)) for k in range(n + 1)]


def ramp(n, law):
    """Heights that rise with the centre from 0, as a ReLU's values do."""
    width = sp.Rational(2 * REACH, n)
    heights = [gain * sp.Max(0, k * width - REACH) for k in range(n + 1)]
    return {"stretch": 1 / law.sigma, "offset": gain * shift, "heights": heights}


rbf = Family(
    name="rbf",
    title="Gaussian sum",
    formula="offset + sum_{k=0..n} heights_k exp(-(stretch x - c_k)^2/(2 w^2)), c_k = k w - 3, w = 6/n",
    degrees=range(2, 13),
    parameters={"stretch": 1, "offset": 1, "heights": lambda n: n + 1},
    function=lambda p, n: p.offset + sum(a * b for a, b in zip(p.heights, bumps(n, p.stretch * x), strict=True)),
    starts={"balanced": Start(ramp, note="heights of a ReLU at the centres")},
    fit=LinearFit(
        features=lambda n, law: [sp.S.One, *bumps(n, x / law.sigma)],
        values=lambda n, law, solution: {
            "stretch": 1 / law.sigma,
            "offset": solution[0],
            "heights": list(solution[1:]),
        },
    ),
    domain="all x; bounded, constant far out",
    reference="Broomhead & Lowe 1988; as in FastKAN, arXiv:2405.06721",
)
