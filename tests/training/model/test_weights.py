"""Weights calibrated to the activation: every input has standard deviation 1, and what cannot be is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from learnact import swap
from learnact.training.errors import BadModel
from learnact.training.model.calibrate import measure
from learnact.training.model.weights import normalize_inputs


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 2))


def test_every_input_has_standard_deviation_one_afterwards() -> None:
    model, batch = network(), torch.randn(64, 8)
    swapped = swap(model, nn.GELU)
    found = normalize_inputs(swapped, batch)
    assert [m.path for m in found] == ["1", "3"]
    assert all(abs(m.sigma - 1) > 0.05 for m in found)
    assert [m.sigma for m in measure(swapped, batch)] == pytest.approx([1.0, 1.0], rel=1e-5)


def test_the_last_layer_is_left() -> None:
    model, batch = network(), torch.randn(64, 8)
    before = model[4].weight.detach().clone()
    normalize_inputs(swap(model, nn.GELU), batch)
    assert torch.equal(model[4].weight, before)


def test_a_sum_before_the_activation_is_refused() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.act = nn.Linear(8, 8), nn.GELU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(x + self.layer(x))

    with pytest.raises(BadModel, match="does not come straight from a layer with weights"):
        normalize_inputs(swap(Residual(), nn.GELU), torch.randn(4, 8))


def test_one_layer_before_two_activations_is_refused() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.one, self.two = nn.Linear(8, 8), nn.GELU(), nn.GELU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.layer(x)
            return self.one(h) + self.two(h)

    with pytest.raises(BadModel, match="shares its layer"):
        normalize_inputs(swap(Fork(), nn.GELU), torch.randn(4, 8))


def test_a_shared_activation_is_refused() -> None:
    with pytest.raises(BadModel, match="--shared"):
        normalize_inputs(swap(network(), nn.GELU, shared=True), torch.randn(4, 8))
