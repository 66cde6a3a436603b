"""Where a plain evaluation of the declaration says nothing: it overflows, it is 0/0, or F has no derivative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from learnact.compiler.emit import emit, write
from learnact.compiler.expression import from_expression
from learnact.compiler.spec import Activation
from learnact.compiler.verify import Report, verify
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
    "text", ["a*x*log(x**2) + b", "a*abs(x)/x + b", "a*sqrt(abs(x)) + b", "a*abs(x)*sin(b*x)/x", "a*b/x"]
)
def test_no_limit_is_made_up(text: str) -> None:
    """F or its slope is infinite, or differs from side to side."""
    assert not Oracle(declared(text))(np.array([0.0]), [A, B], exact=True).finite.any()


@pytest.mark.parametrize(("text", "check", "x"), [(TANH, "large_x", "-10000"), ("a*sin(b*x)/x", "value_fp32", "0")])
def test_no_number_where_f_has_one_is_rejected(text: str, check: str, x: str, tmp_path: Path) -> None:
    found = report(text, tmp_path)
    assert check in found.failed, found.table()
    (detail,) = (c.detail for c in found.checks if c.name == check)
    assert f"x = {x}: nan for" in detail
    assert "Piecewise" in detail


def test_a_filled_gap_is_accepted(tmp_path: Path) -> None:
    found = report("Piecewise((a*b, abs(x) < 1/1000), (a*sin(b*x)/x, True))", tmp_path)
    assert found.ok, found.table()
