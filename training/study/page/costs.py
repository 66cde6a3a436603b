"""What the settings cost, and what their activations learned, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from learnact.training.study.page.runs import Group, Run

EXPLANATION = (
    "Time of a step: the median over the run, waiting for data included, evaluation, looks and checkpoints left out; "
    "throughput at that time, over all processes; peak memory of the first process, or of its GPU. Each is the median "
    "over the seeds that ended, and compares only where the runs had the same machine to themselves."
)
RATES = ("tokens_per_second", "images_per_second")
MEGABYTE = 1e6


def costs(groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: parameters, those of the activations, time of a step, throughput and memory of each group."""
    rates = [r for r in RATES if any(r in line for g in groups for run in g.runs for line in run.of("speed"))]
    head = ["setting", "parameters", "of activations", "step, ms", *(r.replace("_", " ") for r in rates), "peak, MB"]
    rows = []
    for group in groups:
        begun = next(iter(group.shown.of("begin")), {})
        row = [group.name, *(_count(begun.get(n)) for n in ("parameters", "activation_parameters"))]
        row.append(_number(_typical(group, "step_seconds"), 1e3, ".1f"))
        row += [_number(_typical(group, rate), 1, ",.0f") for rate in rates]
        row.append(_number(_typical(group, "peak_memory_bytes"), 1 / MEGABYTE, ",.0f"))
        rows.append(row)
    return head, rows


def learned(run: Run) -> tuple[list[str], list[list[str]]]:
    """Head and rows: every parameter of every activation of a run, at its start and after the last step."""
    head = ["activation", "parameter", "at the start", "learned"]
    first = {place["path"]: place for line in run.of("begin") for place in line.get("coefficients", [])}
    rows = []
    for line in run.of("learned")[-1:]:
        for place in line["coefficients"]:
            began = first[place["path"]]["parameters"]
            rows += [[place["path"], name, _shape(began[name]), _shape(v)] for name, v in place["parameters"].items()]
    return head, rows


def _typical(group: Group, name: str) -> float | None:
    """The median over runs of the median over a run; of the peak, its last."""
    runs = group.complete or group.runs
    found = [[line[name] for line in run.of("speed") if line.get(name) is not None] for run in runs]
    each = [values[-1] if name.startswith("peak") else median(values) for values in found if values]
    return median(each) if each else None


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _number(value: float | None, factor: float, form: str) -> str:
    return "" if value is None else format(value * factor, form)


def _shape(values: Any) -> str:
    """Numbers in a row; of one per channel `mean ± deviation`."""
    if isinstance(values, dict):
        pairs = zip(values["mean"], values["deviation"], strict=True)
        return ", ".join(f"{mean:.4g} ± {deviation:.2g}" for mean, deviation in pairs)
    return ", ".join(f"{value:.5g}" for value in values)
