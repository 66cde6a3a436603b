"""Optimizer groups, averaged weights, and what a look at every activation says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from learnact.generated import Fourier6, Hermite3, Hermite5, Tropical6
from learnact.training.model.swap import swap
from learnact.training.run.presets import configure
from learnact.training.run.recipe import Average, make_optimizer, set_rate
from learnact.training.run.watch import CURVE, as_record, law_moments, note_parameter_gradients, watching

QUADRATURE = 5e-4
"""Midpoint rule of 8000 points over 20 deviations; half a cell of density .4 at a jump of one is 5e-4."""
FLOAT = 1e-5
"""Sums of some hundred float32 numbers."""


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 4), nn.GELU())


def test_every_group_keeps_its_share_of_the_rate() -> None:
    model = network()
    swap(model, Hermite3)
    config = configure("gpt2", "tiny", {"lr": 0.02, "lr_factor": 0.5, "weight_decay": 0.1})
    optimizer = make_optimizer(model, config)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0, 0.0]
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.01, 0.005]
    set_rate(optimizer, 1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.02, 0.01]


def test_averages_follow_and_stand_in_only_for_a_while() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = Average(model, decay=0.5)
    for step in range(20):
        model.weight.data.fill_(1.0)
        average.update(step)
    expected = 1 - math.prod(min(0.5, (1 + k) / (10 + k)) for k in range(20))
    with average.in_place():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 1.0


@pytest.mark.parametrize("cls", [Hermite5, Fourier6, Tropical6])
def test_law_moments_are_the_compilers(cls: type[nn.Module]) -> None:
    assert cls.law == "Normal(0, 1)"
    for start, (value, slope, q_slope) in cls.moments.items():
        found = law_moments(cls(init=start), 0.0, 1.0)
        assert (found.value, found.slope, found.q_slope) == pytest.approx((value, slope, q_slope), abs=QUADRATURE)


def test_law_moments_of_a_line_are_exact_and_channels_are_averaged() -> None:
    line = Hermite3(num_parameters=2)
    with torch.no_grad():
        line.coefficients.copy_(torch.tensor([[0.0, 0.0], [2.0, 4.0], [0.0, 0.0], [0.0, 0.0]]))
    found = law_moments(line, 0.5, 3.0)
    assert found.value == pytest.approx((4 + 16) / 2 * (0.25 + 9), rel=QUADRATURE)
    assert found.slope == pytest.approx((4 + 16) / 2, rel=QUADRATURE)
    assert found.q_slope == pytest.approx(1.0, rel=QUADRATURE)


def test_a_look_tells_moments_and_gradients_of_every_place() -> None:
    model, x = network(), torch.randn(64, 4)
    swapped = swap(model, Hermite3)
    with watching(swapped, scale=2.0) as seen:
        (model(x).square().mean() / 2).backward()
    note_parameter_gradients(seen, swapped)
    fed = model[0](x)
    out = swapped[0].new(fed).detach().requires_grad_()
    model[2:](out).square().mean().backward()
    place = seen[0]
    assert [p.path for p in seen] == ["1", "4"]
    assert place.mean == pytest.approx(fed.mean().item(), rel=FLOAT)
    assert place.sigma == pytest.approx(fed.std(correction=0).item(), rel=FLOAT)
    assert place.before == pytest.approx(fed.square().mean().item(), rel=FLOAT)
    assert place.after == pytest.approx(out.square().mean().item(), rel=FLOAT)
    assert place.gradient_after == pytest.approx(out.grad.norm().item(), rel=FLOAT)
    assert place.gradient_parameters == pytest.approx(swapped[0].new.coefficients.grad.norm().item(), rel=FLOAT)
    at = torch.tensor([place.mean + place.sigma * CURVE[7]])
    assert place.curve[7] == pytest.approx(swapped[0].new(at).item(), rel=FLOAT)
    assert len(as_record(seen)[0]["curve"]) == len(CURVE)


def test_looking_changes_no_gradient_and_leaves_no_hook() -> None:
    model, x = network(), torch.randn(8, 4)
    swapped = swap(model, Hermite3)
    model(x).square().mean().backward()
    expected = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with watching(swapped):
        model(x).square().mean().backward()
    assert all(p.grad.equal(e) for p, e in zip(model.parameters(), expected, strict=True))
    assert all(not s.new._forward_pre_hooks and not s.new._forward_hooks for s in swapped)


def test_a_shared_activation_is_seen_once_per_place_in_the_order_of_calls() -> None:
    model = network()
    with watching(swap(model, Hermite3, shared=True)) as seen:
        model(torch.randn(8, 4)).sum().backward()
        model(torch.randn(8, 4)).sum().backward()  # a second pass is not recorded
    assert [p.path for p in seen] == ["1", "4"]
    assert seen[0].sigma != seen[1].sigma


@pytest.mark.parametrize("channels", [1, 4])
def test_an_activation_that_does_not_promote_is_watched_in_double(channels: int) -> None:
    """E[F^2] of PReLU under N(0, sigma^2) is sigma^2 (1 + a^2)/2, E[F'^2] is (1 + a^2)/2."""
    prelu = nn.PReLU(channels, init=0.5)
    law = law_moments(prelu, 0.0, 2.0)
    assert (law.value, law.slope, law.q_slope) == pytest.approx((2.5, 0.625, 1.0), abs=QUADRATURE)
    assert prelu.weight.dtype == torch.float32


def test_classical_activations_are_watched_alike() -> None:
    model = network()
    with watching(swap(model, nn.ReLU)) as seen:
        model(torch.randn(8, 4)).sum().backward()
    law = law_moments(nn.ReLU(), 0.0, 2.0)
    assert (law.value, law.slope, law.q_slope) == pytest.approx((2.0, 0.5, 1.0), abs=QUADRATURE)
    assert seen[1].gradient_parameters == 0.0
