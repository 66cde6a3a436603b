"""What a study's settings say: starts, options of their own, several values of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from learnact.training.errors import BadConfig
from learnact.training.study.grid import grid


def test_a_setting_may_have_options_of_its_own_and_several_values() -> None:
    cells = grid("gpt2", ["gelu", "hermite:3@gelu,lr=1e-3|4e-3,trainable=weights"], [], [0], Path("out"), ["--cpu"], [])
    assert [c.folder.name for c in cells] == [
        "gelu-seed0",
        "hermite3-gelu-lr1e-3-trainableweights-seed0",
        "hermite3-gelu-lr4e-3-trainableweights-seed0",
    ]
    assert cells[1].arguments[1:7] == ("--cpu", "--activation", "hermite:3", "--start", "gelu", "--lr=1e-3")
    assert "--cpu" not in cells[0].arguments


def test_a_switch_has_no_value_and_a_frozen_classical_function_is_calibrated() -> None:
    (cell,) = grid("gpt2", ["gelu@balanced,compile"], ["paper"], [3], Path("out"), ["--calibrate", "unit"], [])
    assert "--compile" in cell.arguments
    assert cell.arguments[5:7] == ("--start", "balanced")
    assert "unit" in cell.arguments


def test_conditions_belong_to_the_start() -> None:
    (cell,) = grid("gpt2", ["hermite:3@curved,curvature=2,slope=1,lr=1e-3"], [], [0], Path("out"))
    assert cell.start == "curved,curvature=2,slope=1"
    assert cell.arguments[3:6] == ("--start", cell.start, "--lr=1e-3")
    assert cell.folder.name == "hermite3-curved-curvature-2-slope-1-lr1e-3-seed0"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("hermite:3,lr=1e-3,lr=2e-3", "twice"),
        ("hermite:3,lr=1e-3|", "empty value"),
        ("hermite:3,seed=4", "option of the study"),
        ("hermite:3@,lr=1e-3", "no start"),
    ],
)
def test_an_unclear_setting_is_refused(setting: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        grid("gpt2", [setting], [], [0], Path("out"))


def test_a_setting_twice_is_refused() -> None:
    with pytest.raises(BadConfig, match="twice"):
        grid("gpt2", ["hermite:3,lr=1e-3", "hermite:3,lr=1e-3|2e-3"], [], [0], Path("out"))
