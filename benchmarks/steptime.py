"""What a training step of GPT-2 costs with each activation, in one process: every round takes one step of each.

    python -m benchmarks.steptime --out benchmarks/results     # some minutes, on a machine that does nothing else

Steps are those of `learnact-train gpt2 --preset tiny` on its default text: forward, backward, clipping and AdamW.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.tables import provenance, save, table
from learnact.training.data.windows import Batch
from learnact.training.model.activation import choose
from learnact.training.run.loop import Training, update
from learnact.training.run.presets import configure
from learnact.training.run.processes import connect, distribute
from learnact.training.run.recipe import make_optimizer
from learnact.training.run.session import build
from learnact.training.run.task import Places, Task, open_task

ACTIVATIONS = "gelu relu relu2 hermite:3 hermite:5 fourier:6 tropical:6 tropical_rational:6".split()
ROUTES = "compiled", "eager"
REFERENCE = "gelu"
WARM_UP = 5
"""Rounds that are not counted: they compile, and fill caches."""


@dataclass
class Run:
    """One model in training, and the seconds that its steps took."""

    activation: str
    route: str
    training: Training
    batches: Iterator[Batch]
    seconds: list[float] = field(default_factory=list)

    def step(self, number: int) -> None:
        """Take a step and note its time."""
        begin = time.perf_counter()
        update(self.training, self.batches, number, [])
        self.seconds.append(time.perf_counter() - begin)


def prepare(activation: str, route: str, rounds: int) -> Run:
    """Build the model with its calibrated activation, as `learnact-train` does."""
    changes = {"activation": activation, "compile": route == "compiled", "steps": 1000}
    config = configure("gpt2", "tiny", changes)
    accelerator = connect(config, cpu=True)
    task: Task = open_task(config, Places())
    model, places, _ = build(config, task, choose(activation), calibrated=True)
    wrapped = distribute(model, places, config, accelerator)
    model.train()
    training = Training(config, task, model, wrapped, places, make_optimizer(model, config), None, accelerator)
    batches = [task.batches.batch(step, 0) for step in range(WARM_UP + rounds)]
    return Run(activation, route, training, iter(batches))


def measure(rounds: int, activations: Sequence[str] = ACTIVATIONS) -> list[dict[str, object]]:
    """Rows with the median milliseconds and the median ratio to GELU by the same route within a round."""
    torch._dynamo.config.recompile_limit = 1 + len(activations)  # all models share transformers' code
    runs = {(a, route): prepare(a, route, rounds) for route in ROUTES for a in activations}
    for number in range(WARM_UP + rounds):
        for run in runs.values():
            run.step(number)
        if number < WARM_UP:
            print(f"round {number + 1} of {WARM_UP} to warm up", file=sys.stderr, flush=True)
    rows: list[dict[str, object]] = []
    for (activation, route), run in runs.items():
        reference = runs[REFERENCE, route].seconds
        pairs = list(zip(run.seconds, reference, strict=True))[WARM_UP:]
        rows.append(
            {
                "activation": activation,
                "route": route,
                "ms": round(statistics.median(mine for mine, _ in pairs) * 1e3, 1),
                "ratio": round(statistics.median(mine / theirs for mine, theirs in pairs), 3),
            }
        )
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Time per training step of a small GPT-2.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default=",".join(ACTIVATIONS), help="activations, by comma; gelu is always timed")
    parser.add_argument("--out", type=Path, help="folder for steptime-gpt2.md and .json (default: none are written)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = measure(options.rounds, [REFERENCE, *(a for a in options.only.split(",") if a != REFERENCE)])
    about = provenance()
    cells = [[*list(row.values())[:3], f"{row['ratio']:.2f}"] for row in rows]
    text = f"""# Training step of GPT-2

Written by `python -m benchmarks.steptime --out benchmarks/results`; {about["date"]}, {about["cpu"]},
torch {about["versions"]["torch"]}, {options.threads} threads. GPT-2, 0.8M parameters, float32, 16 x 128 tokens a batch.
Forward to optimizer, {options.rounds} rounds of a step each; ratio: median within rounds, to GELU by the same route.

{table(["activation", "route", "ms a step", "ratio"], cells)}
"""
    print(text)
    if options.out:
        save(options.out / "steptime-gpt2.json", {**about, "threads": options.threads, "rows": rows})
        (options.out / "steptime-gpt2.md").write_text(text)


if __name__ == "__main__":
    main()
