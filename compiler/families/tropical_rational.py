"""F = max_k(p_k x + a_k) - max_k(q_k x + b_k), a tropical rational function: all slopes and offsets learn."""

import sympy as sp

from learnact.compiler.declare.basis import HingeFit
from learnact.compiler.declare.hinges import max_of_lines
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def parameters(numerator, denominator):
    """Parameter values from (slopes, offsets) of the two maxima."""
    (p, a), (q, b) = numerator, denominator
    return {"numerator_slopes": p, "numerator_offsets": a, "denominator_slopes": q, "denominator_offsets": b}


def balanced(n, law):
    """A ReLU whose slope falls once above 0; both maxima share the other n - 1 knots, so no piece is inactive.

    Shared knots lie at the quantiles (3j-1)/(3(n-1)), never 1/2, where the ReLU has its own.
    """
    shared = [law.quantile(sp.Rational(3 * j - 1, 3 * (n - 1))) for j in range(1, n)]
    below = sum(1 for j in range(1, n) if 2 * (3 * j - 1) < 3 * (n - 1))
    step = sp.Rational(1, n + 1)
    up = [*shared[:below], law.quantile(sp.Rational(1, 2)), *shared[below:]]
    rises = [step] * below + [sp.S.One] + [step] * (n - 1 - below)
    down = [*shared, law.quantile(sp.Rational(4 * n + 1, 4 * n + 2))]
    slopes, offsets = max_of_lines(up, rises)
    falls, levels = max_of_lines(down, [step] * n)
    return parameters(
        ([gain * p for p in slopes], [gain * (a + shift) for a in offsets]),
        ([gain * q for q in falls], [gain * b for b in levels]),
    )


def from_hinges(n, level, tilt, ups, rises, downs, falls):
    """Parameter values of a fit with these knots and slope changes."""
    return parameters(max_of_lines(ups, rises, level, tilt), max_of_lines(downs, falls))


def lines(slopes, offsets):
    """max_k(slope_k x + offset_k)."""
    return sp.Max(*(p * x + a for p, a in zip(slopes, offsets, strict=True)), evaluate=False)


tropical_rational = Family(
    name="tropical_rational",
    title="Tropical rational function",
    formula=(
        "max_{k=0..n}(numerator_slopes_k x + numerator_offsets_k)"
        " - max_{k=0..n}(denominator_slopes_k x + denominator_offsets_k)"
    ),
    parameters={
        "numerator_slopes": lambda n: n + 1,
        "numerator_offsets": lambda n: n + 1,
        "denominator_slopes": lambda n: n + 1,
        "denominator_offsets": lambda n: n + 1,
    },
    function=lambda p, n: (
        lines(p.numerator_slopes, p.numerator_offsets) - lines(p.denominator_slopes, p.denominator_offsets)
    ),
    starts={"balanced": Start(balanced, note="a bent ReLU, every piece of both maxima active")},
    fit=HingeFit(knots=lambda n: (n, n), values=from_hinges),
    domain="all x; piecewise linear",
    reference="Khalfaoui-Hassani & Kesselheim 2025, arXiv:2502.01247",
)
