"""What makes a learned shape end lower? Ways to train it, one change at a time, on seeds that report nothing else.

    python -m benchmarks.screens gpt2 --data TEXT --validation TEXT --seeds 100,101 --out benchmarks/results
    python -m benchmarks.screens gpt2 --only base,penalty-0.1 ...

Every way differs from `base`, hermite:3 behind calibrated weights, in one thing. A screen only says what is worth a
study with seeds of its own; the losses are of the validation text. Runs that are done are kept in screens-TASK.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.tables import provenance, save, table
from learnact import LearnactError, calibrate
from learnact.training.config import TASKS, Config
from learnact.training.data.windows import Batch
from learnact.training.model.activation import choose
from learnact.training.model.learnable import activation_parameters
from learnact.training.run.evaluate import both
from learnact.training.run.loop import Training, update
from learnact.training.run.presets import configure
from learnact.training.run.processes import connect
from learnact.training.run.recipe import make_optimizer
from learnact.training.run.session import build
from learnact.training.run.task import Places, Task, open_task
from learnact.training.study.page.statistics import estimate

BASE: Mapping[str, Mapping[str, Any]] = {
    "gpt2": {"preset": "tiny", "steps": 600, "warmup": 30, "lr": 5.6e-3},
    "convnext": {
        "preset": "atto", "steps": 450, "warmup": 45, "batch": 64, "micro_batch": 64, "lr": 1.4e-3, "patch": 4,
        "ema": 0.0, "drop_path": 0.0, "rand_augment": 0, "erasing": 0.0, "mixup": 0.0, "cutmix": 0.0, "workers": 0,
    },
}  # fmt: skip
"""The settings of the studies whose claim this tries to strengthen; steps between looks do not matter here."""

NODES = 33
"""Of the Gauss-Hermite rule of E[F'^2]: exact for polynomial slopes of degree 32."""

Moment = Callable[[Training, int], None]


@dataclass(frozen=True)
class Way:
    """One way to train: what it changes of the configuration, what it does before a step, what it adds to the loss."""

    about: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    before: Moment = lambda training, step: None
    penalty: float = 0.0


def shapes_learn(training: Training, learn: bool) -> None:
    """Let the optimizer move the shapes, or keep them."""
    shapes = {id(p) for p in activation_parameters(training.model)}
    for group in training.optimizer.param_groups:
        if {id(p) for p in group["params"]} <= shapes:
            group["initial_lr"] = training.config.lr * training.config.lr_factor * learn


def kept_from(share: float) -> Moment:
    """Shapes learn until this share of the steps."""
    return lambda training, step: shapes_learn(training, step < share * training.config.steps)


def begun_at(share: float) -> Moment:
    """Shapes learn from this share of the steps on."""
    return lambda training, step: shapes_learn(training, step >= share * training.config.steps)


def calibrated_again(training: Training, step: int) -> None:
    """Twice the warm-up in, each shape gets the start for the sigma that it is fed by then, E[F^2] = sigma^2."""
    if step == 2 * training.config.warmup:
        batch = training.task.batches.batch(step, 0)
        training.model.eval()
        calibrate(training.places, lambda: training.task.loss(training.model, batch))
        training.model.train()


WAYS: Mapping[str, Way] = {
    "base": Way("hermite:3, balanced, behind calibrated weights"),
    "kept": Way("the shape is kept at its start", {"trainable": "weights"}),
    "half": Way("the shape is kept from half of the steps on", before=kept_from(0.5)),
    "late": Way("the shape learns from a tenth of the steps on", before=begun_at(0.1)),
    "again": Way("calibrated again after twice the warm-up", before=calibrated_again),
    "penalty-0.1": Way("0.1 (E[F'^2] - 1)^2, mean over the places, is added to the loss", penalty=0.1),
    "penalty-1": Way("1 (E[F'^2] - 1)^2, mean over the places, is added to the loss", penalty=1.0),
    "channels": Way("one shape per channel", {"per_channel": True}),
    "shared": Way("one shape for all places, calibrated by its start", {"shared": True, "calibrate": "preserve"}),
    "factor-1": Way("rate factor 1 in place of 5", {"lr_factor": 1.0}),
    "factor-20": Way("rate factor 20", {"lr_factor": 20.0}),
    "scaled-relu2": Way("ReLU squared, its scale, stretch and offset learned", {"activation": "scaled_relu2"}),
    "residual": Way("residual_relu2:3: ReLU squared and a correction", {"activation": "residual_relu2:3"}),
    "curved-1": Way("start curved, curvature 1: E F = 0", {"start": "curved,curvature=1"}),
    "curved-2": Way("start curved, curvature 2", {"start": "curved,curvature=2"}),
    "degree-5": Way("hermite:5", {"activation": "hermite:5"}),
    "degree-8": Way("hermite:8", {"activation": "hermite:8"}),
    "tropical-2": Way("tropical:2, three pieces", {"activation": "tropical:2"}),
    "fourier-3": Way("fourier:3", {"activation": "fourier:3"}),
}


class Penalized:
    """A task whose loss also counts how far E[F'^2] of every place is from 1 under N(0, 1)."""

    def __init__(self, task: Task, places: list[nn.Module], weight: float) -> None:
        self._task, self._places, self._weight = task, places, weight
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self._nodes = torch.tensor(nodes, dtype=torch.float32)
        self._weights = torch.tensor(weights / weights.sum(), dtype=torch.float32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The task's loss and, in training, the penalty."""
        loss = self._task.loss(model, batch)
        if not model.training:
            return loss
        return loss + self._weight * torch.stack([(self.slope_second(p) - 1) ** 2 for p in self._places]).mean()

    def slope_second(self, place: nn.Module) -> Tensor:
        """E[F'^2] under N(0, 1), differentiable in the parameters."""
        x = self._nodes.requires_grad_()
        (slope,) = torch.autograd.grad(place.forward(x).sum(), x, create_graph=True)
        return (self._weights * slope.square()).sum()


def trained(way: Way, task_name: str, places: Places, seed: int) -> float:
    """The final validation loss; infinite for a run that diverges."""
    changes = {"activation": "hermite:3", "start": "", "calibrate": "weights", **BASE[task_name], "seed": seed}
    preset = changes.pop("preset")
    config: Config = configure(task_name, preset, {**changes, **way.changes})
    choice = choose(config.activation, config.start)
    accelerator = connect(config, cpu=True)
    task = open_task(config, places)
    model, swapped, _ = build(config, task, choice, calibrated=True)
    if way.penalty:
        task = Penalized(task, [s.new for s in swapped], way.penalty)
    training = Training(config, task, model, model, swapped, make_optimizer(model, config), None, accelerator)
    model.train()
    batches = _batches(task)
    for step in range(config.steps):
        way.before(training, step)
        loss, norm = update(training, batches, step, [])
        if not np.isfinite([loss, norm]).all():
            return float("inf")
    return both(task, model, accelerator, None)["loss"]


def _batches(task: Task) -> Iterator[Batch]:
    for step in range(task.config.steps):
        for micro in range(task.config.micro_batches):
            yield task.batches.batch(step, micro)


def page(task_name: str, rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    """The screen as markdown: losses by seed and the paired difference from the base."""
    seeds = sorted({r["seed"] for r in rows})
    loss = {(r["way"], r["seed"]): r["loss"] for r in rows}
    lines = []
    for name, way in WAYS.items():
        if (name, seeds[0]) not in loss:
            continue
        gaps = [loss[name, s] - loss["base", s] for s in seeds if (name, s) in loss and ("base", s) in loss]
        found = estimate(gaps) if len(gaps) > 1 and np.isfinite(gaps).all() else None
        gap = "" if name == "base" else found.text(sign=True) if found else f"{np.mean(gaps):+.3f}"
        lines.append([name, way.about, *(f"{loss.get((name, s), np.nan):.3f}" for s in seeds), gap])
    settings = ", ".join(f"{k} {v}" for k, v in BASE[task_name].items())
    return f"""# Ways to train a shape: {task_name}

Written by `python -m benchmarks.screens {task_name} --data DATA --out benchmarks/results`; {about["date"]},
{about["cpu"]}, torch {about["versions"]["torch"]}. One change at a time; validation loss on seeds that
report nothing else; the paired difference from `base` with half a 95 % t interval. This says what is worth a study, and
no more: nothing is corrected for the number of ways.

{table(["way", "what differs", *(f"seed {s}" for s in seeds), "against base"], lines)}

All runs: {settings}.
"""


def main() -> int:
    """Train what is not yet there, print and keep; 2 for bad input."""
    parser = argparse.ArgumentParser(description="Ways to train a shape, one change at a time.")
    parser.add_argument("task", choices=[*TASKS])
    parser.add_argument("--data", nargs="*", default=[], help="as of learnact-train")
    parser.add_argument("--validation", nargs="*", default=[], help="as of learnact-train")
    parser.add_argument("--seeds", default="100,101", help="by comma")
    parser.add_argument("--only", default=",".join(WAYS), help="ways, by comma")
    parser.add_argument("--out", type=Path, required=True, help="folder for screens-TASK.json and .md")
    options = parser.parse_args()
    asked = options.only.split(",")
    if unknown := sorted({*asked} - {*WAYS}):
        parser.error(f"no way {', '.join(unknown)}; there are {', '.join(WAYS)}")
    kept = options.out / f"screens-{options.task}.json"
    rows: list[dict[str, Any]] = json.loads(kept.read_text())["rows"] if kept.exists() else []
    places = Places(tuple(options.data), tuple(options.validation))
    for seed in map(int, options.seeds.split(",")):
        for name in dict.fromkeys(["base", *asked]):
            if any((r["way"], r["seed"]) == (name, seed) for r in rows):
                continue
            try:
                loss = trained(WAYS[name], options.task, places, seed)
            except LearnactError as err:
                print(f"{name}: {err}", file=sys.stderr)
                return 2
            rows.append({"way": name, "seed": seed, "loss": loss})
            print(f"{name}, seed {seed}: {loss:.4f}", file=sys.stderr, flush=True)
            about = provenance()
            save(kept, {**about, "rows": rows})
            kept.with_suffix(".md").write_text(page(options.task, rows, about))
    print(page(options.task, rows, provenance()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
