"""One shape per channel, and saved models that load again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from learnact.errors import UnknownName
from learnact.generated import Hermite3
from learnact.training.model import act2fn
from learnact.training.model.channels import swap_per_channel
from learnact.training.model.models import build_convnext
from learnact.training.model.swap import swap
from learnact.training.run.presets import configure


def gpt2(activation: str = "gelu") -> GPT2LMHeadModel:
    shape = {"vocab_size": 64, "n_positions": 8, "n_embd": 16, "n_layer": 2, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**shape, activation_function=activation, bos_token_id=0, eos_token_id=0))


def places(swapped: list) -> list[tuple[str, int, int]]:
    return [(s.path, s.new.num_parameters, s.new.channel_dim) for s in swapped]


def test_convolutions_count_in_the_second_dimension_and_linear_layers_in_the_last() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 16, 5), nn.GELU()
    )
    x = torch.randn(2, 3, 6, 6)
    assert places(swap_per_channel(model, Hermite3, lambda: model(x))) == [("2", 6, 1), ("5", 5, -1)]
    model(x).sum().backward()
    assert model[2].coefficients.grad.shape == (4, 6)


def test_gpt2_is_fed_by_the_layer_before_the_call_not_the_one_before_in_the_list() -> None:
    model = gpt2()
    tokens = torch.zeros(1, 4, dtype=torch.long)
    swapped = swap_per_channel(model, Hermite3, lambda: model(tokens))
    assert places(swapped) == [(f"transformer.h.{k}.mlp.act", 64, -1) for k in range(2)]


def test_convnext_has_four_times_the_width_of_each_stage() -> None:
    model = build_convnext(configure("convnext", "micro", {}), classes=10)
    swapped = swap_per_channel(model, Hermite3, lambda: model(torch.randn(1, 3, 8, 8)))
    assert [s.new.num_parameters for s in swapped] == [64, 128, 256, 256, 512]


class Twice(nn.Module):
    """One activation behind two layers."""

    def __init__(self, second: int) -> None:
        super().__init__()
        self.one, self.two, self.act = nn.Linear(4, 4), nn.Linear(4, second), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.two(self.act(self.one(x))))


def test_one_activation_behind_two_layers_needs_equal_widths() -> None:
    equal, unequal = Twice(4), Twice(5)
    assert places(swap_per_channel(equal, Hermite3, lambda: equal(torch.randn(2, 4)))) == [("act", 4, -1)]
    with pytest.raises(ValueError, match="4 and on 5 channels"):
        swap_per_channel(unequal, Hermite3, lambda: unequal(torch.randn(2, 4)))
    assert isinstance(unequal.act, nn.ReLU)


def test_what_cannot_be_told_is_refused() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    with pytest.raises(ValueError, match="1 is not fed by a layer with channels"):
        swap_per_channel(model, Hermite3, lambda: model(torch.randn(2, 4)))
    with pytest.raises(ValueError, match="never reached 1"):
        swap_per_channel(model, Hermite3, lambda: None)
    with pytest.raises(ValueError, match="no activation module"):
        swap_per_channel(nn.Sequential(nn.Linear(2, 2)), Hermite3, lambda: None)


def test_a_configuration_may_name_a_generated_activation_and_a_saved_model_loads_again(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="balanced"):
        act2fn.register(Hermite3, "nope")
    name = act2fn.register(Hermite3, "gelu")
    model = gpt2(name).eval()
    assert {type(s.old) for s in swap(gpt2(name), nn.ReLU, Hermite3)} == {Hermite3}
    with torch.no_grad():
        model.transformer.h[1].mlp.act.coefficients.mul_(1.5)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokens = torch.arange(8)[None]
    assert again(tokens).logits.equal(model(tokens).logits)
    assert again.config.activation_function == "learnact:hermite3@gelu"
