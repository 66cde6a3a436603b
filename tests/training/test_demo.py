"""The demo, dry: the whole of it in three steps, and its parts where they could quietly be unfair."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from learnact.training.data.corpus import HELD_OUT, batches, load_corpus, windows
from learnact.training.demo import main as demo
from learnact.training.demo.race import Runner, Setting, build, parameter_groups, race
from learnact.training.model import compiled
from learnact.training.model.calibrate import measure, round_sigma
from learnact.training.model.swap import swap
from learnact.training.study.tables import table

pytestmark = pytest.mark.xdist_group("demo")  # one worker: the dry run is shared

STEPS = 3
TINY = Setting(steps=STEPS, layers=1, width=32, heads=2, context=32, batch=2, warmup=1, validate_every=STEPS)
PNG = b"\x89PNG\r\n\x1a\n"
UNTRAINED = math.log(256)
"""Nats per byte of a model that knows nothing."""
UNTRAINED_SPREAD = 0.1
"""Logits of weights of std .02 are about .2 apart: their softmax costs a few hundredths of a nat."""
SIGMA_OF_PUBLISHED_WEIGHTS = (0.1, 0.4)
"""Std .02 times the root of width 96 is .196; calibrated layers before it move it by less than a factor of two."""


class Shape(nn.Module):
    """A stand-in with one parameter per channel, which by its dimensions could be taken for a weight matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1, 4 * TINY.width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.slope * x)


def invoke(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(demo.main, ["--steps", str(STEPS), "--out", str(out), *arguments])


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    out = tmp_path_factory.mktemp("demo")
    result = invoke(out)
    assert result.exit_code == 0, result.output
    return SimpleNamespace(out=out, text=result.output, record=json.loads((out / "demo.json").read_text()))


def test_the_dry_run_leaves_modules_picture_and_numbers(dry: SimpleNamespace) -> None:
    assert {p.name for p in dry.out.iterdir()} == {"hermite7.py", "soft_hinge.py", "demo.png", "demo.json"}
    assert (dry.out / "demo.png").read_bytes().startswith(PNG)
    assert [run["name"] for run in dry.record["runs"]] == ["gelu", "hermite7", "soft_hinge"]
    for run in dry.record["runs"]:
        assert len(run["train_loss"]) == STEPS
        assert run["validation_loss"][-1][0] == STEPS
        assert all(math.isfinite(loss) for loss in run["train_loss"])
        assert run["validation_loss"][-1][1] < run["train_loss"][0]


def test_all_start_from_the_knowledge_of_none(dry: SimpleNamespace) -> None:
    first = [run["train_loss"][0] for run in dry.record["runs"]]
    assert all(abs(loss - UNTRAINED) < UNTRAINED_SPREAD for loss in first), first
    assert len(set(first)) == len(first), "two runs with equal first losses carry the same activation"


def test_calibration_set_each_layer_to_the_start_of_its_own_sigma(dry: SimpleNamespace) -> None:
    low, high = SIGMA_OF_PUBLISHED_WEIGHTS
    (hermite,) = (run for run in dry.record["runs"] if run["name"] == "hermite7")
    for layer in hermite["layers"]:
        sigma = layer["input_sigma"][0]
        assert low < sigma < high
        expected = compiled.start(demo.SPEC, demo.SPEC_START, sigma=round_sigma(sigma), preserve=True)
        assert layer["start"] == {k: pytest.approx(v, rel=1e-6) for k, v in expected.items()}
        assert layer["learned"] != layer["start"]


def test_the_text_shows_losses_side_by_side_and_the_verification(dry: SimpleNamespace) -> None:
    lines = dry.text.splitlines()
    (head,) = (k for k, line in enumerate(lines) if line.startswith("step "))
    assert all(
        f"{name} {kind}" in lines[head] for name in ("gelu", "hermite7", "soft_hinge") for kind in ("train", "val")
    )
    assert len(lines[head]) == len(lines[head + 1]) == len(lines[head + 2])
    assert "nats per byte against gelu" in dry.text
    assert "input sigma of" in dry.text


def test_an_expression_of_ones_own_takes_part(tmp_path: Path) -> None:
    words = ("--expr", "a*tanh(b*x) + c*x", "--param", "a=1", "--param", "b=2", "--param", "c=0", "--name", "TanhMix")
    result = invoke(tmp_path, *words)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "demo.json").read_text())
    assert record["runs"][2]["layers"][0]["start"] == {"a": [1.0], "b": [2.0], "c": [0.0]}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(("--expr", "a*import(x)"), "import"), (("--spec", "hermitte:7"), "hermite"), (("--start", "gello"), "gelu")],
)
def test_what_cannot_be_compiled_is_one_line_and_no_traceback(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert complaint in result.output.splitlines()[-1]
    assert not (tmp_path / "demo.json").exists()


def test_runners_of_one_name_are_refused_before_one_overwrites_the_other(tmp_path: Path) -> None:
    result = invoke(tmp_path, "--name", "Hermite7")
    assert result.exit_code == 2
    assert "different names" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_fails_its_verification_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = demo.compile_into

    def spoiled(*arguments: object) -> compiled.Compiled:
        return dataclasses.replace(honest(*arguments), report=SimpleNamespace(ok=False, table=lambda: ""))

    monkeypatch.setattr(demo, "compile_into", spoiled)
    result = invoke(tmp_path)
    assert result.exit_code == 1
    assert "fails its verification" in result.output
    assert not (tmp_path / "demo.json").exists()


def run_tiny(seed: int) -> list[float]:
    model = build(dataclasses.replace(TINY, seed=seed))
    runner = Runner("shape", model, swap(model, Shape))
    race([runner], load_corpus(), dataclasses.replace(TINY, seed=seed), lambda _: None)
    return runner.train


def test_a_race_repeats_itself_and_another_seed_is_another_race() -> None:
    assert run_tiny(seed=1) == run_tiny(seed=1)
    assert run_tiny(seed=1) != run_tiny(seed=2)


def test_a_race_does_not_depend_on_who_else_runs() -> None:
    model, other = build(TINY), build(TINY)
    pair = [Runner("other", other, swap(other, Shape)), Runner("shape", model, swap(model, Shape))]
    race(pair, load_corpus(), TINY, lambda _: None)
    assert pair[0].train == pair[1].train == run_tiny(TINY.seed)


def test_weight_decay_spares_activations_even_where_they_look_like_matrices() -> None:
    model = build(TINY)
    swapped = swap(model, Shape)
    decayed, rest = parameter_groups(model, swapped, weight_decay=0.5)
    slopes = {id(p) for s in swapped for p in s.new.parameters()}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.5, 0.0)
    assert slopes <= {id(p) for p in rest["params"]}
    assert len(decayed["params"]) + len(rest["params"]) == len(list(model.parameters()))
    forgotten, _ = parameter_groups(model, [], weight_decay=0.5)
    assert slopes <= {id(p) for p in forgotten["params"]}, "without the list they are taken for weights"


def test_the_real_input_sigma_is_far_from_one() -> None:
    setting = Setting()
    model = build(setting)
    probe = windows(load_corpus().train, setting.context)[:4]
    low, high = SIGMA_OF_PUBLISHED_WEIGHTS
    for moments in measure(swap(model, nn.ReLU), lambda: model(input_ids=probe)):
        assert low < moments.sigma < high


def test_training_and_validation_text_share_no_topic() -> None:
    corpus = load_corpus()
    whole = len(corpus.train) + len(corpus.validation)
    assert 0 < len(corpus.validation) <= HELD_OUT * whole
    assert corpus.train.max() < 256
    validation = bytes(corpus.validation.tolist())
    assert validation[:200] not in bytes(corpus.train.tolist())


def test_batches_are_windows_of_the_text_and_equal_for_equal_seeds() -> None:
    text = torch.arange(50)
    first = batches(text, count=4, size=3, length=8, seed=5)
    again = batches(text, count=4, size=3, length=8, seed=5)
    other = batches(text, count=4, size=3, length=8, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert all(torch.equal(row, torch.arange(row[0], row[0] + 8)) for batch in first for row in batch)
    assert torch.equal(windows(text, 16), torch.arange(48).reshape(3, 16))


def test_a_table_aligns_its_columns() -> None:
    assert table(["step", "a"], [["1", "0.5"], ["10", "12.25"]]).splitlines() == [
        "step      a",
        "-----------",
        "1       0.5",
        "10    12.25",
    ]
