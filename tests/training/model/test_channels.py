"""One shape per channel: the channels are found in the forward pass, or the place is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from learnact.generated import Hermite3
from learnact.training.errors import BadModel
from learnact.training.model.channels import swap_per_channel
from learnact.training.model.models import build_convnext
from learnact.training.run.presets import configure


def gpt2() -> GPT2LMHeadModel:
    shape = {"vocab_size": 64, "n_positions": 8, "n_embd": 16, "n_layer": 2, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**shape, activation_function="gelu", bos_token_id=0, eos_token_id=0))


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


class Normed(nn.BatchNorm2d):
    """A norm that holds the activation behind it, as timm's BatchNormAct2d does."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.drop(super().forward(x)))


class Residual(nn.Module):
    """ResNet's basic block: one ReLU behind a norm and behind the sum, with dropout and a squeeze between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.squeeze, self.gate = nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, width, 1)
        self.relu, self.drop, self.between = nn.ReLU(inplace=True), nn.Dropout(0.1), nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.drop(self.relu(self.bn1(self.conv1(x))))
        y = self.bn2(self.conv2(y))
        y = y * self.gate(self.between(self.squeeze(y.mean((2, 3), keepdim=True)))).sigmoid()
        y += x
        return self.relu(y)


def test_channels_are_followed_through_norms_dropout_and_residual_sums() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), Normed(8), nn.MaxPool2d(2), Residual(8), nn.AdaptiveAvgPool2d(1))
    x = torch.randn(2, 3, 10, 10)
    swapped = swap_per_channel(model, Hermite3, x)
    assert places(swapped) == [("1.act", 8, 1), ("3.relu", 8, 1), ("3.between", 4, 1)]
    assert model.training
    model(x).sum().backward()
    assert model[3].relu.coefficients.grad.shape == (4, 8)


class Views(nn.Module):
    """Channels that are moved: as timm's and transformers' vision models move them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.up, self.down = nn.Conv2d(3, 6, 2, stride=2), nn.Linear(6, 20), nn.Linear(10, 6)
        self.first, self.act, self.weight = nn.GELU(), nn.SiLU(), nn.Parameter(torch.randn(5, 6, 1))
        self.last = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.first(self.embed(x).flatten(2).transpose(1, 2))
        gate, value = self.up(nn.functional.layer_norm(tokens, (6,))).chunk(2, dim=-1)
        tokens = tokens + self.down(self.act(gate) * value)
        return self.last(nn.functional.conv1d(tokens.permute(0, 2, 1), self.weight))


def test_channels_are_followed_through_views_and_made_by_functions() -> None:
    model = Views()
    swapped = swap_per_channel(model, Hermite3, torch.randn(2, 3, 12, 12))  # 36 tokens
    assert places(swapped) == [("first", 6, -1), ("act", 10, -1), ("last", 5, 1)]
    square = Views()  # six tokens of six channels: sizes do not tell them apart
    assert places(swap_per_channel(square, Hermite3, torch.randn(2, 3, 4, 6)))[0] == ("first", 6, -1)


def test_where_channels_are_lost_the_place_and_the_operation_are_named() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Dropout(0.1), nn.GELU())
    with pytest.raises(BadModel, match=r"3 is not fed by .* shape \(2, 64\) comes from flatten, after which"):
        swap_per_channel(model, Hermite3, torch.randn(2, 3, 6, 6))
    assert isinstance(model[3], nn.GELU)


def test_a_hidden_autograd_function_is_followed_like_a_pointwise_one() -> None:
    class Hidden(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Square.apply(x)

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x * x

    model = nn.Sequential(nn.Linear(4, 5), Hidden(), nn.ReLU())
    assert places(swap_per_channel(model, Hermite3, torch.randn(2, 4), nn.ReLU)) == [("2", 5, -1)]


def test_a_spec_is_a_class_and_an_instance_has_its_channels_already() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU())
    assert places(swap_per_channel(model, "hermite:3@gelu", torch.randn(2, 4))) == [("1", 5, -1)]
    assert model[1].init == "gelu"
    with pytest.raises(BadModel, match="pass the class: Hermite3"):
        swap_per_channel(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), Hermite3(), torch.randn(2, 4))
