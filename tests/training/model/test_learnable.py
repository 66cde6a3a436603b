"""Optimizer groups: activations found by themselves, real rates that every torch optimizer and scheduler honours."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from learnact import activation_parameters, is_learnable, parameter_groups
from learnact.generated import MODULES, Hermite3
from learnact.training.errors import BadModel
from learnact.training.model.swap import swap


def network(*, channels: int = 1, shared: bool = False) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())
    swap(model, lambda: Hermite3(channels), shared=shared)
    return model


def test_decay_reaches_matrices_alone_and_activations_have_their_own_rate() -> None:
    model = network()
    decayed, plain, shapes = parameter_groups(model, lr=0.01, weight_decay=0.1)
    assert [set(group) for group in (decayed, plain, shapes)] == [{"params", "lr", "weight_decay"}] * 3
    assert [(g["lr"], g["weight_decay"]) for g in (decayed, plain, shapes)] == [(0.01, 0.1), (0.01, 0.0), (0.05, 0.0)]
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    assert {id(p) for p in shapes["params"]} == {id(model[1].coefficients), id(model[4].coefficients)}
    found = [p for group in (decayed, plain, shapes) for p in group["params"]]
    assert {id(p) for p in found} == {id(p) for p in model.parameters()}
    assert len(found) == len(list(model.parameters()))


def test_per_channel_parameters_look_like_matrices_and_are_none() -> None:
    model = network(channels=8)
    assert all(p.dim() == 2 for p in activation_parameters(model))
    assert parameter_groups(model, lr=0.1, weight_decay=0.1)[2]["weight_decay"] == 0.0
    shapes = {id(p) for p in activation_parameters(model)}
    matrices = [p for p in model.parameters() if p.dim() == 2 and id(p) not in shapes]
    assert {id(p) for p in matrices} == {id(model[0].weight), id(model[3].weight)}
    torch.optim.Muon(matrices, lr=0.01)


def test_shared_activations_are_in_one_group_once() -> None:
    model = network(shared=True)
    assert len(activation_parameters(model)) == 1
    torch.optim.AdamW(parameter_groups(model, lr=0.1, weight_decay=0.1))  # which refuses a parameter given twice


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adafactor])
def test_every_optimizer_takes_the_rates_and_schedulers_scale_them(optimizer: type[torch.optim.Optimizer]) -> None:
    made = optimizer(parameter_groups(network(), lr=0.01, weight_decay=0.1, lr_factor=2.0), lr=9.0)
    assert [g["lr"] for g in made.param_groups] == [0.01, 0.01, 0.02]
    assert [g["weight_decay"] for g in made.param_groups] == [0.1, 0.0, 0.0]
    schedule = torch.optim.lr_scheduler.LambdaLR(made, lambda step: 0.5)
    assert [g["lr"] for g in made.param_groups] == [0.005, 0.005, 0.01]
    made.step()
    schedule.step()


def test_frozen_parameters_and_empty_groups_are_left_out() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    groups = parameter_groups(model, lr=0.1, weight_decay=0.1)
    assert all(p is not model[0].weight for g in groups for p in g["params"])
    assert len(parameter_groups(nn.Linear(2, 2, bias=False), lr=0.1, weight_decay=0.1)) == 1


def test_every_generated_class_is_learnable_and_nothing_else(emitted: object) -> None:
    from learnact import generated  # noqa: PLC0415

    assert all(is_learnable(getattr(generated, name)()) for name in MODULES)
    assert not any(is_learnable(m) for m in (nn.PReLU(), nn.GELU(), nn.Linear(2, 2)))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "0.1", None, True])
@pytest.mark.parametrize("name", ["lr", "weight_decay", "lr_factor"])
def test_rates_that_are_none_are_refused(name: str, value: object) -> None:
    with pytest.raises(BadModel, match=f"{name} must be a finite number of at least 0, found"):
        parameter_groups(network(), **{"lr": 0.1, "weight_decay": 0.1, name: value})


def test_a_model_without_anything_to_train_is_refused() -> None:
    with pytest.raises(BadModel, match="no parameter with requires_grad"):
        parameter_groups(nn.ReLU(), lr=0.1, weight_decay=0.1)
    with pytest.raises(BadModel, match=r"takes a model \(nn.Module\), found list"):
        parameter_groups([], lr=0.1, weight_decay=0.1)
