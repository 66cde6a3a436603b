"""The demo, dry: the whole of it in three steps, and its parts where they could quietly be unfair."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from thorough import slow

from learnact import start
from learnact.training.data.corpus import HELD_OUT, load_corpus
from learnact.training.demo import main as demo
from learnact.training.model.moments import round_sigma
from learnact.training.run.presets import GPT2_DEMO
from learnact.training.study.tables import table

pytestmark = pytest.mark.xdist_group("demo")  # one worker: the dry run is shared

STEPS = 3
PNG = b"\x89PNG\r\n\x1a\n"
UNTRAINED = math.log(320)
"""Nats per byte of a model that knows nothing: 257 tokens, padded to a multiple of 64."""
UNTRAINED_SPREAD = 0.3
"""Logits of weights of std .02 and of what a calibrated activation passes on are a few tenths apart."""
SIGMA_OF_PUBLISHED_WEIGHTS = (0.1, 0.4)
"""Std .02 times the root of width 96 is .196; calibrated layers before it move it by less than a factor of two."""


def invoke(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(demo.main, ["--steps", str(STEPS), "--out", str(out), *arguments])


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.MonkeyPatch().setenv("LEARNACT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    out = tmp_path_factory.mktemp("demo")
    result = invoke(out)
    assert result.exit_code == 0, result.output
    return SimpleNamespace(out=out, text=result.output, record=json.loads((out / "demo.json").read_text()))


def test_the_dry_run_leaves_modules_runs_picture_and_numbers(dry: SimpleNamespace) -> None:
    assert {p.name for p in dry.out.iterdir()} == {"hermite7.py", "soft_hinge.py", "runs", "demo.png", "demo.json"}
    assert (dry.out / "demo.png").read_bytes().startswith(PNG)
    names = [run["name"] for run in dry.record["runs"]]
    assert names == ["gelu", "hermite7", "soft_hinge"]
    assert {p.name for p in (dry.out / "runs").iterdir()} == set(names)
    for run in dry.record["runs"]:
        assert len(run["train_loss"]) == STEPS
        assert run["validation_loss"][-1][0] == STEPS
        assert all(math.isfinite(loss) for loss in run["train_loss"])
        assert run["validation_loss"][-1][1] < run["validation_loss"][0][1]


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
        expected = start(demo.SPEC, demo.SPEC_START, sigma=round_sigma(sigma), preserve=True)
        assert {name: tuple(values) for name, values in layer["start"].items()} == expected
        assert layer["learned"].keys() == layer["start"].keys()
        assert layer["learned"] != layer["start"]


def test_the_text_shows_losses_side_by_side_and_the_verification(dry: SimpleNamespace) -> None:
    lines = dry.text.splitlines()
    (head,) = (k for k, line in enumerate(lines) if line.startswith("step  "))
    assert all(
        f"{name} {kind}" in lines[head] for name in ("gelu", "hermite7", "soft_hinge") for kind in ("train", "val")
    )
    assert len(lines[head]) == len(lines[head + 1]) == len(lines[head + 2])
    assert "nats per byte against gelu" in dry.text
    assert "input sigma of" in dry.text
    assert dry.text.count("checks, 0 failed") == 2


def test_given_again_it_trains_nothing_again(dry: SimpleNamespace) -> None:
    logs = {p: p.stat().st_mtime_ns for p in (dry.out / "runs").glob("*/metrics.jsonl")}
    assert invoke(dry.out).exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in logs} == logs
    result = invoke(dry.out, "--seed", "1")
    assert result.exit_code == 1
    assert "holds another run (seed: 0 there, 1 asked)" in result.output.splitlines()[-1]


@slow
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
    assert not (tmp_path / "runs").exists()


def test_activations_of_one_name_are_refused_before_one_overwrites_the_other(tmp_path: Path) -> None:
    result = invoke(tmp_path, "--name", "Hermite7")
    assert result.exit_code == 2
    assert "different names" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_fails_its_verification_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "verify", lambda path, quick: SimpleNamespace(ok=False, table=lambda: ""))
    result = invoke(tmp_path)
    assert result.exit_code == 1
    assert "fails its verification" in result.output
    assert not (tmp_path / "runs").exists()


def test_the_preset_fits_in_minutes() -> None:
    assert GPT2_DEMO.steps * GPT2_DEMO.batch * GPT2_DEMO.context < 4e5, "bytes seen"


def test_training_and_held_out_text_share_no_paragraph() -> None:
    corpus = load_corpus()
    held_out = len(corpus.held_out.encode())
    assert HELD_OUT / 2 < held_out / (held_out + len(corpus.train.encode())) <= HELD_OUT
    shared = [p for p in corpus.held_out.split("\n\n") if len(p.strip()) > 100 and p in corpus.train]
    assert shared == []


def test_a_table_aligns_its_columns() -> None:
    assert table(["step", "a"], [["1", "0.5"], ["10", "12.25"]]).splitlines() == [
        "step      a",
        "-----------",
        "1       0.5",
        "10    12.25",
    ]
