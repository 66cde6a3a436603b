"""Whole runs: killed and gone on with, shared among processes, tuned, compared."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_runs import MODEL, SHORT, TINY, command, complaint, lines, losses
from torch import nn

from benchmarks import training
from learnact import load
from learnact.training.cli.main import main
from learnact.training.data.windows import Batch
from learnact.training.run import loop, session
from learnact.training.run.session import open_run
from learnact.training.run.task import LanguageModelling
from learnact.training.study.page.runs import group, read_runs
from learnact.transformers import from_pretrained

pytestmark = pytest.mark.xdist_group("train_runs")  # one worker: the first run is shared

KILLED = ("gpt2", *MODEL, "--batch", "4", "--micro-batch", "2", "--steps", "40", "--checkpoint-every", "3",
          "--watch-every", "5", "--eval-every", "10", "--dropout", "0.1", "--cpu",
          "-a", "hermite:3@gelu", "--calibrate", "preserve")  # fmt: skip
KILL_AT = 20
"""Lines of the log: after the third checkpoint or so."""
SHARED = ("gpt2", *MODEL, "--batch", "8", "--micro-batch", "2", "--steps", "4", "--eval-windows", "6",
          "--cpu", "-a", "hermite:3@gelu", "--calibrate", "preserve")  # fmt: skip
BOTH_WAYS = """
import sys
from learnact.training.cli.main import main
from learnact.training.run.processes import end
for name, how in (("ddp", ()), ("fsdp2", ("--shard",))):
    try:
        main([*sys.argv[2:], *how, "--out", f"{sys.argv[1]}/{name}"])
    except SystemExit as left:
        if left.code:
            raise
end(0)
"""
LOADED_AGAIN = """
import sys
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from learnact.training.study.page.runs import group, read_runs
from learnact.transformers import from_pretrained
expected = load_file(sys.argv[2])["logits"]
model, report = from_pretrained(sys.argv[1], output_loading_info=True)
same = lambda m: m.eval()(input_ids=torch.arange(16)[None]).logits.equal(expected)
print("equal" if same(model) and not report["missing_keys"] else report)
print("shared", model.transformer.h[0].mlp.act is model.transformer.h[1].mlp.act)
try:
    print("equal" if same(AutoModelForCausalLM.from_pretrained(sys.argv[1])) else "different")
except Exception as err:
    print("refused")
"""
"""Loads a model in another process, and prints what became of it."""
SAME_LOSS = 2e-6
"""Relative. Two processes add the gradients of four micro-batches in another order than one: a few float32 roundings
of 6e-8, and AdamW's first steps divide by small numbers."""
SIGMA_ROUNDING = 0.15
"""Relative, of second moments: sigma is rounded to two digits, 5 % at most, and the input's mean is not quite 0."""
FIT = 0.01
"""Nats that a degree-5 fit costs an untrained network of width 16, whose loss is 5.5."""


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["LEARNACT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="module")
def gelu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "gelu-seed0"
    with pytest.raises(SystemExit) as left:
        main([*TINY, "--out", str(out)])
    assert left.value.code == 0
    return out


def test_a_run_leaves_its_settings_numbers_and_a_model(gelu: Path) -> None:
    assert {p.name for p in gelu.iterdir()} >= {"config.json", "metrics.jsonl", "result.json", "checkpoints", "model"}
    record = json.loads((gelu / "config.json").read_text())
    assert record["config"]["seed"] == 0
    assert record["activation"]["label"] == "gelu"
    assert len(record["data"]["train"]["digest"]) == 64
    found = lines(gelu)
    assert [line["step"] for line in found if line["kind"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert len(next(line for line in found if line["kind"] == "watch")["layers"]) == 2
    result = json.loads((gelu / "result.json").read_text())
    assert result["status"] == "complete"
    assert result["final"]["loss"] == [line for line in found if line["kind"] == "eval"][-1]["loss"]


def test_the_test_text_is_scored_once_after_the_last_step(gelu: Path) -> None:
    found = lines(gelu)
    (test,) = (line for line in found if line["kind"] == "test")
    assert test["step"] == 6
    assert found.index(test) > max(k for k, line in enumerate(found) if line["kind"] == "eval")
    validation = [line for line in found if line["kind"] == "eval"][-1]["loss"]
    assert test["loss"] != validation
    assert json.loads((gelu / "result.json").read_text())["test"] == {"loss": test["loss"]}


def test_a_run_tells_its_speed_memory_and_parameters(gelu: Path) -> None:
    every = [json.loads(line) for line in (gelu / "metrics.jsonl").read_text().splitlines()]
    model = open_run(gelu)
    begun = next(line for line in every if line["kind"] == "begin")
    assert begun["parameters"] == sum(p.numel() for p in model.parameters())
    assert (begun["activation_parameters"], begun["coefficients"]) == (0, [])
    speeds = [line for line in every if line["kind"] == "speed"]
    assert [s["step"] for s in speeds] == [line["step"] for line in every if line["kind"] == "eval"][1:]
    total = [line for line in every if line["kind"] == "train"][-1]["seconds"]
    for speed in speeds:
        assert 0 < speed["step_seconds"] < total
        assert speed["tokens_per_second"] * speed["step_seconds"] == pytest.approx(4 * 16, rel=1e-4)
        assert speed["peak_memory_bytes"] > begun["parameters"] * 16
        assert speed["memory_of"] == "process"


@pytest.mark.parametrize(
    ("words", "count", "same"),
    [
        (("-a", "hermite:3"), 8, False),
        (("-a", "hermite:3", "--shared"), 4, True),
        (("-a", "hermite:3", "--per-channel"), 512, False),
        (("-a", "prelu"), 2, False),
    ],
)
def test_what_the_activations_learned_is_in_the_log(
    words: tuple[str, ...], count: int, same: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, *TINY, *words, "--out", tmp_path / "run")
    assert code == 0, err
    begun = lines(tmp_path / "run")[0]
    assert begun["activation_parameters"] == count
    last = lines(tmp_path / "run")[-1]
    assert last["kind"] == "learned"
    model = open_run(tmp_path / "run")
    for at_first, place in zip(begun["coefficients"], last["coefficients"], strict=True):
        module = model.get_submodule(place["path"])
        (values,) = place["parameters"].values()
        (parameter,) = module.parameters()
        if "--per-channel" in words:
            assert values["mean"] == pytest.approx(parameter.mean(-1).tolist(), rel=1e-6)
            assert values["deviation"] == pytest.approx(parameter.std(-1, correction=0).tolist(), rel=1e-5)
        else:
            assert values == pytest.approx(parameter.flatten().tolist(), rel=1e-8)
        assert at_first["parameters"] != place["parameters"], "it moved"
    one, other = (place["parameters"] for place in last["coefficients"])
    assert (one == other) is same


def test_a_run_from_before_there_was_a_test_text_is_not_gone_on_with(
    gelu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "old"
    shutil.copytree(gelu, out)
    record = json.loads((out / "config.json").read_text())
    del record["config"]["evaluation"]
    (out / "config.json").write_text(json.dumps(record))
    (out / "result.json").unlink()
    before = sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*") if p.is_file() and p.name != ".lock")
    code, _, err = command(capsys, *TINY, "--out", out)
    assert code == 2
    assert "old was begun under an earlier version's validation, without a test, now it is windows over" in err
    assert sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*") if p.is_file() and p.name != ".lock") == before


def test_a_complete_run_is_not_run_again(gelu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (gelu / "metrics.jsonl").read_bytes()
    code, out, _ = command(capsys, *TINY, "--out", gelu)
    assert code == 0
    assert "complete" in out
    assert (gelu / "metrics.jsonl").read_bytes() == before


def test_other_settings_are_refused_in_its_folder(gelu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in gelu.rglob("*") if p.is_file() and p.name != ".lock")
    code, _, err = command(capsys, *TINY, "--lr", "0.5", "--out", gelu)
    assert code == 2
    assert "lr: 0.002 there, 0.5 asked" in complaint(err)
    assert sorted((p, p.stat().st_mtime_ns) for p in gelu.rglob("*") if p.is_file() and p.name != ".lock") == before


def test_the_generated_file_and_the_calibration_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert command(capsys, *TINY, "-a", "hermite:3", "--start", "gelu", "--calibrate", "unit", "--out", out)[0] == 0
    record = json.loads((out / "config.json").read_text())
    assert (out / record["activation"]["file"]).read_text().startswith("# Generated by learnact-gen")
    assert len(record["activation"]["sha256"]) == 64
    begun = lines(out)[0]
    assert [c["path"] for c in begun["calibration"]] == [f"transformer.h.{k}.mlp.act" for k in range(2)]
    model = open_run(out)
    assert model.config.activation_function == "learnact.transformers:hermite3@gelu"


@pytest.mark.parametrize(("calibrate", "kept"), [((), True), (("--calibrate", "none"), False)])
def test_by_default_each_activation_hands_on_the_second_moment_of_its_own_input(
    calibrate: tuple[str, ...], kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, *TINY, "-a", "hermite:3", *calibrate, "--out", tmp_path / "run")
    assert code == 0, err
    first = next(line for line in lines(tmp_path / "run") if line["kind"] == "watch")
    for place in first["layers"]:
        assert (place["law"]["value"] == pytest.approx(place["sigma"] ** 2, rel=SIGMA_ROUNDING)) is kept
        assert place["law"]["slope"] == pytest.approx(1, rel=SIGMA_ROUNDING) or not kept


def test_per_channel_runs_open_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, *TINY, "-a", "hermite:3", "--per-channel", "--out", tmp_path / "run")
    assert code == 0, err
    model = open_run(tmp_path / "run")
    assert model.transformer.h[0].mlp.act.coefficients.shape == (4, 64)
    tokens = torch.arange(16)[None]
    saved = from_pretrained(tmp_path / "run/model").eval()
    assert saved(input_ids=tokens).logits.equal(model(input_ids=tokens).logits)


@pytest.mark.parametrize("how", [(), ("--shared",), ("--per-channel",)])
def test_a_model_is_the_same_in_a_fresh_process(
    how: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    code, _, err = command(capsys, *TINY, "-a", "tropical:3", *how, "--out", out)
    assert code == 0, err
    tokens = torch.arange(16)[None]
    opened = open_run(out)
    shared = opened.transformer.h[0].mlp.act is opened.transformer.h[1].mlp.act
    assert shared is ("--shared" in how)
    save_file({"logits": opened(input_ids=tokens).logits.detach()}, tmp_path / "expected.safetensors")
    words = [sys.executable, "-c", LOADED_AGAIN, out / "model", tmp_path / "expected.safetensors"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    assert said[:2] == ["equal", f"shared {shared}"]
    assert said[2] == ("refused" if how else "equal"), "what transformers alone makes of it"


def test_the_same_seed_repeats_and_another_does_not(
    gelu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(capsys, *TINY, "--out", tmp_path / "again")
    command(capsys, *TINY, "--seed", "1", "--out", tmp_path / "other")
    assert losses(tmp_path / "again") == losses(gelu)
    assert losses(tmp_path / "other") != losses(gelu)


def logged(out: Path) -> int:
    path = out / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def test_killed_and_damaged_it_has_the_losses_it_would_have_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command(capsys, *KILLED, "--out", whole)[0] == 0
    words = [sys.executable, "-m", "learnact.training.cli", *KILLED, "--out", str(broken)]
    with (tmp_path / "said").open("w") as said, subprocess.Popen(words, stdout=said, stderr=said) as process:
        while logged(broken) < KILL_AT and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert len(list((broken / "checkpoints").glob("step-*"))) == 2
    last = sorted((broken / "checkpoints").glob("step-*"))[-1]
    (last / "weights.safetensors").write_bytes(b"half")
    code, _, err = command(capsys, *KILLED, "--out", broken)
    assert code == 0
    assert "is damaged" in err
    assert lines(broken) == lines(whole)
    weights = "model/model.safetensors"
    assert (broken / weights).read_bytes() == (whole / weights).read_bytes()


def test_a_resumed_run_without_its_optimizer_state_would_be_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(capsys, *TINY, "--out", tmp_path / "whole")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "broken"
    evaluate = loop._evaluate
    monkeypatch.setattr(loop, "_evaluate", lambda t, log, done: interrupted() if done == 4 else evaluate(t, log, done))
    assert command(capsys, *TINY, "--out", out)[0] == 130
    monkeypatch.setattr(loop, "_evaluate", evaluate)
    honest = session.restore
    monkeypatch.setattr(session, "restore", lambda state, *rest: honest({**state, "optimizer": {}}, *rest))
    assert command(capsys, *TINY, "--out", out)[0] == 0
    assert losses(out)[:3] == losses(tmp_path / "whole")[:3]
    assert losses(out)[4:] != losses(tmp_path / "whole")[4:]


def test_no_update_is_made_with_a_gradient_that_is_not_finite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in the third step: the loss is a number, its gradient is none."""
    honest, begun = LanguageModelling.loss, []
    models: list[nn.Module] = []

    def planted(self: LanguageModelling, model: nn.Module, batch: Batch) -> torch.Tensor:
        loss = honest(self, model, batch)
        if model.training:
            models.append(model)
            begun.append([p.detach().clone() for p in model.parameters()])
            if len(begun) == 3:
                loss.register_hook(lambda gradient: gradient * math.inf)
        return loss

    monkeypatch.setattr(LanguageModelling, "loss", planted)
    code, _, err = command(capsys, *TINY, "--ema", "0.9", "--clip", "0", "--out", tmp_path / "run")
    assert code == 1
    assert "the gradient norm of step 3 is" in complaint(err)
    last = lines(tmp_path / "run")[-1]
    assert (last["step"], math.isfinite(last["loss"]), math.isfinite(last["gradient_norm"])) == (3, True, False)
    assert all(p.equal(before) for p, before in zip(models[-1].parameters(), begun[2], strict=True))
    assert not all(a.equal(b) for a, b in zip(begun[1], begun[2], strict=True)), "the steps before were taken"


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `ddp` and `fsdp2` of two processes, which do one after the other."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "both.py").write_text(BOTH_WAYS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words = [*launch, str(folder / "both.py"), str(folder), *SHARED]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(SystemExit):
        main([*SHARED, "--out", str(folder / "one")])
    return folder


@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
def test_two_processes_have_the_losses_of_one(how: str, both_ways: Path) -> None:
    one, two = lines(both_ways / "one"), lines(both_ways / how)
    assert [(line["kind"], line["step"]) for line in one] == [(line["kind"], line["step"]) for line in two]
    for ours, theirs in zip(one, two, strict=True):
        if "loss" in ours:
            assert theirs["loss"] == pytest.approx(ours["loss"], rel=SAME_LOSS)
    for name in ("weights", "optimizer"):
        ours, theirs = (
            load_file(both_ways / run / f"checkpoints/step-00000004/{name}.safetensors") for run in ("one", how)
        )
        assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in theirs.items()}


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, *TINY, "--shard", "--out", tmp_path / "run")
    assert code == 2
    assert "found one" in complaint(err)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned something, and is scored on enough text to see a shape become better."""
    out = tmp_path_factory.mktemp("learned") / "gelu"
    words = (*TINY, "--batch", "32", "--steps", "100", "--eval-every", "50", "--eval-windows", "200")
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", str(out)])
    assert left.value.code == 0
    return out


def test_finetuning_starts_near_the_original_and_moves_only_shapes(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    words = ("finetune", learned, "-a", "hermite:5", "--steps", "60", "--max-gap", FIT, "--lr", "0.03", "--cpu")
    code, said, err = command(capsys, *words, "--out", out)
    assert code == 0, err
    scores = json.loads((out / "finetune.json").read_text())
    assert abs(scores["swapped"]["loss"] - scores["original"]["loss"]) < FIT
    assert scores["tuned"]["loss"] < scores["swapped"]["loss"]
    assert [line.split()[0] for line in said.splitlines()[-3:]] == ["original", "swapped", "tuned"]
    before, after = open_run(learned).state_dict(), open_run(out).state_dict()
    moved = {name for name in after if name not in before or not torch.equal(before[name], after[name])}
    assert moved == {f"transformer.h.{k}.mlp.act.coefficients" for k in range(2)}
    record = json.loads((out / "config.json").read_text())
    assert (record["original"]["config"]["seed"], record["original"]["activation"]["label"]) == (0, "gelu")
    (tuned,) = group(read_runs([out]))
    assert tuned.name == "hermite:5@gelu, calibrated to 1, from gelu"


def test_a_swap_that_costs_more_than_stated_trains_nothing(
    gelu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("finetune", gelu, "-a", "hermite:5", "--steps", "10", "--max-gap", "-1", "--cpu")
    code, _, err = command(capsys, *words, "--out", tmp_path / "tuned")
    assert code == 1
    assert "--max-gap -1.0" in complaint(err)
    assert not (tmp_path / "tuned").exists()
    code, _, err = command(capsys, "finetune", tmp_path, "--out", tmp_path / "tuned")
    assert code == 2
    assert "no run folder" in complaint(err)


@pytest.mark.parametrize("shared", [(), ("--shared",)])
def test_a_learned_shape_is_hard_coded(
    shared: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, "gpt2", "-a", "tropical:3", *shared, *MODEL, *SHORT, "--out", tmp_path / "run")
    assert code == 0, err
    code, said, err = command(capsys, "harvest", tmp_path / "run", "--cpu", "--out", tmp_path / "act")
    assert code == 0, err
    found = json.loads((tmp_path / "act" / "harvest.json").read_text())
    assert [place["path"] for place in found["places"]] == [f"transformer.h.{k}.mlp.act" for k in range(2)]
    assert len({place["file"] for place in found["places"]}) == (1 if shared else 2)
    assert found["scores"]["fixed"]["loss"] == pytest.approx(found["scores"]["learned"]["loss"], abs=1e-5)
    assert said.splitlines()[-1].startswith("fixed")
    learned = open_run(tmp_path / "run").get_submodule("transformer.h.0.mlp.act")
    fixed = load(str(tmp_path / "act" / found["places"][0]["file"]))()
    x = torch.linspace(-3, 3, 601)
    torch.testing.assert_close(fixed(x), learned(x))
    assert not list(fixed.parameters())


def test_nothing_is_harvested_where_nothing_was_learned(
    gelu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, "harvest", gelu, "--cpu", "--out", tmp_path / "act")
    assert code == 2
    assert "learned no shape" in complaint(err)
    assert not (tmp_path / "act").exists()


def test_what_a_study_found_is_kept_with_the_command_that_repeats_it(
    gelu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", str(gelu), "--name", "found", "--out", str(tmp_path)])
    assert training.main() == 0
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert row["loss"] == json.loads((gelu / "result.json").read_text())["final"]["loss"]
    text = (tmp_path / "found.md").read_text()
    (shown,) = (line.strip() for line in text.splitlines() if "learnact-train study" in line)
    assert "-a gelu --seeds 0" in shown
    assert "--layers 2" in shown
    assert f"{row['loss']:.4f}" in text
    monkeypatch.setattr(sys, "argv", ["training", str(tmp_path), "--name", "found"])
    assert training.main() == 2
    assert "holds no run" in capsys.readouterr().err


def test_a_study_is_a_table_and_a_page(gelu: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("study", "gpt2", "-a", "hermite:3", "--start", "gelu", "--seeds", "0", "--calibrate", "unit")
    code, out, err = command(capfd, *words, *MODEL, *SHORT, "--out", tmp_path / "study")
    assert code == 0, err
    assert {p.name for p in (tmp_path / "study").iterdir()} == {"hermite3-gelu-seed0"}
    code, out, err = command(capfd, "report", gelu, tmp_path / "study", "-o", tmp_path / "page.html")
    assert code == 0, err
    assert [line.split("  ")[0] for line in out.splitlines()[2:4]] == ["gelu", "hermite:3@gelu, calibrated to 1"]
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 6
    assert "src=" not in page, "the page needs nothing but itself"
    assert "http-equiv" not in page


def test_a_study_of_one_part_after_another(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("study", "gpt2", "-a", "hermite:3", "--attribute", "gelu", *MODEL, *SHORT)
    code, _, err = command(capfd, *words, "--seeds", "0", "--out", tmp_path / "study")
    assert code == 2
    assert "two --seeds or more" in complaint(err)
    code, _, err = command(capfd, *words, "-a", "gelu", "--seeds", "0,1", "--out", tmp_path / "study")
    assert code == 2
    assert "one -a SPEC" in complaint(err)
    code, _, err = command(capfd, *words[:4], "--attribute", "hermite:3", *MODEL, *SHORT, "--out", tmp_path / "study")
    assert code == 2
    assert "classical function" in complaint(err)
    assert not (tmp_path / "study").exists()
