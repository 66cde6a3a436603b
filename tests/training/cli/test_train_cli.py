"""Questions that have no answer: one line on stderr, exit 2, and nothing is begun."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from small_runs import TINY, command, complaint, lines

from learnact.compiler.cli.main import main as generate
from learnact.training.cli import results
from learnact.training.config import FOR_GENERATED
from learnact.training.errors import BadConfig
from learnact.training.run import checkpoint
from learnact.training.study import grid as study
from learnact.training.study.grid import conduct, grid
from learnact.training.study.page.runs import group, read_runs

DIGITS = ("convnext", "--steps", "2", "--batch", "8", "--cpu")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*TINY, "--data", "missing.txt"), "no text missing.txt"),
        ((*TINY, "--tokenizer", "/no/such/place"), "neither `bytes`"),
        ((*TINY, "-a", "gelo"), "did you mean gelu"),
        ((*TINY, "-a", "hermitte:3"), "hermite"),
        ((*TINY, "-a", "hermite:3@gello"), "did you mean gelu"),
        ((*TINY, "-a", "hermite:3@gelu", "--start", "relu"), "two starts"),
        ((*TINY, "-a", "gelu", "--calibrate", "unit"), "found gelu; leave it out, or write gelu@balanced"),
        ((*TINY, "-a", "prelu", "--calibrate", "unit"), "--calibrate is for generated activations, found prelu"),
        ((*TINY, "-a", "gelu_new", "--start", "balanced"), "gelu_new has no starts"),
        ((*TINY, "-a", "hermite:3", "--shared", "--per-channel"), "cannot be one per channel"),
        ((*TINY, "--preset", "huge"), "tiny, small"),
        ((*TINY, "--micro-batch", "3"), "no multiple"),
        ((*TINY, "--context", "500000"), "smaller --context"),
        ((*TINY, "-a", "hermite:5@"), "'hermite:5@' is not SPEC@START"),
        ((*TINY, "-a", "gelu", "--shared"), "--shared is for generated activations, found gelu"),
        ((*TINY, "-a", "gelu", "--lr-factor", "2"), "--lr-factor is for generated activations, found gelu"),
        ((*TINY, "--validation", "some.txt"), "needs a text to train on"),
        ((*DIGITS, "--image-size", "30"), "multiple of 8"),
        ((*DIGITS, "--data", "no-folder"), "no images at no-folder"),
    ],
)
def test_one_line_and_exit_2(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = command(capsys, *words, "--out", tmp_path / "run")
    assert code == 2
    assert said in complaint(err)
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_is_said_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    code, _, err = command(capsys, *TINY, "--out", tmp_path / "run")
    assert code == 2
    assert "0 MB free" in complaint(err)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_loss_that_is_no_number_ends_the_run_with_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        *TINY,
        "-a",
        "hermite:8@paper",
        "--calibrate",
        "none",
        "--lr",
        "1e30",
        "--warmup",
        "1",
        "--out",
        tmp_path / "run",
    )
    code, _, err = command(capsys, *words)
    assert code == 1
    assert "lower --lr" in complaint(err)
    assert '"diverged"' in (tmp_path / "run" / "result.json").read_text()
    code, said, again = command(capsys, *words)
    assert code == 1, "asked again, it ends as it ended"
    assert said == ""
    assert "run diverged: the validation loss after step 1 is" in complaint(again)
    code, _, err = command(capsys, "finetune", tmp_path / "run", "--out", tmp_path / "tuned")
    assert code == 2
    assert "run is diverged; give the folder of a complete run" in complaint(err)


def test_what_cannot_be_built_leaves_its_folder_to_the_corrected_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*TINY, "-a", "hermite:3", "--shared", "--out", tmp_path / "run")
    code, _, err = command(capsys, *words, "--per-channel")
    assert code == 2
    assert "leave out --shared or --per-channel" in complaint(err)
    code, _, err = command(capsys, *words)
    assert code == 0, err


def test_a_family_of_ones_own_file_is_calibrated_and_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wavelet.py"
    with pytest.raises(SystemExit):
        generate(["new", "wavelet", "-o", str(path)])
    code, _, err = command(capsys, *TINY, "-a", f"{path}:wavelet:3", "--out", tmp_path / "run")
    assert code == 0, err


def emit_soft_hinge(folder: Path, c: str = "0.5", name: str = "SoftHinge") -> Path:
    words = ("--expr", "a*x*tanh(b*x) + c*x + d", "--param", "a=0.5", "--param", "b=4", "--param", f"c={c}")
    with pytest.raises(SystemExit):
        generate(["emit", *words, "--param", "d=0", "--name", name, "--out", str(folder)])
    (path,) = folder.glob("*.py")
    return path


def test_an_emitted_file_is_trained_and_gone_on_with_under_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = emit_soft_hinge(tmp_path / "act")
    words = (*TINY, "-a", f"{path}@declared", "--checkpoint-every", "2")
    assert command(capsys, *words, "--out", tmp_path / "whole")[0] == 0
    assert command(capsys, *words, "--out", tmp_path / "broken")[0] == 0
    broken = tmp_path / "broken"
    (broken / "result.json").unlink()
    shutil.rmtree(broken / "checkpoints/step-00000006")
    code, _, err = command(capsys, *words, "--out", broken)
    assert code == 0, err
    assert lines(broken) == lines(tmp_path / "whole")
    assert (broken / "soft_hinge.py").read_bytes() == path.read_bytes()
    runs = read_runs([broken])
    assert [g.name for g in group(runs)] == ["soft_hinge@declared"]
    assert runs[0].config["activation"] == str(path)
    other = emit_soft_hinge(tmp_path / "other", c="0.25")
    assert command(capsys, *TINY, "-a", f"{other}@declared", "--out", tmp_path / "second")[0] == 0
    both = group(read_runs([broken, tmp_path / "second"]))
    assert [g.name for g in both] == [f"soft_hinge@declared of {p}" for p in (path, other)]
    code, _, err = command(capsys, *TINY, "-a", f"{other}@declared", "--out", broken)
    assert code == 2
    assert "holds another run (activation:" in complaint(err)


@pytest.mark.parametrize("damage", ["missing", "not emitted", "changed", "name of another"])
def test_a_file_that_is_not_as_emitted_is_refused(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = emit_soft_hinge(tmp_path / "act", name="Sinusoid" if damage == "name of another" else "SoftHinge")
    said = {
        "missing": "cannot read",
        "not emitted": "has no header of learnact-gen",
        "changed": "was changed by hand",
        "name of another": "has the name of learnact.generated.Sinusoid",
    }[damage]
    if damage == "missing":
        path.unlink()
    elif damage == "not emitted":
        path.write_text("x = 1\n")
    elif damage == "changed":
        path.write_text(path.read_text() + "# more\n")
    code, _, err = command(capsys, *TINY, "-a", path, "--out", tmp_path / "run")
    assert code == 2
    assert said in complaint(err)
    assert not (tmp_path / "run").exists()


def test_a_start_that_float32_cannot_hold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sigma is about .08 in a model of width 16."""
    code, _, err = command(capsys, *TINY, "-a", "hermite:12", "--out", tmp_path / "run")
    assert code == 2
    assert "take a lower degree or --calibrate none" in complaint(err)


def test_digits_are_learned_in_a_few_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("convnext", "--steps", "40", "--cpu", "-a", "hermite:3@gelu", "--calibrate", "unit")
    code, out, err = command(capsys, *words, "--out", tmp_path / "run")
    assert code == 0, err
    accuracy = float(out.split("accuracy ")[1].split(",")[0])
    assert accuracy > 0.3, "chance is 0.1"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_ends_the_run_with_its_name(
    workers: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (16, 16)).save(tmp_path / split / name / "0.png")
    words = ("convnext", "--data", tmp_path, "--image-size", "16", "--batch", "2", "--steps", "4", "--workers", workers)
    damaged = tmp_path / "train/bee/0.png"
    whole = damaged.read_bytes()
    chosen = tmp_path / "run"
    assert command(capfd, *words, "--checkpoint-every", "2", "--cpu", "--out", chosen)[0] == 0
    damaged.write_bytes(whole[:20] + bytes(len(whole) - 20))
    code, _, err = command(capfd, *words, "--cpu", "--out", tmp_path / "again")
    assert code == 2
    assert complaint(err).startswith(f"learnact-train: error: {damaged} cannot be decoded as an image")


def test_a_folder_that_holds_no_run_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, "report", tmp_path, "-o", tmp_path / "page.html")
    assert code == 2
    assert "holds no run" in complaint(err)
    assert not (tmp_path / "page.html").exists()


def test_no_command_is_a_question(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys)
    assert code == 2
    assert "--help" in complaint(err)


def test_prepare_says_how_much_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("abc\n" * 50)
    (tmp_path / "b.txt").write_text("def\n" * 50)
    code, out, err = command(
        capsys, "prepare", "--data", tmp_path / "a.txt", tmp_path / "b.txt", "--out", tmp_path / "tokens"
    )
    assert code == 0, err
    assert "381 tokens to train on, 10 to validate on, 11 to test on" in out
    assert f"train text: 402 tokens of {tmp_path / 'a.txt'}, {tmp_path / 'b.txt'}\n" in out


def test_a_prepared_text_keeps_its_tokenizer_and_validation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("abc\n" * 500)
    code, _, err = command(capsys, "prepare", "--data", tmp_path / "a.txt", "--out", tmp_path / "tokens")
    assert code == 0, err
    for words in (("--validation", tmp_path / "a.txt"), ("--tokenizer", "gpt2")):
        code, _, err = command(capsys, *TINY, "--data", tmp_path / "tokens", *words, "--out", tmp_path / "run")
        assert code == 2
        assert "was prepared, with tokenizer bytes" in complaint(err)
    words = ("--data", tmp_path / "tokens", "--tokenizer", "bytes", "--out", tmp_path / "run")
    code, _, err = command(capsys, *TINY, *words)
    assert code == 0, err


def test_a_class_without_images_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            if name == "ant":
                Image.new("RGB", (8, 8)).save(tmp_path / "images" / split / name / "1.png")
    code, _, err = command(capsys, *DIGITS, "--data", tmp_path / "images", "--out", tmp_path / "run")
    assert code == 2
    assert "no image of bee" in complaint(err)


def test_a_grid_is_every_setting_with_every_seed_and_spares_classical_ones(tmp_path: Path) -> None:
    rest = ("--calibrate", "unit", "--lr-factor", "0.1", "--steps", "5")
    few = ("--steps", "5")
    cells = grid("gpt2", ["gelu", "hermite:3", "hermite:5@relu"], ["balanced", "gelu"], [0, 1], tmp_path, rest, few)
    assert [(c.activation, c.start, c.seed) for c in cells[:4]] == [
        ("gelu", "", 0),
        ("hermite:3", "balanced", 0),
        ("hermite:3", "gelu", 0),
        ("hermite:5", "relu", 0),
    ]
    assert len(cells) == 8
    assert "--calibrate" not in cells[0].arguments
    assert "0.1" not in cells[0].arguments
    assert cells[0].arguments[1:3] == ("--steps", "5")
    assert cells[1].arguments[1:7] == ("--calibrate", "unit", "--lr-factor", "0.1", "--steps", "5")
    assert len({c.folder for c in cells}) == 8
    with pytest.raises(BadConfig, match="twice"):
        grid("gpt2", ["hermite:3@gelu", "hermite:3"], ["gelu"], [0], tmp_path, ())


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("--lr-factor 0.1 --steps 5", "--steps 5"),
        ("--lr-factor=0.1 --steps=5", "--steps 5"),
        ("--data a b --calibrate unit c", "--data a b c"),
        ("--data a --data b --no-compile --cpu", "--data a --data b --no-compile --cpu"),
        ("--per-channel --shared --lr 1e-3 --no-shared", "--lr 0.001"),
    ],
)
def test_options_of_generated_activations_are_left_out_however_they_are_written(words: str, kept: str) -> None:
    context = results._parsed("gpt2", (*words.split(), "--out", "x"))
    assert " ".join(results._words(context, ("out", *FOR_GENERATED))) == kept
    whole = results._words(context, ())
    assert results._parsed("gpt2", whole).params == context.params


def test_a_run_that_fails_does_not_end_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "$@"\ncase "$*" in *relu*) echo broken >&2; exit 2;; esac\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(study.sys, "executable", str(stand_in))
    outcomes = conduct(grid("gpt2", ["relu", "gelu"], [], [0], tmp_path, ("--steps", "3")), jobs=2, niceness=5)
    assert [(o.cell.activation, o.code) for o in outcomes] == [("relu", 2), ("gelu", 0)]
    assert outcomes[0].message == "broken"
    assert outcomes[1].message.startswith("-m learnact.training.cli gpt2 --steps 3 --activation gelu --seed 0")


def test_a_study_refuses_options_before_any_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, "study", "gpt2", "-a", "gelu", "--bogus", "1", "--out", tmp_path / "study")
    assert code == 2
    assert "--bogus" in complaint(err)
    for seeds, said in (("x", "0-4"), ("3-1", "holds 0 seeds"), ("0-100000000", "100,000,001 seeds")):
        code, _, err = command(capsys, "study", "gpt2", "-a", "gelu", "--seeds", seeds, "--out", tmp_path / "study")
        assert code == 2
        assert said in complaint(err)
    for words, said in (
        (("--seed", "3"), "takes --seeds"),
        (("--data", "missing.txt"), "no text missing.txt"),
        (("-a", "hermite:3", "--calibrate", "bogus"), "bogus"),
        (("-a", "hermite:3@"), "no start after the @"),
        (("-a", "relu2,gated=true"), "does not take a value"),
        (("--lr-factor", "2"), "no activation of this study is generated"),
    ):
        code, _, err = command(capsys, "study", "gpt2", "-a", "gelu", *words, "--out", tmp_path / "study")
        assert code == 2
        assert said in complaint(err)
    assert not (tmp_path / "study").exists()
