"""Errors in ulps are measured right, by a checked oracle, and coefficients are what the Remez exchange finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import coefficients, ulp_halves, ulps
from benchmarks.ulp import units
from benchmarks.ulp_cases import FUNCTIONS
from benchmarks.ulp_every import ENDS, FAR, HELPERS, NEAR, ends
from benchmarks.ulp_page import halves_table, page
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify.oracle import Known


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


def _off_at_the_ends(name: str) -> float:
    function, what, _ = HELPERS[name]
    near = torch.tensor([NEAR, NEAR / 3, 1e-12, 1e-37], dtype=torch.float64)
    x = torch.cat([near, -near, torch.tensor([FAR, -FAR, 3e38, -3e38], dtype=torch.float64)])
    due = getattr(FUNCTIONS[function], what)(x)
    error = (ends(name)(x) - due).abs() / due.abs().clamp(min=2.0**-126)
    return float(torch.where(torch.isinf(due.float()), 0.0, error).max())


@pytest.mark.parametrize("name", HELPERS)
def test_the_cheap_oracle_of_a_scan_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _off_at_the_ends(name) < ulps.ORACLE
    taylor, limit = ENDS[name]
    monkeypatch.setitem(ENDS, name, ((*taylor[:-1], 1.01 * taylor[-1]), limit))
    assert _off_at_the_ends(name) > ulps.ORACLE


def test_a_truth_has_digits_where_doubles_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([0.5, 20.0, -40.0], dtype=torch.bfloat16)
    exact = FUNCTIONS["tanh"].slope(x.double())
    found = torch.from_numpy(ulp_halves.truths(resolve("tanh"), (), x)[1].high)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=0)
    monkeypatch.setattr(ulp_halves, "PRECISE", ulp_halves.PRECISE[:1])
    assert float(ulp_halves.truths(resolve("tanh"), (), x)[1].high[1]) != float(found[1])


def test_a_half_that_is_lost_or_wrong_is_counted() -> None:
    exact = torch.tensor([1.0, 1.0, 1.0, 1e39, 1e-40, 1e-3], dtype=torch.float64).numpy()
    found = torch.tensor([1.0, 1.02, torch.inf, torch.inf, 0.0, 2e-3], dtype=torch.bfloat16)
    scale = exact.copy()
    scale[5] = 1.0
    row = ulp_halves.counted(torch.arange(6.0).bfloat16(), found, Known(exact, 0 * exact, scale))
    assert [row[k] for k in ("off", "lost", "normal", "over", "over_wrong", "subnormal")] == [2, 1, 4, 1, 0, 1]
    assert row["at"] == 5.0
    assert row["worst"] > 100
    assert row["scaled"] <= 3
    rows = [{"module": "tanh", "what": "value", "dtype": d, "route": r, **row}
            for d in ("bfloat16", "float16") for r in ("eager", "compiled")]  # fmt: skip
    assert "(2)" in halves_table(rows)
    assert "Within" not in halves_table(rows)
    assert "tanh F" in halves_table([{**r, "worst": 0.5, "lost": 0} for r in rows]).partition("Within")[2]
