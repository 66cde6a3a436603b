"""The numbers of the demo's runs, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sympy as sp

from learnact.training.config import from_json
from learnact.training.model.activation import choose
from learnact.training.run.session import trained_weights
from learnact.training.study.page.runs import Run
from learnact.training.study.tables import table

SMOOTHING = 20  # steps: what a single noisy batch stands for


def loss_table(runs: Sequence[Run]) -> str:
    """Training loss (mean of the last steps) and validation loss of each run, side by side."""
    head = ["step", *(f"{run.folder.name} {kind}" for run in runs for kind in ("train", "val"))]
    trained = [[line["loss"] for line in run.of("train")] for run in runs]
    rows = []
    for lines in zip(*(run.of("eval")[1:] for run in runs), strict=True):
        done = lines[0]["step"]
        means = [math.fsum(losses[max(0, done - SMOOTHING) : done]) / min(done, SMOOTHING) for losses in trained]
        pairs = zip(means, (line["loss"] for line in lines), strict=True)
        rows.append([str(done), *(f"{loss:.4f}" for pair in pairs for loss in pair)])
    return table(head, rows)


def verdict(runs: Sequence[Run], unit: str) -> str:
    """How far the validation loss of each run ended from the first one's."""
    first, *others = [(run.folder.name, run.of("eval")[-1]["loss"]) for run in runs]
    return "\n".join(f"{name}: {loss - first[1]:+.4f} {unit} against {first[0]}" for name, loss in others)


def sigma_table(runs: Sequence[Run]) -> str:
    """Standard deviation of each activation's input in the first and in the last step, layer by layer."""
    head = ["input sigma of", *(f"{run.folder.name} {when}" for run in runs for when in ("start", "end"))]
    columns = [look["layers"] for run in runs for look in (run.of("watch")[0], run.of("watch")[-1])]
    rows = [[layer[0]["path"], *(f"{place['sigma']:.3f}" for place in layer)] for layer in zip(*columns, strict=True)]
    return table(head, rows)


def summary(run: Run) -> dict[str, Any]:
    """What one run was and found, ready for JSON; `layers` has the parameters as they began and as they were learned.

    They began at the start for the sigma that the calibration measured, to two digits.
    """
    config = from_json(run.config)
    choice = choose(config.activation, config.start)
    first, last = (run.of("watch")[k]["layers"] for k in (0, -1))
    layers = [{"path": a["path"], "input_sigma": [a["sigma"], b["sigma"]]} for a, b in zip(first, last, strict=True)]
    if choice.learnable:
        weights, starts = trained_weights(run.folder), choice.starts(config)
        for layer, measured in zip(layers, run.of("begin")[0]["calibration"], strict=True):
            start = starts(sp.Rational(measured["rounded"]))
            layer["start"] = {name: list(values) for name, values in start.items()}
            layer["learned"] = {name: weights[f"{layer['path']}.{name}"].flatten().tolist() for name in start}
    return {
        "name": run.folder.name,
        "activation": run.record["activation"],
        "layers": layers,
        "train_loss": [line["loss"] for line in run.of("train")],
        "validation_loss": [[line["step"], line["loss"]] for line in run.of("eval")],
    }
