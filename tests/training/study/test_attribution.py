"""What each part of a lead is worth: planted effects are found in their places, and nothing is found in noise."""

from __future__ import annotations

import random

import pytest

from learnact.errors import UnknownName
from learnact.training.errors import BadConfig
from learnact.training.study.attribution import comparisons, effects, settings, text

PLANTED = {"raw": 2.0, "gain": 2.0, "scaled": 1.9, "scales learned": 1.9, "shape": 1.9, "shape learned": 1.7}


def losses(means: dict[str, float], noise: float, seeds: int = 8) -> dict[str, dict[tuple[int, ...], float]]:
    draw = random.Random(5)
    shared = [draw.gauss(0, 0.05) for _ in range(seeds)]
    return {
        name: {(seed,): mean + shared[seed] + draw.gauss(0, noise) for seed in range(seeds)}
        for name, mean in means.items()
    }


def test_the_settings_differ_by_one_part_each() -> None:
    assert settings("gelu", "hermite:3") == {
        "raw": "gelu",
        "gain": "gelu@gain",
        "scaled": "gelu@balanced",
        "scales learned": "scaled_gelu@balanced",
        "shape": "hermite:3,trainable=weights",
        "shape learned": "hermite:3",
    }


def test_planted_effects_are_found_and_no_others() -> None:
    found = {e.comparison.part: e for e in effects(comparisons({k: k for k in PLANTED}), losses(PLANTED, noise=0.01))}
    clear = {part for part, e in found.items() if e.corrected < 0.01}
    assert clear == {
        "input and output scaled, E[F'^2] too",
        "learning the shape",
        "all, against the scaled function",
        "all, against the function as it is",
    }
    assert found["learning the shape"].difference.mean == pytest.approx(-0.2, abs=0.02)
    assert all(e.corrected >= e.p for e in found.values())
    assert "corrected for 7 comparisons (Holm)" in text(list(found.values()))


def test_noise_is_no_effect() -> None:
    found = effects(comparisons({k: k for k in PLANTED}), losses(dict.fromkeys(PLANTED, 2.0), noise=0.05))
    assert min(e.corrected for e in found) > 0.05


def test_a_reference_or_a_contestant_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(UnknownName, match="classical function"):
        settings("hermite:3", "hermite:5")
    with pytest.raises(BadConfig, match="learnable activation"):
        settings("gelu", "relu@balanced")


def test_an_interval_takes_two_seeds() -> None:
    with pytest.raises(BadConfig, match="1 seeds in common"):
        effects(comparisons({k: k for k in PLANTED}), losses(PLANTED, noise=0.01, seeds=1))
