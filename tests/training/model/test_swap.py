"""Replacing activation modules, and fitting their starts to what they are fed."""

from __future__ import annotations

import pytest
import sympy as sp
import torch
from torch import Tensor, nn

from learnact.training.model.calibrate import assign, calibrate, measure, round_sigma
from learnact.training.model.swap import Swapped, swap

SIGMA_ROUNDING = 0.05
"""Two significant digits: a sigma of 1.05 may be rounded to 1.0 or 1.1, five percent of it."""


class Scale(nn.Module):
    """scale * x, with the parameter shapes of a generated module."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1) if channels == 1 else torch.ones(1, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale.squeeze(0) * x


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(8, 16), nn.ReLU(), nn.Sequential(nn.Linear(16, 16), nn.GELU(approximate="tanh")), nn.Tanh()
    )


def test_each_hidden_activation_gives_way_to_its_own_instance() -> None:
    model = mlp()
    swapped = swap(model, Scale)
    assert [s.path for s in swapped] == ["1", "2.1"]
    assert [type(s.old) for s in swapped] == [nn.ReLU, nn.GELU]
    assert [model.get_submodule(s.path) for s in swapped] == [s.new for s in swapped]
    assert swapped[0].new is not swapped[1].new
    assert isinstance(model[3], nn.Tanh)


def test_the_swapped_model_computes_with_the_new_activation() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    swap(model, Scale)
    x = torch.randn(3, 4)
    assert torch.equal(model(x), model[0](x))


def test_shared_puts_one_instance_everywhere() -> None:
    first, second = swap(mlp(), Scale, shared=True)
    assert first.new is second.new


def test_one_activation_registered_twice_has_two_places_and_a_block_used_twice_has_one() -> None:
    act = nn.GELU()
    block = nn.Sequential(nn.Linear(4, 4), act)
    model = nn.ModuleDict({"a": block, "b": block, "c": nn.Sequential(act)})
    swapped = swap(model, Scale)
    assert [s.path for s in swapped] == ["a.1", "c.0"]
    assert swapped[0].new is not swapped[1].new
    assert model["b"][1] is swapped[0].new


def test_a_match_by_type_and_by_path() -> None:
    assert [s.path for s in swap(mlp(), Scale, nn.Tanh)] == ["3"]
    assert [s.path for s in swap(mlp(), Scale, (nn.ReLU, nn.Tanh))] == ["1", "3"]
    assert [s.path for s in swap(mlp(), Scale, lambda path, _: path in {"2", "2.1"})] == ["2"]


def test_nothing_to_replace_is_an_error_that_names_the_model() -> None:
    with pytest.raises(ValueError, match=r"Linear has no activation module .* leaf modules are Linear"):
        swap(nn.Linear(2, 2), Scale)
    model = mlp()
    with pytest.raises(ValueError, match=r"Sequential .* GELU, Linear, ReLU, Tanh"):
        swap(model, Scale, nn.SiLU)
    assert isinstance(model[1], nn.ReLU)


def test_the_new_module_takes_over_device_and_mode() -> None:
    model = mlp().to("meta").eval()
    for swapped in swap(model, Scale):
        assert not swapped.new.training
        assert {p.device.type for p in swapped.new.parameters()} == {"meta"}


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "gelu_fast", "quick_gelu", "relu2", "silu", "mish"])
def test_the_activations_of_transformers_are_found(name: str) -> None:
    activations = pytest.importorskip("transformers.activations")
    model = nn.Sequential(nn.Linear(2, 2), activations.ACT2FN[name])
    assert [s.path for s in swap(model, Scale)] == ["1"]


def test_the_identity_of_transformers_is_left_alone() -> None:
    activations = pytest.importorskip("transformers.activations")
    with pytest.raises(ValueError, match="LinearActivation"):
        swap(nn.Sequential(activations.ACT2FN["linear"]), Scale)


def whitener(sigma: sp.Rational) -> dict[str, tuple[float]]:
    """The start that brings N(0, sigma^2) to unit variance."""
    return {"scale": (float(1 / sigma),)}


def deep(depth: int) -> tuple[nn.Sequential, list[Swapped]]:
    model = nn.Sequential(*[m for _ in range(depth) for m in (nn.Linear(64, 64, bias=False), nn.ReLU())])
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
    return model, swap(model, Scale)


def test_one_pass_calibrates_every_layer_behind_calibrated_ones() -> None:
    model, swapped = deep(4)
    x = torch.randn(256, 64)
    calibrate(swapped, lambda: model(x), whitener)
    for s in swapped:
        before = model[: int(s.path)](x)
        assert abs(s.new(before).std().item() - 1) < SIGMA_ROUNDING


def test_measuring_changes_nothing_and_leaves_no_hook() -> None:
    model, swapped = deep(2)
    x = torch.randn(256, 64)
    before = model(x)
    moments = measure(swapped, lambda: model(x))
    assert torch.equal(model(x), before)
    assert [m.path for m in moments] == ["1", "3"]
    assert moments[0].sigma == pytest.approx(model[0](x).std(correction=0).item())
    assert all(not s.new._forward_pre_hooks for s in swapped)


def test_equal_rounded_sigmas_ask_for_one_start() -> None:
    asked: list[sp.Rational] = []
    act = nn.ModuleList([Scale(), Scale()])
    swapped = [Swapped(str(k), nn.ReLU(), m) for k, m in enumerate(act)]
    x = torch.randn(1000)
    calibrate(swapped, lambda: [m(x) for m in act], lambda sigma: asked.append(sigma) or whitener(sigma))
    assert len(asked) == 1
    assert all(isinstance(sigma, sp.Rational) for sigma in asked)


def test_channels_get_the_same_values() -> None:
    module = Scale(channels=3)
    assign(module, {"scale": (2.5,)})
    assert module.scale.tolist() == [[2.5, 2.5, 2.5]]


def test_a_start_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Scale takes parameters of lengths \{'scale': 1\}, the start has"):
        assign(Scale(), {"scale": (1.0, 2.0)})
    with pytest.raises(ValueError, match="the start has"):
        assign(Scale(), {"gain": (1.0,)})


def test_an_activation_that_the_pass_never_reaches_is_an_error() -> None:
    model, swapped = deep(2)
    with pytest.raises(ValueError, match="never reached 3"):
        calibrate(swapped, lambda: model[:2](torch.randn(4, 64)), whitener)


def test_a_constant_input_is_an_error() -> None:
    model, swapped = deep(1)
    with pytest.raises(ValueError, match=r"input of 1 has standard deviation 0\.0"):
        calibrate(swapped, lambda: model(torch.zeros(4, 64)), whitener)


@pytest.mark.parametrize(("sigma", "exact"), [(0.2337, "23/100"), (1.0, "1"), (123.4, "120"), (0.00456, "46/10000")])
def test_sigma_is_rounded_to_two_digits_exactly(sigma: float, exact: str) -> None:
    assert round_sigma(sigma) == sp.Rational(exact)
