"""The page of the original experiments says what the presets are, and what reruns of them need can be set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import TINY, command, complaint, lines

import learnact.transformers
from learnact import start
from learnact.training.cli import results
from learnact.training.config import TASKS, Config, Gpt2
from learnact.training.model.activation import choose
from learnact.training.model.models import build_convnext, build_gpt2
from learnact.training.run.presets import PRESETS, configure
from learnact.training.run.recipe import make_optimizer

PAGE = (Path(__file__).parents[3] / "docs/paper.md").read_text(encoding="utf-8")
DEFAULT = {"gpt2": "tiny", "convnext": "micro"}
NO_HYPERPARAMETERS = {
    "preset", "seed", "initial", "trainable", "evaluation", "compile", "shard", "micro_batch", "watch_every",
    *Config.OPERATIONAL,
}  # fmt: skip
"""What names a run, what is the machine's, and what no original could have."""


def show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def columns(page: str, heading: str) -> dict[str, tuple[str, str]]:
    """Setting -> what the page says of `--preset paper` and of the default."""
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \| ([^|]*) \|[^|]*\|$", section, re.MULTILINE)
    return {name: (paper, default) for name, paper, default in rows}


def wrong(said: Mapping[str, tuple[str, str]], task: str) -> set[str]:
    paper, default = PRESETS[task]["paper"], PRESETS[task][DEFAULT[task]]
    due = {f.name for f in fields(TASKS[task])} - NO_HYPERPARAMETERS
    is_so = {name: (show(getattr(paper, name)), show(getattr(default, name))) for name in due}
    return {name for name in is_so.keys() | said.keys() if is_so.get(name) != said.get(name)}


@pytest.mark.parametrize(("task", "heading"), [("gpt2", "GPT-2"), ("convnext", "ConvNeXt")])
def test_the_tables_of_the_page_are_the_presets(task: str, heading: str) -> None:
    said = columns(PAGE, heading)
    assert len(said) > 20
    assert wrong(said, task) == set()
    assert wrong(said | {"lr": ("1", "1")}, task) == {"lr"}
    assert wrong({k: v for k, v in said.items() if k != "eps"}, task) == {"eps"}


def test_the_page_says_the_starts() -> None:
    found = [start(spec, "paper") for spec in ("hermite:3", "fourier_free:5")]
    numbers = [
        found[0]["coefficients"][1],
        found[0]["coefficients"][0],
        found[1]["coefficients"][0],
        *found[1]["offset"],
    ]
    assert "aₖ = {:.3f}, a₀ = {:.3f} |".format(*numbers[:2]) in PAGE
    assert "aₖ = {:.3f}, a₀ = {:.3f}, else".format(*numbers[2:]) in PAGE
    assert found[1]["frequencies"] == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert start("tropical:5", "paper")["offsets"] == (0.0,) * 6


def test_another_activation_has_its_own_start() -> None:
    assert (configure("gpt2", "paper", {}).activation, configure("gpt2", "paper", {}).start) == ("hermite:3", "paper")
    other = configure("convnext", "paper", {"activation": "tropical:5"})
    assert choose(other.activation, other.start).start == "balanced"
    assert configure("gpt2", "paper", {"activation": "gelu"}).start == ""
    assert configure("gpt2", "paper", {"activation": "hermite:3", "steps": 10}).start == "paper"


def small(**changes: Any) -> Gpt2:
    config = configure("gpt2", "tiny", {"layers": 1, "width": 32, "heads": 2, "context": 8, **changes})
    assert isinstance(config, Gpt2)
    return config


@pytest.mark.parametrize("gated", [False, True])
def test_without_biases(gated: bool, tmp_path: Path) -> None:
    biased, model = (build_gpt2(small(bias=b, gated=gated), 257, 256).eval() for b in (True, False))
    assert not [name for name, _ in model.named_parameters() if name.endswith("bias")]
    tokens = torch.arange(8)[None]
    assert torch.equal(model(input_ids=tokens).logits, biased(input_ids=tokens).logits), "first biases are 0"
    model.save_pretrained(tmp_path)
    again = learnact.transformers.from_pretrained(tmp_path)
    assert torch.equal(again(input_ids=tokens).logits, model(input_ids=tokens).logits)
    with torch.device("meta"):
        whole = build_gpt2(configure("gpt2", "paper", {}), 50257, 50256)  # nanoGPT says 123.59M, positions apart
        assert sum(p.numel() for p in whole.parameters()) - 1024 * 768 == 123_587_328


def test_the_optimizer_and_the_first_weights_are_as_asked() -> None:
    model = build_gpt2(small(init_std=0.05), 257, 256)
    assert model.transformer.h[0].attn.c_attn.weight.std().item() == pytest.approx(0.05, rel=0.05)
    group = make_optimizer(model, small(beta1=0.8, eps=1e-6)).param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.8, 0.99), 1e-6)
    convnext = configure("convnext", "micro", {"init_std": 0.05, "layer_scale": 0.5})
    built = build_convnext(convnext, 10)  # type: ignore[arg-type]
    layer = built.convnext.encoder.stages[3].layers[0]
    assert layer.pwconv1.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert layer.layer_scale_parameter.unique().tolist() == [0.5]


def test_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = ("convnext", "--batch", "4", "--steps", "2", "--cpu", "--layer-scale", "0.5", "--drop-path", "0.1")
    sizes = ("--depths", "1,1", "--widths", "8,16", "--beta1", "0.8", "--eps", "1e-6", "--init-std", "0.05")
    code, _, err = command(capsys, *digits, *sizes, "--out", tmp_path / "digits")
    assert code == 0, err
    evaluations = [line for line in lines(tmp_path / "digits") if line["kind"] in {"eval", "test"}]
    assert all({"loss", "raw_loss", "accuracy", "raw_accuracy"} <= line.keys() for line in evaluations)
    assert evaluations[0]["loss"] == evaluations[0]["raw_loss"]
    assert evaluations[-1]["loss"] != evaluations[-1]["raw_loss"]
    asked = results._parsed("convnext", (*digits[1:], *sizes, "--out", "x"))
    words = results._words(asked, ("out",))
    assert [words[words.index(o) + 1] for o in ("--depths", "--widths")] == ["1,1", "8,16"], "as a study hands them on"
    code, _, err = command(capsys, *TINY, "--no-bias", "-a", "hermite:3", "--out", tmp_path / "text")
    assert code == 0, err
    assert not [k for k in lines(tmp_path / "text") if "raw_loss" in k], "no averages, no other scores"
    for bad, said in (
        ((*digits, "--depths", "1,x", "--widths", "8,16"), "no list of whole numbers; write 3,3,9,3"),
        ((*digits, "--depths", "1,1"), "one for each stage, found 2 and 4"),
        ((*digits, "--depths", "1,0", "--widths", "8,16"), "depths are whole numbers above 0"),
        ((*digits, "--layer-scale", "-1"), "layer_scale must lie in"),
        ((*TINY, "--beta1", "1"), "beta1 must lie in"),
        ((*TINY, "--eps", "0"), "eps must lie in"),
        ((*TINY, "--validation", "documents:0.1", "--data", __file__), "divides the documents of one hub:NAME"),
        ((*TINY, "--validation", "documents:2", "--data", __file__), "is not documents:SHARE[:SEED]"),
    ):
        code, _, err = command(capsys, *bad, "--out", tmp_path / "none")
        assert code == 2
        assert said in complaint(err)
        assert not (tmp_path / "none").exists()
