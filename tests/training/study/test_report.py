"""The report: which runs are seeds of one setting, what its numbers are, and what its files hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from learnact.training.config import to_json
from learnact.training.errors import BadData
from learnact.training.run.presets import configure
from learnact.training.study.page.render import final_table
from learnact.training.study.page.runs import group, read_runs

FILE = {"file": "wavelet3.py", "sha256": "a" * 64}


def write_run(
    folder: Path,
    loss: float = 2.0,
    *,
    label: str = "gelu",
    seed: int = 0,
    status: str = "complete",
    file: dict[str, Any] | None = None,
    original: dict[str, Any] | None = None,
    evals: dict[int, float] | None = None,
    **changes: Any,
) -> Path:
    """A run folder as a run leaves it, without checkpoints."""
    folder.mkdir(parents=True)
    config = to_json(configure("gpt2", "tiny", {"seed": seed, "activation": label, **changes}))
    record: dict[str, Any] = {
        "config": config,
        "activation": {"label": label, "start": "", "file": None, "sha256": "", **(file or {})},
        "data": {"train": {"digest": "t"}, "validation": {"digest": "v"}},
        "places": {},
        "unit": "nats per token",
        "versions": {},
    }
    if original:
        record["original"] = original
    (folder / "config.json").write_text(json.dumps(record))
    curve = evals or {0: 5.0, 10: loss}
    lines = [{"kind": "eval", "step": step, "loss": value} for step, value in curve.items()]
    lines += [{"kind": "train", "step": step, "loss": value} for step, value in curve.items() if step]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    if status != "unfinished":
        (folder / "result.json").write_text(json.dumps({"status": status, "final": {"loss": loss}}))
    return folder


def recorded(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "config.json").read_text())
    return {"config": record["config"], "activation": record["activation"]}


def names(folder: Path) -> dict[str, int]:
    return {g.name: len(g.complete) for g in group(read_runs([folder]))}


def test_a_run_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    one = write_run(tmp_path / "runs/one")
    write_run(tmp_path / "runs/two", seed=1)
    (tmp_path / "link").symlink_to(one)
    places = [one, one, tmp_path / "runs", one / "../one", tmp_path / "link"]
    assert len(read_runs(places)) == 2
    (row,) = final_table(group(read_runs(places))).rows
    assert row[1].text == "2/2"


def test_one_setting_with_one_seed_from_two_folders_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    with pytest.raises(BadData, match=r"copy and .*one are the same setting \(gelu\) with the same seed"):
        group(read_runs([tmp_path]))


def test_two_versions_of_a_family_file_are_two_settings(tmp_path: Path) -> None:
    asked = {"label": "wavelet:3@balanced", "activation": "lab/wavelet.py:wavelet:3", "start": "balanced"}
    for seed, digest in enumerate(("a" * 64, "b" * 64)):
        run = write_run(tmp_path / digest[:1], label=asked["label"], seed=seed, file={**FILE, "sha256": digest})
        record = json.loads((run / "config.json").read_text())
        record["config"] |= {"activation": asked["activation"], "start": "balanced"}
        (run / "config.json").write_text(json.dumps(record))
    assert names(tmp_path) == {f"wavelet:3@balanced of lab/wavelet.py [{d * 8}]": 1 for d in "ab"}


def test_copies_of_one_file_are_one_setting(tmp_path: Path) -> None:
    for seed in (0, 1):
        run = write_run(tmp_path / str(seed), label="hinge@declared", seed=seed, file=FILE)
        record = json.loads((run / "config.json").read_text())
        record["config"] |= {"activation": f"copy{seed}/hinge.py"}
        (run / "config.json").write_text(json.dumps(record))
    assert names(tmp_path) == {"hinge@declared": 2}


def test_fine_tunes_of_several_originals_are_as_many_seeds(tmp_path: Path) -> None:
    originals = [write_run(tmp_path / f"originals/{seed}", seed=seed) for seed in range(3)]
    for seed, source in enumerate(originals):
        write_run(
            tmp_path / f"tuned/{seed}", 1.5 + seed / 10, label="hermite:7@gelu", file=FILE,
            original=recorded(source), initial=str(source), trainable="activations",
        )  # fmt: skip
    (tuned,) = group(read_runs([tmp_path / "tuned"]))
    assert tuned.name == "hermite:7@gelu, from gelu"
    assert [run.replicate for run in tuned.complete] == [(0, 0), (1, 0), (2, 0)]
    assert final_table([tuned]).rows[0][2].text.startswith("1.6000 ±")


def test_fine_tunes_of_different_originals_are_different_settings(tmp_path: Path) -> None:
    for lr in (1e-3, 2e-3):
        source = write_run(tmp_path / f"originals/{lr}", lr=lr)
        write_run(
            tmp_path / f"tuned/{lr}", label="hermite:7@gelu", file=FILE, original=recorded(source), initial=str(source)
        )
    assert names(tmp_path / "tuned") == {f"hermite:7@gelu, from gelu lr {lr}": 1 for lr in (1e-3, 2e-3)}


def test_fine_tunes_that_recorded_no_original_are_kept_apart(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / str(seed), label="hermite:7@gelu", file=FILE, initial=f"runs/gelu-seed{seed}")
    assert names(tmp_path) == {f"hermite:7@gelu, from runs/gelu-seed{seed}": 1 for seed in range(2)}
