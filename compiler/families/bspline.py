"""F = sum_k coefficients_k B(u - k), cubic B-splines on n cells of stretch x in [-3, 3], continued by its tangents."""

from types import SimpleNamespace

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.grid import Grid, Hinge, by_cells
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x

REACH = 3
"""The cells lie evenly in [-3, 3]: 99.7 % of a standard normal input."""


def cell(n):
    """Width of a cell."""
    return sp.Rational(2 * REACH, n)


def blended(c, t):
    """The four B-splines of one cell, times their coefficients; t in [0, 1]."""
    weights = [1 - 3 * t + 3 * t**2 - t**3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3]
    return sum(a * w for a, w in zip(c, weights, strict=True)) / 6


def spline(p, n):
    """F by cells, and its tangents outside."""
    c, u, first = p.coefficients, p.stretch * x / cell(n), -sp.Rational(n, 2)
    inside = [blended(c[k : k + 4], u - first - k) for k in range(n)]
    left = (c[0] + 4 * c[1] + c[2]) / 6 + (c[2] - c[0]) / 2 * (u - first)
    right = (c[n] + 4 * c[n + 1] + c[n + 2]) / 6 + (c[n + 2] - c[n]) / 2 * (u + first)
    return by_cells(u, first, left, inside, right)


def ramp(n, law):
    """A ReLU's heights where the B-splines have their centres."""
    centres = [(k - 1) * cell(n) - REACH for k in range(n + 3)]
    return {"stretch": 1 / law.sigma, "coefficients": [gain * (sp.Max(0, c) + shift) for c in centres]}


def splines(n, law):
    """What every coefficient is multiplied by."""
    units = ([sp.Integer(j == k) for j in range(n + 3)] for k in range(n + 3))
    return [spline(SimpleNamespace(stretch=1 / law.sigma, coefficients=unit), n) for unit in units]


bspline = Family(
    name="bspline",
    title="Cubic B-spline",
    formula="sum_{k=0..n+2} coefficients_k B((stretch x + 3) n/6 - k + 1), B the cubic B-spline; tangents outside",
    degrees=range(2, 33),
    parameters={"stretch": Positive(), "coefficients": lambda n: n + 3},
    function=spline,
    starts={"balanced": Start(ramp, note="heights of a ReLU at the centres")},
    grid=Grid(
        cells=lambda n: n,
        vector="coefficients",
        argument=lambda p, n: p.stretch * x / cell(n),
        origin=lambda n: -sp.Rational(n, 2),
        bump=(Hinge(sp.Rational(1, 6), 2, 3), Hinge(sp.Rational(-2, 3), 1, 3)),
    ),
    fit=LinearFit(
        features=splines,
        values=lambda n, law, solution: {"stretch": 1 / law.sigma, "coefficients": list(solution)},
    ),
    domain="all x; linear outside of |stretch x| < 3",
    reference="de Boor 1978; as in KAN, arXiv:2404.19756",
)
