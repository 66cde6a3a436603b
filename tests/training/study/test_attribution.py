"""What each part of a lead is worth: planted effects are found in their places, and nothing is found in noise."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_runs import command, complaint

from learnact.errors import UnknownName
from learnact.training.cli import results, train
from learnact.training.config import to_json
from learnact.training.errors import BadConfig
from learnact.training.model.activation import choose
from learnact.training.study import grid as study_grid
from learnact.training.study.attribution import comparisons, effects, settings, text
from learnact.training.study.grid import Cell, Outcome

PLANTED = {"raw": 2.0, "gain": 2.0, "scaled": 1.9, "scales-learned": 1.9, "shape": 1.9, "shape-learned": 1.7}


def losses(means: dict[str, float], noise: float, seeds: int = 8) -> dict[str, dict[tuple[int, ...], float]]:
    draw = random.Random(5)
    shared = [draw.gauss(0, 0.05) for _ in range(seeds)]
    return {
        name: {(seed,): mean + shared[seed] + draw.gauss(0, noise) for seed in range(seeds)}
        for name, mean in means.items()
    }


def test_the_settings_differ_by_one_part_each() -> None:
    assert settings("gelu", "hermite:3") == {
        "raw": ["gelu"],
        "gain": ["gelu@gain"],
        "scaled": ["gelu@balanced"],
        "scales-learned": ["scaled_gelu@balanced"],
        "shape": ["hermite:3,trainable=weights"],
        "shape-learned": ["hermite:3"],
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
    for classical in ("relu@balanced", "relu,lr=1e-3"):
        with pytest.raises(BadConfig, match="learnable activation"):
            settings("gelu", classical)
    with pytest.raises(UnknownName, match="part of an attribution"):
        settings("gelu", "hermite:3", {"shapes": ["1e-3"]})


def fake_conduct(cells: Sequence[Cell], jobs: int, niceness: int) -> list[Outcome]:
    """Runs that end as if each setting had its best rate at 4e-3, the frozen shape at 2e-3; 9e-3 fails."""
    outcomes = []
    for cell in cells:
        values = dict(results._parsed("gpt2", cell.arguments[1:]).params)
        kept = {k: v for k, v in values.items() if k not in {"data", "more", "validation", "tokenizer", "out", "cpu"}}
        config = train.configured("gpt2", kept.pop("preset"), kept)
        frozen = config.trainable == "weights"
        loss = 2 + abs(config.lr - (2e-3 if frozen else 4e-3)) + 0.1 * frozen + 1e-4 * config.seed
        failed = config.lr == 9e-3
        choice = choose(config.activation, config.start)
        about = {"label": choice.label, "start": choice.start, "file": None, "sha256": choice.digest}
        record = {"config": to_json(config), "activation": about, "data": {"digest": "d"}, "unit": "nats"}
        lines = [{"kind": "eval", "step": 1, "loss": loss}, {"kind": "test", "step": 1, "loss": loss + 1}]
        cell.folder.mkdir(parents=True, exist_ok=True)
        (cell.folder / "config.json").write_text(json.dumps(record))
        (cell.folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        (cell.folder / "result.json").write_text(json.dumps({"status": "diverged" if failed else "complete"}))
        outcomes.append(Outcome(cell, int(failed), "done"))
    return outcomes


ATTRIBUTE = ("study", "gpt2", "--attribute", "gelu", "-a", "hermite:3", "--lr", "4e-3", "--cpu")


def test_each_part_has_its_own_rates_chosen_on_other_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_grid, "conduct", fake_conduct)
    rates = ("--rates", "shape=2e-3|4e-3|9e-3", "--rates", "gain=1e-3", "--choose-on", "7,8")
    code, said, err = command(capsys, *ATTRIBUTE, *rates, "--seeds", "0-2", "--out", tmp_path / "parts")
    assert code == 0, err
    assert "shape: hermite:3,trainable=weights,lr=2e-3 (validation loss, mean of 2: 2e-3: 2.1008, 4e-3: 2.1027" in said
    assert "9e-3: inf" in said
    assert {p.name for p in (tmp_path / "parts-rates").iterdir() if "seed7" in p.name} == {
        f"hermite3-balanced-trainableweights-lr{rate}-seed7" for rate in ("2e-3", "4e-3", "9e-3")
    }
    runs = {p.name for p in (tmp_path / "parts").iterdir() if "seed0" in p.name}
    assert {"gelu-gain-lr1e-3-seed0", "hermite3-balanced-trainableweights-lr2e-3-seed0", "gelu-seed0"} <= runs
    assert len(runs) == 6
    assert not list((tmp_path / "parts").glob("*seed7"))
    (line,) = (line for line in said.splitlines() if line.startswith("learning the shape"))
    assert "0.1000" in line, line
    code, _, err = command(capsys, *ATTRIBUTE, "--seeds", "0-1", "--out", tmp_path / "alone")
    assert code == 0, err
    code, _, err = command(
        capsys, *ATTRIBUTE, "--rates", "raw=9e-3|9e-03", "--choose-on", "5", "--out", tmp_path / "no"
    )
    assert (code, "at no rate of raw" in complaint(err)) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rates", "shapes=1e-3"), "did you mean shape"),
        (("--rates", "shape"), "is not PART=LR"),
        (("--rates", "shape=1e-3|"), "is not PART=LR"),
        (("--rates", "shape=1e-3", "--rates", "shape=2e-3"), "given twice"),
        (("--rates", "shape=1e-3|2e-3"), "need --choose-on SEEDS"),
        (("--rates", "shape=1e-3|2e-3", "--choose-on", "2"), "seed 2 cannot choose rates and be reported"),
        (("--choose-on", "5"), "chooses among several rates"),
        (("--rates", "shape=fast"), "'fast' is not a valid float"),
        (("--rates", "shape=-1"), "lr must lie in"),
        (("-a", "hermite:5"), "takes one -a SPEC"),
    ],
)
def test_unclear_rates_are_refused(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, *ATTRIBUTE, *words, "--out", tmp_path / "parts")
    assert code == 2
    assert said in complaint(err)
    assert not list(tmp_path.iterdir())


def test_rates_are_for_an_attribution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (("--rates", "shape=1"), "are for --attribute"),
        (("--attribute", "gelu", "-a", "a|b"), "one -a"),
    ):
        code, _, err = command(capsys, "study", "gpt2", "-a", "hermite:3", *words, "--out", tmp_path / "x")
        assert (code, said in complaint(err)) == (2, True)


def test_an_interval_takes_two_seeds() -> None:
    with pytest.raises(BadConfig, match="1 seeds in common"):
        effects(comparisons({k: k for k in PLANTED}), losses(PLANTED, noise=0.01, seeds=1))
