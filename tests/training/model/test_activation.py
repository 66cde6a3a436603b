"""The activation that a name chooses for a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
import torch
from torch import nn

from learnact import Declaration, emit, generated, start
from learnact.errors import LearnactError, UnknownName
from learnact.training.errors import BadConfig
from learnact.training.model.activation import choose, install
from learnact.training.model.calibrate import measure
from learnact.training.run.presets import configure


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


@pytest.mark.parametrize("spec", ["hermite:3", "hermite:4"], ids=["shipped", "not shipped"])
def test_a_file_with_a_shaped_start_is_chosen_and_named_as_its_function_is(spec: str, tmp_path: Path) -> None:
    """A model that was saved with it is found by the shipped class: the checkpoint has the parameters."""
    source = emit(Declaration(spec=spec, start="shaped,depth=50,tau=0.3"), tmp_path)
    choice = choose(str(tmp_path / source.filename))
    assert choice.start == "shaped"
    assert choice.name.endswith(spec.replace(":", ""))
    values = choice.starts(configure("gpt2", "demo", {}))(sp.Rational(1, 2))
    assert values == start(spec, "shaped", sigma=0.5, preserve=True, depth=50, tau=0.3)
    assert choose(spec.replace(":", "") if spec == "hermite:3" else spec).start == "balanced"


def test_a_classical_function_with_a_start_is_scaled_and_does_not_learn() -> None:
    choice = choose("gelu", "balanced")
    assert (choice.cls.spec, choice.label, choice.frozen) == ("scaled_gelu", "gelu@balanced", True)
    assert choose("scaled_gelu").label == "scaled_gelu@balanced"
    assert not choose("scaled_gelu").frozen
    assert choose("gelu").cls is None
    assert not choose("leaky_relu2").learnable


def test_starts_of_what_has_none_are_refused() -> None:
    with pytest.raises(BadConfig, match="gelu_new has no starts"):
        choose("gelu_new", "balanced")
    with pytest.raises(UnknownName, match="start of scaled_gelu"):
        choose("gelu", "fast")


@pytest.mark.parametrize(("name", "start", "trainable"), [("gelu", "forward", "all"), ("hermite:3", "", "weights")])
def test_what_is_frozen_keeps_its_start(name: str, start: str, trainable: str) -> None:
    config = replace(configure("gpt2", "demo", {}), activation=name, start=start, trainable=trainable)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    batch = torch.randn(16, 4)
    swapped, moments = install(model, choose(name, start), config, lambda: model(batch))
    assert moments
    assert not any(p.requires_grad for place in swapped for p in place.new.parameters())
    assert all(p.requires_grad for p in model[0].parameters())


@pytest.mark.parametrize("name", ["gelu", "hermite:3", "leaky_relu2"])
def test_weights_are_calibrated_to_any_activation(name: str) -> None:
    config = replace(configure("gpt2", "demo", {}), activation=name, calibrate="weights")
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    batch = torch.randn(64, 4)
    swapped, _ = install(model, choose(name), config, lambda: model(batch))
    assert [m.sigma for m in measure(swapped, lambda: model(batch))] == pytest.approx([1.0], rel=1e-5)


def test_a_frozen_run_without_shapes_is_refused() -> None:
    config = replace(configure("gpt2", "demo", {}), activation="gelu", trainable="weights")
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU())
    with pytest.raises(BadConfig, match="no parameters to calibrate or train"):
        install(model, choose("gelu"), config, lambda: model(torch.randn(2, 4)))


def test_a_start_with_conditions_is_taken_for_every_sigma() -> None:
    choice = choose("hermite:3", "curved,curvature=2")
    assert choice.label == "hermite:3@curved,curvature=2"
    (fresh,) = choice.new(num_parameters=2, channel_dim=-1).parameters()
    due = torch.tensor(start("hermite:3", "curved", curvature=2)["coefficients"])
    assert torch.equal(fresh, due[:, None].expand(-1, 2))
    solve = choice.starts(configure("gpt2", "tiny", {"calibrate": "preserve"}))
    assert solve(sp.Rational(1, 2)) == start("hermite:3", "curved", curvature=2, sigma=sp.Rational(1, 2), preserve=True)


@pytest.mark.parametrize(("text", "says"), [("curved", "unknown start"), ("gelu,curvature=2", "takes no curvature")])
def test_conditions_that_a_start_does_not_take_are_refused(text: str, says: str) -> None:
    with pytest.raises(LearnactError, match=says):
        choose("hermite:3", text)
