"""Starts that preserve the second moment bend at the scale of their input, or say that they cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from learnact import Family, Normal, Start, derive, start
from learnact.compiler.declare.dimensions import stretches
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.compiler.explain import steps
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.errors import NoStart

AT = np.linspace(-2.5, 2.5, 21)
SIGMA = sp.Rational(1, 4)

CLOSED = {
    "a*tanh(b*x) + c*x + d": {"a": 0, "b": -1, "c": -1, "d": 0},
    "a*tanh(b*x)": {"a": 0, "b": -1},
    "a*x**2 + b*x + c": {"a": -2, "b": -1, "c": 0},
    "a*exp(-(b*x)**2) + c*Max(x, 0)": {"a": 0, "b": -1, "c": -1},
    "a*Piecewise((x, x < t), (t, True))": {"a": -1, "t": 1},
    "a*abs(x - t) + b": {"a": -1, "t": 1, "b": 0},
    "a*sign(x) + b*x": {"a": 0, "b": -1},
}
OPEN = ("a*x*exp(-x**2)", "a*tanh(x)", "a*(1 - x**2)", "a*sin(b*x + x)", "a*Piecewise((x, x < 1), (1, True))", "a*b**x")
"""Some of them with an offset: these have gain and shift at least."""


def at(activation, values: dict[str, tuple[float, ...]], points: np.ndarray) -> np.ndarray:
    return sp.lambdify(x, activation.function.xreplace(activation.assign(values)), "scipy")(points)


@pytest.mark.parametrize("text", CLOSED)
def test_a_start_that_ignores_the_law_is_stretched(text: str) -> None:
    activation = from_expression(text, dict.fromkeys(CLOSED[text], "0.7"), "Shape")
    assert {s.name: d for s, d in stretches(activation).items()} == CLOSED[text]
    name = next(iter(activation.family.starts))
    unit, scaled = (start(activation, name, sigma=s, preserve=True) for s in (1, SIGMA))
    values = at(activation, scaled, float(SIGMA) * AT), float(SIGMA) * at(activation, unit, AT)
    assert values[0] == pytest.approx(values[1], rel=1e-10, abs=1e-10)
    assert start(activation, "declared", sigma=SIGMA, preserve=True) == start(activation, "declared")


@pytest.mark.parametrize("text", OPEN)
def test_what_cannot_be_stretched_is_refused_or_has_an_offset(text: str) -> None:
    params = {p: "0.7" for p in "ab" if p in text.replace("abs", "").replace("tanh", "")}
    activation = from_expression(text, params, "Shape")
    assert stretches(activation) is None
    with pytest.raises(NoStart, match="would be a gain alone under Normal"):
        start(activation, "forward", sigma=SIGMA, preserve=True)
    assert start(activation, "forward", preserve=True) == start(activation, "forward")
    moved = from_expression(f"{text} + c", {**params, "c": 0}, "Moved")
    found = derive(moved, Normal(SIGMA), preserve=True).start("balanced")
    assert float(found.moments.second) == pytest.approx(1 / 16)
    assert float(found.moments.slope_second) == pytest.approx(1)


def test_a_sinusoid_keeps_both_moments() -> None:
    found = derive("sinusoid", Normal(SIGMA), preserve=True).start("balanced")
    assert found.kind == "balanced"
    assert found.values["frequency"] == (4,)
    assert start("sinusoid", "balanced", sigma=SIGMA)["frequency"] == (1.0,)


def test_a_gain_alone_that_is_meant_stays_one() -> None:
    assert start("scaled_gelu", "gain", sigma=SIGMA, preserve=True)["stretch"] == (1.0,)


def test_what_follows_the_law_already_is_as_declared() -> None:
    follows = Family(
        name="follows",
        title="Follows",
        parameters={"a": 1, "b": 1, "c": 1},
        function=lambda p, _: p.a * sp.tanh(p.b * x) + p.c,
        starts={"balanced": Start(lambda _, law: {"a": gain, "b": 3 / law.sigma, "c": gain * shift})},
        degrees=None,
    )
    assert start(follows.at(), "balanced", sigma=SIGMA, preserve=True)["b"] == (12.0,)


def test_the_steps_that_are_printed_are_those_of_the_stretched_start() -> None:
    derivation = derive(resolve("sinusoid"), Normal(SIGMA), preserve=True)
    shown = steps.solved(derivation, derivation.start("balanced"))
    assert shown is not None
    assert shown.shape == sp.sin(4 * x + sp.pi / 4)


def test_a_positive_rate_is_stretched_through_its_logarithm() -> None:
    plain = from_expression("a*tanh(b*x) + d", {"a": 1, "b": 1, "d": 0}, "Plain")
    ranged = from_expression("a*tanh(b*x) + d", {"a": 1, "b>0": 1, "d": 0}, "Ranged")
    found, stored = (start(act, "balanced", sigma=0.4, preserve=True) for act in (plain, ranged))
    assert stored["log_b"][0] == pytest.approx(math.log(found["b"][0]), rel=1e-12)
    assert stored["a"] == pytest.approx(found["a"], rel=1e-12)
