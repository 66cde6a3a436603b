"""Helpers of compiled CPU code for tanh, softplus, erf and their slopes: their digits, everywhere."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from benchmarks.ulp import CHUNK, NEIGHBOURS, Worst, halves, sample, units
from benchmarks.ulp_cases import FUNCTIONS, PLACES
from learnact.compiler.emit import emit
from learnact.compiler.emit.elementary import REQUIRES, elementary_context
from learnact.compiler.emit.render import environment
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify.prove import prove

SPARSE = 50_021  # every so many bit patterns
BOUNDS = {
    "_tanh": 1.5,
    "_sech2": 1.8,
    "_softplus": 2.0,
    "_logistic": 1.8,
    "_sigmoid": 2.0,
    "_expm1": 2.0,
    "_erf": 2.0,
    "_gelu": 5.0,
    "_gelu_slope": 5.0,
}
EXACT = {
    "_tanh": FUNCTIONS["tanh"].value, "_sech2": FUNCTIONS["tanh"].slope, "_softplus": FUNCTIONS["softplus"].value,
    "_logistic": FUNCTIONS["sigmoid"].slope, "_erf": FUNCTIONS["erf"].value,
    "_sigmoid": FUNCTIONS["sigmoid"].value, "_expm1": FUNCTIONS["expm1"].value,
    "_gelu": FUNCTIONS["gelu"].value, "_gelu_slope": FUNCTIONS["gelu"].slope,
}  # fmt: skip


@pytest.fixture(scope="module")
def printed() -> str:
    """The template, with all helpers."""
    called = elementary_context(REQUIRES, sines=False)
    return environment().get_template("elementary.py.jinja").render(elementary=called)


@pytest.fixture
def helpers(printed: str) -> ModuleType:
    """All of them, made to take in eager mode what they take compiled."""
    module = ModuleType("helpers")
    exec(compile("import torch\nfrom torch import nn\n" + printed, "helpers", "exec"), vars(module))
    module._leave_to_torch = lambda x: False
    return module


def worst_of(module: ModuleType, name: str) -> Worst:
    worst = Worst()
    for x in sample(SPARSE):
        worst.add(x, getattr(module, name)(x), EXACT[name](x.double()))
    return worst


@pytest.mark.parametrize("name", BOUNDS)
def test_float32_is_right_to_two_ulps_everywhere(helpers: ModuleType, name: str) -> None:
    found = worst_of(helpers, name)
    assert found.count >= 4 * NEIGHBOURS * len(PLACES) + CHUNK
    assert found.normal <= BOUNDS[name], (found.normal, found.at)
    assert found.subnormal <= 4.0  # a result of 0 would be millions off


@pytest.mark.parametrize("name", EXACT)
def test_half_types_are_correctly_rounded(helpers: ModuleType, name: str) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        worst = Worst()
        for x in halves(dtype):
            worst.add(x, getattr(helpers, name)(x.float()).to(dtype), EXACT[name](x.double()))
        assert worst.normal < 0.52, (dtype, worst.normal, worst.at)


@pytest.mark.parametrize("name", ["_tanh", "_softplus", "_erf", "_sigmoid"])
def test_monotone_bounded_and_right_at_the_ends(helpers: ModuleType, name: str) -> None:
    x = torch.sort(torch.cat([torch.linspace(-12, 12, 400_001), *(x for x in sample(SPARSE * 9))])).values
    y = getattr(helpers, name)(x)
    fall = 2.0**-23 if name in {"_softplus", "_sigmoid"} else 0.0  # an ulp, where the exponential is off by one
    assert not (y[1:] < y[:-1] * (1 - fall)).any()
    ends = torch.tensor([-torch.inf, torch.inf, torch.nan, 0.0, 3.4e38, -3.4e38])
    found, due = getattr(helpers, name)(ends), EXACT[name](ends.double())
    torch.testing.assert_close(found, due.float(), equal_nan=True)


FAULTS = [("TANH", 3, "_tanh"), ("TANH", 1, "_tanh"), ("ATANH", 1, "_softplus"), ("ERF", 4, "_erf"),
          ("ERFC", 3, "_erf"), ("GELU", 6, "_gelu"), ("GELU_SLOPE", 5, "_gelu_slope"),
          ("EXPM1", 3, "_expm1")]  # fmt: skip


@pytest.mark.parametrize(("table", "k", "name"), FAULTS)
def test_a_wrong_coefficient_is_noticed(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch, table: str, k: int, name: str
) -> None:
    before = worst_of(helpers, name).normal
    values = list(getattr(helpers, table))
    values[k] *= 1.01
    monkeypatch.setattr(helpers, table, tuple(values))
    assert worst_of(helpers, name).normal > max(BOUNDS.get(name, before), before)


def test_a_slope_without_its_last_digits_is_noticed(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the shift of a subnormal exponential, and without what the last rounding took."""
    x = torch.linspace(43.7, 44.3, 10_001)
    assert units(helpers._sech2(x), EXACT["_sech2"](x.double())).max() < 1.8
    monkeypatch.setattr(helpers, "_falling", lambda a: (torch.exp(-a), 4.0))
    assert units(helpers._sech2(x), EXACT["_sech2"](x.double())).max() > 1.9
    monkeypatch.setattr(helpers, "_rest", lambda z: (z - z * z / (1.0 + z), 0.0))
    assert worst_of(helpers, "_logistic").normal > BOUNDS["_logistic"]


def test_the_prover_notices_a_wrong_coefficient() -> None:
    activation = resolve("tanh")
    source = emit(activation).text
    assert {i.verdict for i in prove(activation, source)} == {"proved", "checked"}
    assert "0.13331275" in source
    failed = [i.what for i in prove(activation, source.replace("0.13331275", "0.13332")) if i.verdict == "failed"]
    assert failed == ["_tanh"]
