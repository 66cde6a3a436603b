"""The compiler as functions: starts for a sigma, classes compiled on the spot, steps and pages for readers."""

from __future__ import annotations

import pytest
import sympy as sp
import torch

from learnact import Normal
from learnact.compiler import api
from learnact.compiler.declare.symbols import put, x
from learnact.compiler.emit import header
from learnact.compiler.explain import pages
from learnact.compiler.explain.steps import solved
from learnact.compiler.resolve import registry
from learnact.compiler.resolve.expression import from_expression
from learnact.errors import BadExpression, BadLaw

STEP_ROUNDING = 1e-13  # absolute: a few roundings of numbers of order ten
FLOAT_ROUNDING = 1e-15  # relative: two correct roundings of one exact value differ by an ulp at most


@pytest.mark.parametrize("spec", ["hermite:3", "tropical:2", "sinusoid", "fourier:2"])
def test_the_printed_steps_lead_to_the_start(spec):
    derivation = api.derive(spec)
    for start in derivation.starts:
        found = solved(derivation, start)
        if found is None:
            assert start.kind in ("fit", "as declared")
            continue
        steps = {step.text.split(" ")[0]: float(step.value) for step in found.steps}
        symbols = derivation.activation.assign({name: list(values) for name, values in start.values.items()})
        for point in (sp.Rational(-7, 5), sp.Rational(1, 3), sp.Integer(2)):
            shape = float(put(found.shape, {x: point}))
            reached = float(put(derivation.activation.function, symbols | {x: point}))
            assert reached == pytest.approx(steps["gain"] * (shape + steps.get("shift", 0)), abs=STEP_ROUNDING)


def test_values_as_declared_need_no_steps():
    derivation = api.derive(from_expression("a*sin(x)", {"a": 1}, "Trial"))
    assert [solved(derivation, start) is None for start in derivation.starts] == [False, True]


def test_a_page_has_its_formula_its_moments_and_its_derivation():
    family = registry.family("sinusoid")
    text = pages.page(family)
    assert family.formula in text
    assert "|  | balanced | balanced | 0.606531 | 1 | 1 | 0 |" in text  # E[sqrt(2) sin(x + pi/4)] = exp(-1/2)
    assert "pictures/sinusoid.svg" in text
    assert "\\text{gain} = E[g^2]^{-1/2} &= \\sqrt{2}" in text
    assert "[Sinusoid](sinusoid.md)" in pages.index([family])


def test_start_follows_sigma_exactly():
    values = api.start("sinusoid", "balanced", sigma=0.55)
    assert values["amplitude"] == pytest.approx((2**0.5,), rel=FLOAT_ROUNDING)
    assert api.start("hermite:3", "balanced", sigma="1/2") == api.start(
        "hermite:3", "balanced", law=Normal(sp.Rational(1, 2))
    )


def test_load_compiles_once_and_returns_one_class(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(api, "_loaded", {})
    act = api.load("hermite:2")
    assert act is api.load("hermite:2")
    assert isinstance(act(), torch.nn.Module)
    (cached,) = (tmp_path / "cache").glob("*.py")
    assert header.parse(cached.read_text()).body in cached.name
    mine = api.load(from_expression("a*tanh(x) + c", {"a": 1, "c": 0}, "Mine"))
    points = torch.linspace(-2, 2, 5, dtype=torch.float64)
    module = mine(init="declared", dtype=torch.float64)
    torch.testing.assert_close(module(points), torch.tanh(points))


@pytest.mark.parametrize(
    ("sigma", "law", "error"),
    [(0, None, BadLaw), (-1, None, BadLaw), ("x", None, BadExpression), (2, Normal(), BadLaw)],
)
def test_start_refuses_what_is_no_sigma(sigma, law, error):
    with pytest.raises(error):
        api.start("sinusoid", "balanced", sigma=sigma, law=law)


def test_verify_takes_a_spec_a_path_and_an_activation(tmp_path):
    source = api.emit("sinusoid", tmp_path)
    for target in ("sinusoid", tmp_path / source.filename, registry.resolve("sinusoid")):
        assert api.verify(target, quick=True).ok
