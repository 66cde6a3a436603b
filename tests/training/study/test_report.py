"""The report: which runs are seeds of one setting, what its numbers are, and what its files hold."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.stats import t as student
from small_runs import command, complaint

from learnact.training.config import to_json
from learnact.training.errors import BadData
from learnact.training.run.presets import configure
from learnact.training.study.page import charts, costs
from learnact.training.study.page.final import final_table
from learnact.training.study.page.runs import group, read_runs
from learnact.training.study.page.statistics import holm, paired_p

ROUNDING = 1e-12
"""Relative, of a few sums and one quantile in double precision."""
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
    test: float | None = None,
    more: Sequence[dict[str, Any]] = (),
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
    lines += [{"kind": "test", "step": 10, "loss": test}] if test is not None else []
    lines += more
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


TESTED = {"gelu": (2.0, 2.1, 2.3), "relu": (2.1, 2.15, 2.42), "silu": (1.9, 2.08, 2.1)}
"""Test losses of three seeds."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for label, losses in TESTED.items():
        for seed, loss in enumerate(losses):
            write_run(tmp_path / f"study/{label}-{seed}", loss + 1, label=label, seed=seed, test=loss)
    return tmp_path / "study"


def by_hand(ours: Sequence[float], theirs: Sequence[float]) -> float:
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return float(2 * student.sf(abs(mean) / math.sqrt(variance / n), n - 1))


def test_p_is_that_of_the_paired_t_test() -> None:
    """Student's sleep data (1908): t = -4.0621 on 9 degrees of freedom, p = 0.002833, as R's t.test prints it."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    assert paired_p(first, second) == pytest.approx(0.002833, abs=5e-7)
    assert paired_p(first, second) == pytest.approx(by_hand(first, second), rel=ROUNDING)
    assert paired_p([1.0], [2.0]) is None
    assert paired_p([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert paired_p([1.0, 2.0], [2.0, 3.0]) == 0.0


def test_holm_is_the_step_down_of_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], rel=ROUNDING)
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_table_compares_test_scores_with_the_baseline_that_was_asked(study: Path) -> None:
    groups = group(read_runs([study]))
    scores = final_table(groups)
    assert scores.head == ["setting", "seeds", "test loss", "difference", "p", "validation loss"]
    assert scores.baseline == "gelu"
    raw = {name: by_hand(TESTED[name], TESTED["gelu"]) for name in ("relu", "silu")}
    adjusted = dict(zip(raw, holm(list(raw.values())), strict=True))
    test, validation = scores.columns
    assert validation.comparisons is None
    assert [value.mean for value in validation.values if value] == pytest.approx(
        [sum(TESTED[name]) / 3 + 1 for name in ("gelu", "relu", "silu")], rel=ROUNDING
    )
    for k, name in ((1, "relu"), (2, "silu")):
        found = test.comparisons and test.comparisons[k]
        assert found
        assert (found.p, found.adjusted) == pytest.approx((raw[name], adjusted[name]), rel=1e-9)
    other = final_table(groups, "silu")
    assert other.rows[0][3].text.startswith("+")
    assert other.rows[2][3].text == ""
    with pytest.raises(BadData, match="no setting is --baseline 'tanh'; the settings are gelu; relu; silu"):
        final_table(groups, "tanh")


def test_runs_of_before_there_was_a_test_are_compared_by_validation_and_apart(tmp_path: Path, study: Path) -> None:
    for seed in (0, 1):
        old = write_run(tmp_path / f"old/{seed}", 2.0 + seed, seed=seed)
        record = json.loads((old / "config.json").read_text())
        del record["config"]["evaluation"]
        (old / "config.json").write_text(json.dumps(record))
    assert final_table(group(read_runs([tmp_path / "old"]))).head[2] == "validation loss"
    with pytest.raises(BadData, match="report them apart"):
        group(read_runs([tmp_path]))


def test_the_table_and_every_figure_are_files(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("report", study, study / "gelu-0", "--baseline", "relu", "-o", tmp_path / "page.html")
    files = ("--csv", tmp_path / "t.csv", "--latex", tmp_path / "t.tex", "--figures", tmp_path / "figures")
    code, out, err = command(capsys, *words, *files)
    assert code == 0, err
    assert "seed by seed against relu" in " ".join(out.split())
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = {row["setting"]: row for row in csv.DictReader(file)}
    assert float(rows["gelu"]["test_loss"]) == pytest.approx(sum(TESTED["gelu"]) / 3, rel=ROUNDING)
    assert float(rows["gelu"]["test_loss_p"]) == pytest.approx(by_hand(TESTED["gelu"], TESTED["relu"]), rel=1e-9)
    assert float(rows["gelu"]["test_loss_p_holm"]) >= float(rows["gelu"]["test_loss_p"])
    assert rows["relu"]["test_loss_p"] == ""
    assert (rows["gelu"]["seeds"], rows["gelu"]["runs"]) == ("3", "3")
    latex = (tmp_path / "t.tex").read_text()
    assert latex.count(r" \\") == 4
    assert r"2.1333 $\pm$ 0.3795" in latex
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"losses.svg", "losses.pdf"}
    before = {p: p.read_bytes() for p in (tmp_path / "figures").iterdir()}
    assert command(capsys, *words, *files)[0] == 0
    assert {p: p.read_bytes() for p in before} == before, "equal runs, equal bytes"
    code, _, err = command(capsys, *words[:-1], tmp_path / "other.html", "--baseline", "gelo", "--csv", tmp_path / "o")
    assert code == 2
    assert "no setting is --baseline 'gelo'" in complaint(err)
    assert not (tmp_path / "other.html").exists()
    assert not (tmp_path / "o").exists()


def test_latex_prints_names_as_they_are(tmp_path: Path) -> None:
    write_run(tmp_path / "run", label="soft_hinge@50%", file=FILE)
    assert r"soft\_hinge@50\%" in final_table(group(read_runs([tmp_path]))).latex()


def drawn(places: Path) -> tuple[Any, Any]:
    """The axes of the validation loss, and what closes them."""
    figure, (left, right) = plt.subplots(1, 2)
    charts.draw_losses(left, right, group(read_runs([places])), "nats")
    return figure, left


def test_a_band_is_from_the_least_to_the_greatest_of_the_seeds_that_ended(tmp_path: Path) -> None:
    assert "from the least to the greatest" in charts.LOSSES_CAPTION
    curves = {0: {0: 5.0, 5: 3.0, 10: 2.0}, 1: {0: 5.2, 5: 2.8, 10: 2.4}, 2: {0: 5.1, 5: 3.1, 10: 2.1}}
    for seed, curve in curves.items():
        write_run(tmp_path / str(seed), seed=seed, evals=curve)
    write_run(tmp_path / "3", seed=3, evals={0: 5.0, 5: 90.0}, status="diverged")
    write_run(tmp_path / "4", seed=4, evals={0: 5.0, 5: 0.1}, status="unfinished")
    figure, axis = drawn(tmp_path)
    (line,), (band,) = axis.get_lines(), axis.collections
    heights = np.array([list(curve.values()) for curve in curves.values()])
    assert line.get_xdata().tolist() == [0, 5, 10]
    assert line.get_ydata() == pytest.approx(heights.mean(0), rel=ROUNDING)
    assert line.get_label() == "gelu (3)"
    corners = band.get_paths()[0].vertices
    for step, column in zip((0, 5, 10), heights.T, strict=True):
        at = corners[corners[:, 0] == step, 1]
        assert (at.min(), at.max()) == pytest.approx((column.min(), column.max()), rel=ROUNDING)
    plt.close(figure)


def test_a_setting_of_which_no_seed_ended_is_dashed_and_a_single_seed_has_no_band(tmp_path: Path) -> None:
    write_run(tmp_path / "relu", label="relu")
    write_run(tmp_path / "gelu", evals={0: 5.0, 5: 3.0}, status="unfinished")
    figure, axis = drawn(tmp_path)
    assert {line.get_label(): line.get_linestyle() for line in axis.get_lines()} == {
        "gelu (1 not ended)": "--",
        "relu (1)": "-",
    }
    assert not axis.collections
    plt.close(figure)


def test_costs_and_learned_values_are_tables(tmp_path: Path) -> None:
    place = {"path": "h.0.act", "parameters": {"a": [0.5, 1.0], "b": {"mean": [1.0], "deviation": [0.25]}}}
    moved = {"path": "h.0.act", "parameters": {"a": [0.25, 1.5], "b": {"mean": [2.0], "deviation": [0.5]}}}
    for seed, scale in enumerate((1.0, 3.0, 2.0)):
        begin = {"kind": "begin", "step": 0, "parameters": 12345, "activation_parameters": 24, "coefficients": [place]}
        speed = {"kind": "speed", "step_seconds": 0.01 * scale, "tokens_per_second": 6400 / scale}
        speeds = [{**speed, "step": k, "peak_memory_bytes": k * scale * 1e6} for k in (5, 10)]
        write_run(
            tmp_path / str(seed), seed=seed,
            more=[begin, *speeds, {"kind": "learned", "step": 10, "coefficients": [moved]}],
        )  # fmt: skip
    groups = group(read_runs([tmp_path]))
    head, rows = costs.costs(groups)
    assert dict(zip(head, rows[0], strict=True)) == {
        "setting": "gelu", "parameters": "12,345", "of activations": "24", "step, ms": "20.0",
        "tokens per second": "3,200", "peak, MB": "20",
    }  # fmt: skip
    assert costs.learned(groups[0].shown)[1] == [
        ["h.0.act", "a", "0.5, 1", "0.25, 1.5"],
        ["h.0.act", "b", "1 ± 0.25", "2 ± 0.5"],
    ]
