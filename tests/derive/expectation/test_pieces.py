"""Kinks, pieces and derivatives almost everywhere."""

from __future__ import annotations

import pytest
import sympy as sp

from learnact.compiler.declare.functions import gelu, silu, softplus
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.expect import derivative, kinks, pieces
from learnact.errors import NoClosedForm

R = sp.Rational
S = sp.Symbol("s", positive=True)
A = sp.Symbol("a", real=True)

LINES = sp.Max(*(k * x - R(k * k, 8) for k in range(6)))
HINGES = sp.Max(-1, sp.Min(1, x))
ELU = sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True))
HAT = sp.Max(0, 1 - sp.Abs(x))

STEP = R(1, 10**12)
QUOTIENT = sp.Float(10) ** -18  # a central difference errs by STEP^2 / 6 times a third derivative, of order 10 here


def test_pieces_and_kinks() -> None:
    """Order, merging, clipping and nesting."""
    assert kinks(LINES) == tuple(R(2 * k + 1, 8) for k in range(5))
    assert kinks(HAT) == (-1, 0, 1)
    assert kinks(gelu(x)) == ()
    assert [p.expr for p in pieces(HINGES)] == [-1, x, 1]
    assert [(p.lo, p.hi) for p in pieces(HINGES, sp.S.Zero, sp.S(3))] == [(0, 1), (1, 3)]
    assert kinks(sp.Max(0, x, 2 * x - 1, x - 5)) == (0, 1)  # x - 5 never leads
    assert kinks(sp.Min(0, x, 1 - x)) == (0, 1)
    assert kinks(sp.Max(-S * sp.sqrt(2), x, 2 * x - S)) == (-sp.sqrt(2) * S, S)
    assert kinks(sp.Max(x, 3 * x, 5 * x)) == (0,)
    with pytest.raises(NoClosedForm):
        kinks(sp.Max(0, sp.sin(x)))


@pytest.mark.parametrize(
    "expr",
    [
        LINES,
        HAT**2,
        sp.Abs(x - 1) * sp.sin(x),
        ELU,
        HINGES * x,
        sp.sign(x) * x**2,
        sp.Heaviside(x) * sp.exp(x),
        sp.floor(x) * x,
        sp.Max(x, sp.tanh(2 * x), evaluate=False),
        silu(x) + softplus(-x),
        sp.Max(sp.Max(0, x) - 1, 0) ** 3,
    ],
    ids=str,
)
def test_derivative_is_that_of_difference_quotients(expr: sp.Expr) -> None:
    """At points off every kink, and without a delta."""
    slope = derivative(expr)
    assert not slope.has(sp.DiracDelta, sp.Derivative, sp.Subs)
    for point in (-R(27, 10), -R(13, 10), -R(4, 10), R(3, 100), R(7, 10), R(14, 10), R(29, 10)):
        quotient = (expr.subs(x, point + STEP) - expr.subs(x, point - STEP)) / (2 * STEP)
        assert abs(sp.N(quotient - slope.subs(x, point), 40)) < QUOTIENT, point


def test_derivative_of_undecided_maximum() -> None:
    """Symbolic arguments give conditions instead of an order; a tie goes to the argument without parameters."""
    slope = derivative(sp.Max(0, A * x - 1))
    assert slope.subs({A: 2, x: 3}) == 2
    assert slope.subs({A: 2, x: R(1, 4)}) == 0
    assert slope.subs({A: 2, x: R(1, 2)}) == 0
    assert derivative(sp.Max(0, x)).subs(x, 0) == 0
    assert derivative(sp.Abs(x)).subs(x, 0) == 0
