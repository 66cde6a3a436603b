"""F = the line through heights_k at n + 1 even nodes of u = stretch x in [-3, 3], slopes left, right outside."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.grid import Grid, Hinge, by_cells
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x

REACH = 3
"""The nodes lie evenly in [-3, 3]: 99.7 % of a standard normal input."""


def cell(n):
    """Width of a cell."""
    return sp.Rational(2 * REACH, n)


def lines(p, n):
    """F by cells."""
    h, u, first = p.heights, p.stretch * x, -sp.Rational(n, 2)
    inside = [h[k] + (h[k + 1] - h[k]) * (u / cell(n) - first - k) for k in range(n)]
    return by_cells(u / cell(n), first, h[0] + p.left * (u + REACH), inside, h[n] + p.right * (u - REACH))


def ramp(n, law):
    """A ReLU's heights at the nodes, and its slopes outside."""
    nodes = [k * cell(n) - REACH for k in range(n + 1)]
    heights = [gain * (sp.Max(0, node) + shift) for node in nodes]
    return {"stretch": 1 / law.sigma, "left": sp.S.Zero, "right": gain, "heights": heights}


def hats(n, law):
    """What left, right and every height are multiplied by."""
    u = x / law.sigma
    at = (u + REACH) / cell(n)
    rise = [sp.Max(0, at - k + 1) - sp.Max(0, at - k) for k in range(n + 1)]  # 0, then 1
    first, last = 1 - rise[1], rise[n]
    return [sp.Min(0, u + REACH), sp.Max(0, u - REACH), first, *(rise[k] - rise[k + 1] for k in range(1, n)), last]


pwlu = Family(
    name="pwlu",
    title="Piecewise linear unit",
    formula="the line through heights_k at stretch x = 6 k/n - 3, k = 0..n; slopes left, right outside",
    degrees=range(2, 33),
    parameters={"stretch": Positive(), "left": 1, "right": 1, "heights": lambda n: n + 1},
    function=lines,
    starts={"balanced": Start(ramp, note="heights of a ReLU at the nodes; with one at 0, sqrt(2) ReLU")},
    grid=Grid(
        cells=lambda n: n,
        vector="heights",
        argument=lambda p, n: p.stretch * x / cell(n),
        origin=lambda n: -sp.Rational(n, 2),
        bump=(Hinge(sp.S.One, 1, 1),),
        slopes=lambda p, n: (p.left * cell(n), p.right * cell(n)),
    ),
    fit=LinearFit(
        features=hats,
        values=lambda n, law, solution: {
            "stretch": 1 / law.sigma,
            "left": solution[0],
            "right": solution[1],
            "heights": list(solution[2:]),
        },
    ),
    domain="all x; linear outside of |stretch x| < 3",
    reference="Zhou et al. 2021, arXiv:2104.03693",
)
