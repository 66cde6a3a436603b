"""A learned shape as an expression in x: the same numbers, in text that the compiler takes back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from learnact import Declaration, emit, frozen_expression, load, verify
from learnact.errors import BadDeclaration

SPECS = ["hermite:3", "hermite:8", "chebyshev:5", "fourier:3", "fourier_free:2", "tropical:3", "tropical_rational:2"]
SPECS += ["sinusoid", "scaled_gelu", "scaled_elu"]


@pytest.mark.parametrize("spec", SPECS)
def test_the_expression_is_the_shape_and_compiles(spec: str, tmp_path: Path) -> None:
    act = load(spec)(dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in act.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=draw, dtype=torch.float64))
    text = frozen_expression(spec, {name: p.tolist() for name, p in act.named_parameters()})
    path = tmp_path / emit(Declaration(expr=text, name="Fixed"), tmp_path).filename
    fixed, x = load(str(path))(), 2 * torch.randn(2000, generator=draw, dtype=torch.float64)
    assert not list(fixed.parameters())
    torch.testing.assert_close(fixed(x), act(x).detach(), rtol=1e-12, atol=1e-12)
    assert verify(path, quick=True).ok


def test_a_polynomial_is_written_by_horners_rule() -> None:
    assert frozen_expression("hermite:2", {"coefficients": [1.0, 0.5, 3.0]}) == "-0.5 + x*(0.5 + 1.5*x)"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"coefficients": [1.0, 2.0]}, "takes 3 values, found 2"),
        ({"weights": [1.0]}, "parameters are"),
        ({"coefficients": [1.0, math.nan, 0.0]}, "not finite"),
    ],
)
def test_other_values_are_refused(values: dict[str, list[float]], words: str) -> None:
    with pytest.raises(BadDeclaration, match=words):
        frozen_expression("hermite:2", values)
