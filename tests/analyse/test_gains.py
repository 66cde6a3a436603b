"""Gains: by derivation, by calling torch's own code, in the conventions of others; and what has none is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sympy as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from learnact import Normal, gain
from learnact.compiler.analyse.code import gains_of_code
from learnact.compiler.analyse.gains import CONVENTIONS, MOMENTS, gains_of
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.explain import gains as explained
from learnact.errors import BadExpression, BadLaw, BadTarget, Contradiction, Divergent, UnknownName

ROOT = Path(__file__).resolve().parents[2]
OF_TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "hardtanh": nn.Hardtanh(),
    "leaky_relu": nn.LeakyReLU(),
    "mish": nn.Mish(),
    "relu": nn.ReLU(inplace=True),
    "selu": nn.SELU(),
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sine": torch.sin,
    "softsign": nn.Softsign(),
    "tanh": torch.tanh,
}
NUMERIC = 1e-12
"""Beyond the bound that code's quadrature states: rounding of torch's own functions."""


@pytest.mark.parametrize("name", OF_TORCH)
def test_the_derivation_and_torchs_own_code_agree(name: str) -> None:
    exact, called = explained.of_classical()[name], gain(OF_TORCH[name])
    for attribute in (*MOMENTS, *CONVENTIONS):
        due, found = getattr(exact, attribute), getattr(called, attribute)
        assert not found.exact
        assert found.error < 1e-7
        assert abs(float(found) - float(due)) <= found.error + NUMERIC, attribute
    assert set(exact.checked) == set(called.checked) == {"mean", "second", "slope_second", "q_slope"}


def test_closed_forms_are_exact_in_every_convention() -> None:
    relu = explained.of_classical()["relu"]
    assert (relu.he.value, relu.calculate_gain.value, relu.lipschitz.value) == (2, sp.sqrt(2), 1)
    assert sp.simplify(relu.nfnet_gamma.value - 1 / sp.sqrt(sp.S.Half - 1 / (2 * sp.pi))) == 0
    for name in ("relu", "leaky_relu", "tanh", "selu"):  # of tanh and SELU torch's are rules of thumb
        derived = name in {"relu", "leaky_relu"}
        off = abs(float(explained.of_classical()[name].calculate_gain) / nn.init.calculate_gain(name) - 1)
        assert (off < 1e-15) == derived
    assert gain("hermite:3@paper").q_slope.value != gain("hermite:3").q_slope.value
    gelu_steepest = sp.S.Half + sp.erf(1) / 2 + sp.exp(-1) / sp.sqrt(sp.pi)  # at x = sqrt 2
    found = explained.of_classical()["gelu"].lipschitz
    assert abs(found.value - gelu_steepest.evalf(40)) <= found.error < 1e-25


@pytest.mark.parametrize(
    ("text", "law", "second"),
    [
        ("x", "uniform:2", sp.Rational(4, 3)),
        ("x**2", "exponential:1", 24),
        ("x*exp(-x**2)", None, 1 / (5 * sp.sqrt(5))),
    ],
)
def test_expressions_under_other_laws(text: str, law: str | None, second: sp.Expr) -> None:
    assert sp.simplify(gain(text, law=law).second.value - second) == 0


def test_what_does_not_exist_is_none_with_the_reason() -> None:
    grown = gain("exp(x**2/3)")
    assert float(grown.mean) == pytest.approx(3**0.5)
    assert grown.second is grown.he is grown.nfnet_gamma is grown.lipschitz is None
    assert "outgrows" in grown.missing["second"]
    assert "none: exp(+c x**2) outgrows" in explained.plain(grown)
    step = gain("Heaviside(x - 1)")
    assert step.slope_second is step.q_slope is None
    assert "jumps at x = 1" in step.missing["lipschitz"]
    assert gain("sqrt(abs(x))").slope_second is None
    assert explained.data(grown)["second"] is None


def test_code_that_jumps_or_lies_about_its_slope_has_no_slope() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(_: object, at: Tensor) -> Tensor:
            return at.clone()

        @staticmethod
        def backward(_: object, grad: Tensor) -> Tensor:
            return 2 * grad

    for code, reason in ((torch.round, "jumps"), (Wrong.apply, "not the slopes"), (Tensor.detach, "no gradient")):
        found = gain(code)
        assert found.slope_second is found.he_backward is None
        assert reason in found.missing["slope_second"]
        assert found.second is not None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (nn.Softmax(-1), "depends on other entries"),
        (lambda at: at * torch.arange(at.numel()).view(at.shape), "reordering"),
        (nn.Dropout(), "random"),
        (lambda at: at.sum(), "shape"),
        (lambda at: at > 0, "torch.bool"),
        (lambda at: 3, "int"),
        (nn.Linear(3, 3), "cannot be called"),
        (nn.GELU, "pass an instance"),
        (lambda at: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_code_that_is_no_function_of_x_is_refused(code: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(BadTarget, match=message):
        gain(code)


def test_refusals_of_names_laws_and_values() -> None:
    with pytest.raises(UnknownName, match="did you mean gelu"):
        gain("gleu")
    with pytest.raises(UnknownName, match="start of hermite:3"):
        gain("hermite:3@none")
    with pytest.raises(BadLaw, match="not both"):
        gain("gelu", sigma=2, law="uniform")
    with pytest.raises(BadExpression, match="--param a=1"):
        gain("a*x")
    with pytest.raises(Divergent, match="not finite"):
        gain(torch.log)
    assert float(gain("a*x", params={"a": 2}).second) == 4
    begin = time.perf_counter()
    with pytest.raises(BadTarget, match="longer than"):
        gains_of_code(lambda at: time.sleep(5), Normal(), seconds=0.2)  # type: ignore[arg-type, return-value]
    assert time.perf_counter() - begin < 3


def test_a_wrong_moment_is_caught_by_the_second_method() -> None:
    right = {"mean": 0, "second": 1, "slope_second": 1, "q_slope": 1}
    gains_of("x", "x", x, Normal(), Moments(**{k: Quantity(sp.Integer(v)) for k, v in right.items()}))
    for name in right:
        planted = {k: Quantity(sp.Integer(v) + (sp.Rational(1, 10**8) if k == name else 0)) for k, v in right.items()}
        with pytest.raises(Contradiction, match=name):
            gains_of("x", "x", x, Normal(), Moments(**planted))


def test_a_frozen_module_is_taken_as_it_is_now() -> None:
    module = nn.PReLU(init=0.5)
    assert float(gain(module).second) == pytest.approx(0.625, rel=1e-12)
    assert next(module.parameters()).dtype is torch.float32


def test_the_committed_page_is_what_the_compiler_prints() -> None:
    page = (ROOT / "docs/gains.md").read_text(encoding="utf-8")
    assert page == explained.page()
    block = page.split("```python\n")[1].split("```")[0]
    exec(block, space := {})
    assert space["gamma"] == pytest.approx(1.592025, rel=1e-6)
