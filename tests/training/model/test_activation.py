"""The activation that a name chooses for a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from learnact import emit, generated
from learnact.training.model.activation import choose


@pytest.mark.parametrize("name", ["hermite:3", "hermite3", "sinusoid", "tropical_rational:6"])
def test_a_name_of_a_generated_class_chooses_that_class(name: str) -> None:
    choice = choose(name)
    assert choice.cls is getattr(generated, choice.cls.__name__)
    assert choice.target == choice.cls.spec
    assert choice.file == Path(generated.__file__).parent / f"{choice.cls.__module__.rpartition('.')[2]}.py"


def test_what_is_not_generated_is_compiled_now(tmp_path: Path) -> None:
    assert choose("hermite:1").target == "hermite:1"
    file = tmp_path / emit("legendre:2", tmp_path).filename
    assert choose(str(file)).target == str(file)
