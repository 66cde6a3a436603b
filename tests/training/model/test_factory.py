"""What may be put in: a SPEC, a class, an instance, a function; anything else says what to write."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from learnact import emit
from learnact.errors import LearnactError, UnknownName
from learnact.generated import Hermite3, Hermite5
from learnact.training.errors import BadModel
from learnact.training.model.swap import swap


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU())


@pytest.mark.parametrize("asked", ["hermite:5", "hermite5", "Hermite5", Hermite5, Hermite5(), partial(Hermite5)])
def test_what_can_only_mean_one_thing_is_accepted(asked: object) -> None:
    first, second = swap(mlp(), asked)
    assert type(first.new) is type(second.new) is Hermite5
    assert first.new is not second.new
    assert first.new.coefficients is not second.new.coefficients
    one, same = swap(mlp(), asked, shared=True)
    assert one.new is same.new


@pytest.mark.parametrize("asked", ["hermite:3@gelu", partial(Hermite3, init="gelu"), Hermite3(init="gelu")])
def test_starts_are_kept(asked: object) -> None:
    assert [s.new.init for s in swap(mlp(), asked)] == ["gelu", "gelu"]


def test_an_instance_is_copied_with_its_values() -> None:
    act = Hermite3()
    with torch.no_grad():
        act.coefficients.mul_(2.0)
    assert all(s.new.coefficients.equal(act.coefficients) and s.new is not act for s in swap(mlp(), act))


def test_an_emitted_file_is_a_class_wherever_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"
    folder.mkdir()
    file = folder / emit("hermite:2", folder).filename
    assert [type(s.new).__name__ for s in swap(mlp(), str(file))] == ["Hermite2", "Hermite2"]


def test_other_degrees_are_compiled_now() -> None:
    assert {type(s.new).spec for s in swap(mlp(), "hermite:1")} == {"hermite:1"}


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ("hermit:5", UnknownName, "did you mean hermite"),
        ("hermite:99", LearnactError, "99"),
        ("hermite:5@gelo", UnknownName, "did you mean gelu"),
        (5, BadModel, r"no activation: 5; write \"hermite:5\", Hermite5"),
        (int, BadModel, "the class int is no nn.Module"),
        (nn.Linear, BadModel, "Linear cannot be called with no argument for 1 "),
        (lambda: 3, BadModel, "returned int for 1, not an nn.Module"),
    ],
)
def test_anything_else_says_what_to_write_and_changes_nothing(asked: object, error: type, message: str) -> None:
    model = mlp()
    with pytest.raises(error, match=message):
        swap(model, asked)
    assert isinstance(model[1], nn.ReLU)


def test_arguments_in_the_wrong_order() -> None:
    with pytest.raises(BadModel, match=r"takes a model \(nn.Module\) first, found str"):
        swap("hermite:5", mlp())
