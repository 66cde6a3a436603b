"""Presets, what may change in them, and the record that is dumped."""

from __future__ import annotations

import json
import math

import pytest
import torch

from learnact.training.config import Config, Gpt2, differences, from_json, to_json
from learnact.training.errors import BadConfig
from learnact.training.model.models import build_convnext, build_gpt2
from learnact.training.run.presets import PRESETS, configure
from learnact.training.run.recipe import rate

EVERY = [(task, preset) for task, presets in PRESETS.items() for preset in presets]


@pytest.mark.parametrize(("task", "preset"), EVERY)
def test_a_configuration_survives_its_dump(task: str, preset: str) -> None:
    config = configure(task, preset, {"seed": 3})
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_the_published_sizes() -> None:
    small, tiny = configure("gpt2", "small", {}), configure("convnext", "tiny", {})
    with torch.device("meta"):
        assert sum(p.numel() for p in build_gpt2(small, 50257, 50256).parameters()) == 124_475_904  # 50257 padded by 47
        assert sum(p.numel() for p in build_convnext(tiny, 1000).parameters()) == 28_589_128
    assert small.batch * small.context == 491_520


@pytest.mark.parametrize("width", [128, 768])
def test_the_input_of_a_first_activation_has_the_sigma_that_the_page_says(width: int) -> None:
    """A layer norm of unit variance through weights of N(0, 0.02^2): 0.02 sqrt(width), to a few percent."""
    config = configure("gpt2", "tiny", {"width": width, "layers": 1, "context": 32})
    assert isinstance(config, Gpt2)
    model, fed = build_gpt2(config, 257, 256), []
    model.transformer.h[0].mlp.act.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0].std().item()))
    with torch.no_grad():
        model(input_ids=torch.randint(257, (4, 32), generator=torch.Generator().manual_seed(0)))
    assert fed[0] == pytest.approx(0.02 * math.sqrt(width), rel=0.05)


def test_a_short_trial_is_a_short_version_of_the_recipe() -> None:
    whole, short = configure("gpt2", "small", {}), configure("gpt2", "small", {"steps": 600})
    assert short.warmup / short.steps == pytest.approx(whole.warmup / whole.steps)
    assert short.eval_every == short.checkpoint_every == 1
    assert configure("gpt2", "small", {"steps": 600, "warmup": 100}).warmup == 100


def test_the_rate_rises_to_the_peak_and_falls_to_the_floor() -> None:
    config = configure("gpt2", "tiny", {"steps": 100, "warmup": 10})
    rates = [rate(config, step) for step in range(100)]
    assert rates[:10] == [pytest.approx(config.lr * (k + 1) / 10) for k in range(10)]
    assert max(rates) == config.lr
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(config.lr * config.lr_floor, rel=0.01)  # the floor itself is the step after
    middle = config.lr * (config.lr_floor + (1 - config.lr_floor) * (1 + math.cos(math.pi / 2)) / 2)
    assert rate(config, 55) == pytest.approx(middle)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 10, "micro_batch": 4}, "no multiple"),
        ({"steps": 0}, "steps must lie in"),
        ({"ema": 1.0}, "ema"),
        ({"lr": math.inf}, "lr must be a finite number"),
        ({"weight_decay": math.nan}, "weight_decay must be a finite number"),
        ({"lr_floor": 2.0}, "lr_floor must lie in"),
        ({"clip": -1.0}, "clip must lie in"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"layers": 0}, "layers must lie in"),
        ({"width": 15}, "width 15 is no multiple of heads"),
        ({"colour": 1}, "no setting colour"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        configure("gpt2", "tiny", changes)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(BadConfig, match="tiny, small"):
        configure("gpt2", "huge", {})


def test_what_cannot_change_a_loss_is_no_part_of_the_identity() -> None:
    one, other = configure("gpt2", "tiny", {"keep": 5, "workers": 2}), configure("gpt2", "tiny", {})
    assert one != other
    assert one.identity() == other.identity()
    assert differences(one.identity(), configure("gpt2", "tiny", {"lr": 1.0}).identity()) == [
        "lr: 0.002 there, 1.0 asked"
    ]


def test_a_record_of_another_version_is_refused_by_the_name_of_the_field() -> None:
    record = to_json(configure("gpt2", "tiny", {}))
    del record["clip"]
    with pytest.raises(BadConfig, match="clip"):
        from_json(record)
    with pytest.raises(BadConfig, match="gpt2, convnext"):
        from_json({"task": "diffusion"})


def test_every_operational_field_exists() -> None:
    assert set(to_json(configure("gpt2", "tiny", {}))) >= Config.OPERATIONAL
