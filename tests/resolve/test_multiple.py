"""A multiple of F by other values of its parameters."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from learnact import start
from learnact.compiler.declare.symbols import x
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.multiple import proportional
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadExpression, NoStart

POINTS = np.linspace(-3, 3, 13)


@pytest.mark.parametrize(
    ("spec", "scaled"),
    [
        ("hermite:3", {"coefficients"}),
        ("chebyshev:3", {"coefficients"}),
        ("fourier:3", {"offset", "coefficients"}),
        ("fourier_free:2", {"offset", "coefficients"}),
        ("tropical:3", {"scale"}),
        (
            "tropical_rational:2",
            {f"{of}_{what}" for of in ("numerator", "denominator") for what in ("slopes", "offsets")},
        ),
        ("sinusoid", {"amplitude"}),
        ("scaled_gelu", {"scale", "offset"}),
        ("residual_gelu:2", {"scale"}),
        ("rational:3", {"numerator"}),
    ],
)
def test_a_factor_multiplies_the_whole_function(spec: str, scaled: set[str]) -> None:
    activation = resolve(spec)
    assert {v.name for v in activation.parameters if proportional(activation).issuperset(v.values)} == scaled
    one, times = (start(spec, "balanced", sigma="0.3", preserve=True, factor=f) for f in (1, "7/3"))
    assert one != times
    values = [sp.lambdify(x, activation.function.xreplace(activation.assign(v)))(POINTS) for v in (one, times)]
    assert values[1] == pytest.approx(7 / 3 * values[0], rel=1e-12, abs=1e-12)


def test_a_positive_parameter_is_multiplied_through_its_logarithm() -> None:
    waves = from_expression("a*sin(x) + b*x", {"a>0": 2, "b": 1}, "Waves")
    one, times = (start(waves, "forward", factor=f) for f in (1, 3))
    assert times["log_a"][0] - one["log_a"][0] == pytest.approx(np.log(3), rel=1e-12)
    assert times["b"][0] == pytest.approx(3 * one["b"][0], rel=1e-12)
    held = from_expression("a*sin(x)", {"0<a<3": 2}, "Held")
    with pytest.raises(NoStart, match="scales the whole function"):
        start(held, "declared", factor=2)


def test_what_nothing_scales_is_refused_and_so_is_a_factor_that_is_none() -> None:
    bounded = from_expression("tanh(b*x)", {"b": 1}, "Bounded")
    assert start(bounded, "declared", factor=1) == {"b": (1.0,)}
    with pytest.raises(NoStart, match="no parameter of bounded scales the whole function"):
        start(bounded, "declared", factor=2)
    for factor in (0, -1):
        with pytest.raises(BadExpression, match="factor must be positive"):
            start("hermite:3", "balanced", factor=factor)
