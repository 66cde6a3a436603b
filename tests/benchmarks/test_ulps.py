"""Errors in ulps are measured right, by a checked oracle, and coefficients are what the Remez exchange finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import coefficients, ulps
from benchmarks.ulp import units
from benchmarks.ulp_page import page


def test_units_of_every_dtype() -> None:
    for dtype, bits in ((torch.bfloat16, 7), (torch.float16, 10), (torch.float32, 23)):
        one = torch.ones(3, dtype=dtype)
        exact = torch.tensor([1.0, 1.0 + 2.0**-bits, 1.0 - 2.0**-bits], dtype=torch.float64)
        assert units(one, exact).tolist() == [0.0, 1.0, 2.0]  # below 1 the unit is half as large
    least = torch.tensor([2.0**-149, 0.0])
    assert units(least, torch.tensor([0.0, 2.0**-149], dtype=torch.float64)).tolist() == [1.0, 1.0]


def test_overflow_is_right_only_where_the_exact_value_overflows() -> None:
    huge = torch.tensor([1e39, 1e39, 1e39, 1.0], dtype=torch.float64)
    found = torch.tensor([torch.inf, 3.4028235e38, -torch.inf, torch.inf])
    assert units(found, huge).tolist() == [0.0, 0.0, torch.inf, torch.inf]
    assert units(torch.tensor([torch.nan]), torch.ones(1, dtype=torch.float64)).tolist() == [torch.inf]


def test_an_oracle_that_loses_digits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ulps.oracle_error("tanh") < ulps.ORACLE
    naive = replace(ulps.FUNCTIONS["tanh"], slope=lambda u: 1 - torch.tanh(u) ** 2)
    monkeypatch.setitem(ulps.FUNCTIONS, "tanh", naive)
    with pytest.raises(ArithmeticError, match="slope of tanh"):
        ulps.oracle_error("tanh")


def test_coefficients_are_derived_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert coefficients.main() == 0
    monkeypatch.setattr(coefficients.committed, "TANH", (*coefficients.committed.TANH[:-1], -1 / 3))
    assert coefficients.main() == 1
    assert "| NO " in capsys.readouterr().out


def test_a_page_has_every_row() -> None:
    rows = [
        {"function": "tanh", "route": route, "dtype": dtype, "what": what, "normal": 0.5, "at": 1.0, "subnormal": 0.0,
         "over": 0, "count": 9, "tails": {"near 0": 1e-8}}
        for route in ("ours eager", "ours compiled")
        for dtype in ("bfloat16", "float16", "float32")
        for what in ("value", "slope")
    ]  # fmt: skip
    assert page(rows).count("0.50") == 12
