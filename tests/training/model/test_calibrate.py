"""Starts fitted to what activations are fed: by name, over all calls, or an error that names the place."""

from __future__ import annotations

import pytest
import sympy as sp
import torch
from torch import Tensor, nn

from learnact import start
from learnact.errors import UnknownName
from learnact.generated import Fourier3, Hermite3, Tropical3
from learnact.training.errors import BadModel
from learnact.training.model import moments as moments_module
from learnact.training.model.calibrate import calibrate, measure
from learnact.training.model.swap import swap

POOLED = 1e-6
"""Sums of some hundred float32 inputs in float64, pooled in another order."""


class Block(nn.Module):
    """ResNet's: one activation behind a layer and behind the sum with what came in."""

    def __init__(self, width: int, act: nn.Module) -> None:
        super().__init__()
        self.one, self.two, self.relu = nn.Linear(width, width), nn.Linear(width, width), act

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.two(self.relu(self.one(x))) + x)


def test_a_name_gives_each_place_the_start_for_its_own_sigma() -> None:
    model = nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Linear(64, 64), nn.ReLU())
    swapping = swap(model, Hermite3)
    swapping[1:] = swap(model, Tropical3, lambda path, _: path == "3")
    x = torch.randn(128, 8)
    for name, expected in ((None, "balanced"), ("balanced", "balanced")):
        found = calibrate(swapping, x, name)
        for place, spec in zip(swapping, ("hermite:3", "tropical:3"), strict=True):
            sigma = next(m.rounded for m in found if m.path == place.path)
            values = start(spec, expected, sigma=sigma, preserve=True)
            assert all(p.tolist() == pytest.approx(values[n]) for n, p in place.new.named_parameters())
    with pytest.raises(UnknownName, match=r"start of 3 \(Tropical3\)"):
        calibrate(swapping, x, "gelu")


def test_several_calls_are_pooled_and_each_is_recorded() -> None:
    block, x = Block(32, nn.ReLU()), 3.0 * torch.randn(64, 32)
    swapping = swap(block, Hermite3)
    (found,) = calibrate(swapping, x, "balanced")
    first = block.one(x)
    second = block.two(swapping[0].new(first)) + x
    both = torch.cat([first, second]).double()
    assert found.path == "relu"
    assert found.calls == pytest.approx([t.std(correction=0).item() for t in (first, second)], rel=POOLED)
    assert found.sigma == pytest.approx(both.std(correction=0).item(), rel=POOLED)
    assert found.mean == pytest.approx(both.mean().item(), rel=1e-3, abs=POOLED)
    sigma = found.rounded
    near = [sigma * (1 + k * sp.Rational(1, 100)) for k in range(-6, 7)]  # what it converged to, to half a digit
    starts = [start("hermite:3", "balanced", sigma=moments_module.round_sigma(float(s)), preserve=True) for s in near]
    assert any(swapping[0].new.coefficients.tolist() == pytest.approx(s["coefficients"]) for s in starts)


def test_one_module_in_all_places_settles() -> None:
    model = nn.Sequential(*[m for _ in range(6) for m in (nn.Linear(64, 64), nn.GELU())])
    x = 3.0 * torch.randn(64, 64)
    (found,) = calibrate(swap(model, Tropical3, shared=True), x, "balanced")
    assert len(found.calls) == 6
    assert found.calls[0] > found.sigma > found.calls[-1]
    with pytest.raises(BadModel, match=r"the input of 1 has sigma .* grows or shrinks beyond use. A module that is"):
        calibrate(swap(model, Hermite3, Tropical3, shared=True), x, "balanced")


def test_a_call_without_variance_beside_others_is_no_fault() -> None:
    block = Block(16, nn.ReLU())
    nn.init.zeros_(block.one.weight)
    nn.init.zeros_(block.one.bias)
    (found,) = calibrate(swap(block, Hermite3), torch.randn(64, 16), "balanced")
    assert found.calls[0] == 0.0 < found.calls[1]


class Growing(nn.Module):
    """Feeds its activation's own output back, larger each time."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(30.0 * self.act(x))


def test_calls_that_never_settle_are_an_error() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    swapping = swap(model, Fourier3)
    scales = iter([1.0, 10.0] * 20)

    def unsettled() -> None:
        scale = next(scales)
        for _ in range(2):
            model(scale * torch.randn(64, 16))

    with pytest.raises(BadModel, match="the sigma of 1 does not converge: each is called several times, and after 10"):
        calibrate(swapping, unsettled, "balanced")
    growing = Growing()
    with pytest.raises(BadModel, match=r"the input of act has sigma .* grows or shrinks beyond use"):
        calibrate(swap(growing, Fourier3), lambda: growing(torch.randn(64, 16)), "balanced")


def test_constant_empty_and_infinite_inputs_name_the_place() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.GELU())
    swapping = swap(model, Hermite3)
    with pytest.raises(BadModel, match=r"input of 1 has standard deviation 0\.0 in all of its 1 calls"):
        calibrate(swapping, torch.zeros(3, 4), "balanced")
    with pytest.raises(BadModel, match=r"input of 1 is empty, of shape \(0, 4\)"):
        calibrate(swapping, torch.zeros(0, 4), "balanced")
    with pytest.raises(BadModel, match="the model overflows before it"):
        calibrate(swapping, torch.full((2, 4), float("inf")), "balanced")
    assert not model[1]._forward_pre_hooks


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_moments_of_any_type_and_layout_are_summed_in_float64(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Identity(), Hermite3())
    x = (torch.randn(6, 8) + 100.0).to(dtype).t()
    (found,) = measure(swap(model, Hermite3, Hermite3), lambda: model(x))
    assert found.sigma == pytest.approx(x.double().std(correction=0).item(), rel=1e-12)


def test_nested_inputs_are_measured_by_their_entries() -> None:
    rows = [torch.randn(3, 4), torch.randn(5, 4)]
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    (found,) = measure(swap(model, nn.ReLU), lambda: model(nested))
    assert found.sigma == pytest.approx(torch.cat(rows).double().std(correction=0).item(), rel=1e-12)


def test_devices_without_float64_are_summed_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    cpu = Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda self: moved.append(self.shape) or cpu(self))
    monkeypatch.setattr(moments_module, "WITHOUT_FLOAT64", frozenset({"cpu"}))
    model = nn.Sequential(nn.Identity(), Hermite3())
    measure(swap(model, Hermite3, Hermite3), torch.randn(6, 8))
    assert moved == [(6, 8)]


def test_what_has_no_starts_or_no_model_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    swapping = swap(model, nn.PReLU)
    with pytest.raises(BadModel, match="1 holds PReLU, which has no named starts"):
        calibrate(swapping, torch.randn(2, 4), "balanced")
    with pytest.raises(BadModel, match="a batch needs the model"):
        measure(list(swapping), torch.randn(2, 4))
    with pytest.raises(BadModel, match="no activation to measure"):
        calibrate([], lambda: None, "balanced")
