"""The ways to train a shape do what they say."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks import screens
from learnact.generated import Hermite3, Hermite5
from learnact.training.model.activation import choose
from learnact.training.run.presets import configure
from learnact.training.run.recipe import make_optimizer, rate, set_rate


@pytest.mark.parametrize("act", [Hermite3(), Hermite5(), Hermite3(init="gelu")])
def test_the_penalty_is_the_distance_of_the_slopes_moment_from_1(act: nn.Module):
    task = SimpleNamespace(loss=lambda model, batch: torch.zeros(()))
    penalized = screens.Penalized(task, [act, Hermite3()], 0.5)
    act.train()
    found = penalized.loss(act, {})
    claimed = type(act).moments[act.init][1]
    assert found.item() == pytest.approx(0.5 * (claimed - 1) ** 2 / 2, abs=1e-5)
    found.backward()
    assert all(torch.isfinite(p.grad).all() for p in act.parameters())
    assert penalized.loss(act.eval(), {}).item() == 0


def test_kept_shapes_stand_still_and_begin_again():
    config = configure("gpt2", "tiny", {"steps": 10, "warmup": 2})
    model = nn.Sequential(nn.Linear(4, 4), Hermite3())
    training = SimpleNamespace(config=config, model=model, optimizer=make_optimizer(model, config))
    moved = []
    for step in range(10):
        screens.kept_from(0.5)(training, step)
        before = model[1].coefficients.detach().clone(), model[0].weight.detach().clone()
        model(torch.randn(8, 4)).square().sum().backward()
        set_rate(training.optimizer, rate(config, step) / config.lr)
        training.optimizer.step()
        training.optimizer.zero_grad()
        moved.append(not torch.equal(before[0], model[1].coefficients))
        assert not torch.equal(before[1], model[0].weight)
    assert moved == [True] * 5 + [False] * 5


@pytest.mark.parametrize("way", [n for n, w in screens.WAYS.items() if {"activation", "start"} & w.changes.keys()])
def test_every_activation_of_the_ways_exists(way: str):
    changes = screens.WAYS[way].changes
    assert choose(changes.get("activation", "hermite:3"), changes.get("start", "")).learnable
