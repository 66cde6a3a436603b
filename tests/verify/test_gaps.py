"""Where a plain evaluation of the declaration says nothing: it overflows, it is 0/0, or F has no derivative."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from modules import module_of

from learnact.compiler.declare import laws
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.emit import emit, write
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.verify import Report, quadrature, tolerances, verify
from learnact.compiler.verify.oracle import Oracle

TANH = "a*(exp(b*x) - exp(-b*x))/(exp(b*x) + exp(-b*x))"
FAR, A, B = 1e4, 0.7, 1.3  # exp(FAR) is beyond every dtype


def declared(text: str) -> Activation:
    return from_expression(text, {"a": "1", "b": "1"}, "Probe")


def report(text: str, folder: Path) -> Report:
    activation = declared(text)
    return verify(activation, write(emit(activation), folder), quick=True)


LIMITS = {
    TANH: (FAR, [A, 0.0, 1.0, 0.0]),
    "a*sin(b*x)/x": (0.0, [A * B, 0.0, B, A]),
    "a*(1 - cos(b*x))/x**2": (0.0, [A * B**2 / 2, 0.0, B**2 / 2, A * B]),
    "a*(x - 1 + b*(x - 1)**2)/(x - 1)": (1.0, [A, A * B, 1.0, 0.0]),
}
"""A point, and the truth there: F, its slope and the derivatives by a and b."""


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("text", LIMITS)
def test_the_oracle_knows_what_a_plain_evaluation_does_not(text: str, exact: bool) -> None:
    at, numbers = LIMITS[text]
    truth = Oracle(declared(text))(np.array([at, 2.0]), [A, B], exact=exact)
    found = [known.high[0] for known in (truth.value, truth.slope, *truth.gradients)]
    assert found == pytest.approx(numbers, rel=1e-15, abs=1e-40)
    assert truth.finite.all()


@pytest.mark.parametrize(
    "text", ["a*x*log(x**2) + b", "a*abs(x)/x + b*x", "a*sqrt(abs(x)) + b", "a*abs(x)*sin(b*x)/x", "a*b/x"]
)
def test_no_limit_is_made_up(text: str) -> None:
    """F or its slope is infinite, or differs from side to side."""
    assert not Oracle(declared(text))(np.array([0.0]), [A, B], exact=True).finite.any()


@pytest.mark.parametrize(("text", "check", "at"), [(TANH, "large_x", "-10000"), ("a*sin(b*x)/x", "value_fp32", "0")])
def test_no_number_where_f_has_one_is_rejected(text: str, check: str, at: str, tmp_path: Path) -> None:
    found = report(text, tmp_path)
    assert check in found.failed, found.table()
    (detail,) = (c.detail for c in found.checks if c.name == check)
    assert f"x = {at}: nan for" in detail
    assert "Piecewise" in detail


def test_a_filled_gap_is_accepted(tmp_path: Path) -> None:
    found = report("Piecewise((a*b, abs(x) < 1/1000), (a*sin(b*x)/x, True))", tmp_path)
    assert found.ok, found.table()


def test_an_integrable_singularity_of_the_slope_is_integrated(tmp_path: Path) -> None:
    """E[F'^2] = (2 + E log x^2)^2 + pi^2/2 for F = x log x^2; where that has no derivative is counted."""
    found = report("a*x*log(b*x**2)", tmp_path)
    assert found.ok, found.table()
    assert "where F or a derivative is no number" in next(c.detail for c in found.checks if c.name == "value_fp64")


@pytest.mark.parametrize("law", [laws.Normal(), laws.Uniform(), laws.Arcsine(), laws.Exponential()])
@pytest.mark.parametrize("breaks", [(), (0.25,)])
def test_the_rule_knows_whether_it_has_settled(law: laws.Law, breaks: tuple[float, ...]) -> None:
    """Split at the singularity or not: log^2 is integrated, and of 1/|x| it is said that it is not."""
    rule = quadrature.rule(law, breaks, lambda at: np.log(np.abs(at - 0.25))[None] ** 2)
    density = sp.lambdify(x, law.density(x) * sp.log(abs(x - sp.Rational(1, 4))) ** 2, modules="mpmath")
    low, high = (mpmath.mpmathify(str(sp.N(end, 20)).replace("oo", "inf")) for end in law.support)
    truth = mpmath.quad(density, [low, 0.25, high])
    assert np.sum(rule.weights * np.log(np.abs(rule.nodes - 0.25)) ** 2) == pytest.approx(float(truth), rel=1e-9)
    assert rule.moved[0] < tolerances.MOMENT
    with np.errstate(divide="ignore"):
        diverges = quadrature.rule(law, breaks, lambda at: 1 / np.abs(at - 0.25)[None])
    assert not diverges.moved[0] < tolerances.MOMENT


FAR_OUT = {
    "a*x*exp(-exp(-b*x))": ("GoLU: the slope is infinity times 0", -1e4),
    "a*x*tanh(exp(b*x))": ("the slope is infinity times 0", 1e4),
    "a*abs(x)**(b + 0.5)": ("the slope is 0/0, the derivative by b 0 log(0)", 0.0),
}


@pytest.mark.parametrize("text", FAR_OUT)
def test_where_factors_are_infinite_or_0_the_product_is_right(text: str, tmp_path: Path) -> None:
    _, at = FAR_OUT[text]
    found = report(text, tmp_path)
    assert found.ok, found.table()
    truth = Oracle(declared(text))(np.array([at]), [1.0, 1.0], exact=True)
    act = module_of(tmp_path / "probe.py").Probe(init="declared", dtype=torch.float64)
    x = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    slope, *gradients = torch.autograd.grad(act(x).sum(), [x, *act.parameters()])
    known = [truth.slope.high[0], *(g.high[0] for g in truth.gradients)]
    assert [slope.item(), *(g.item() for g in gradients)] == pytest.approx(known, rel=1e-12, abs=1e-300)


NAIVE = {
    "a*x*exp(-exp(-b*x))": ("torch.exp(-exp1 - ", "exp1 * torch.exp(-exp1) * torch.exp(-0.0 * "),
    "a*x*tanh(exp(b*x))": ("slope = ", "slope = exp1 * (1.0 - tanh1 * tanh1) * 0.0 + "),
    "a*abs(x)**(b + 0.5)": ("slope = ", "slope = 0.0 / x + "),
}


@pytest.mark.parametrize("text", NAIVE)
def test_a_slope_that_is_no_number_is_rejected(text: str, tmp_path: Path) -> None:
    """A wide bound, or one that overflows, excuses no NaN where all true numbers are of ordinary size."""
    path = write(emit(declared(text)), tmp_path)
    source, (old, new) = path.read_text(), NAIVE[text]
    assert old in source
    path.write_text(source.replace(old, new))
    assert {"large_x", "slope_fp64"} & set(verify(declared(text), path, quick=True).failed)
