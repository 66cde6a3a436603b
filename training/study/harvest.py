"""Learn a shape per layer, then hard-code it: each learned activation as a module without parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from learnact import Declaration, emit, frozen_expression, load, verify
from learnact.files import write_whole
from learnact.training.errors import BadConfig, TrainError
from learnact.training.model.activation import choose
from learnact.training.model.learnable import is_learnable, numbers_of
from learnact.training.run.evaluate import evaluate
from learnact.training.run.processes import distribute
from learnact.training.run.session import open_run, read_record, require_complete
from learnact.training.run.task import open_task

SUMMARY = "harvest.json"


class Unfaithful(TrainError):
    """A fixed module that its own expression does not verify, or scores that move more than rounding does."""

    exit_code = 1


MOST_MOVED = 1e-4
"""Nats by which the loss may move: in float32 the same polynomial by Horner's rule rounds otherwise, some 1e-6."""


@dataclass(frozen=True)
class Harvested:
    """One place of a trained model."""

    path: str
    expression: str
    file: Path


def harvest(run_folder: Path, out: Path, *, cpu: bool = False) -> tuple[list[Harvested], dict[str, dict[str, float]]]:
    """Write the learned shape of every place of a complete run as an emitted module into `out`, and verify each.

    Returns them, and the scores of the run's model on the held-out data with its learned activations ("learned") and
    with the fixed ones in their places ("fixed"). One shape that serves several places is one file.

    Raises BadConfig for a run that is not complete, has no learnable activation or one shape per channel, Unfaithful
    where a file is not verified or a loss moves by more than MOST_MOVED.
    """
    require_complete(run_folder)
    config, places = read_record(run_folder)
    choice = choose(config.activation, config.start)
    if not choice.learnable:
        raise BadConfig(f"{run_folder} was trained with {config.activation}, which learned no shape")
    if config.per_channel:
        raise BadConfig(
            f"{run_folder} has one shape per channel; harvest takes one per layer, or one for all (--shared)"
        )
    model, task = open_run(run_folder), open_task(config, places)
    accelerator = Accelerator(mixed_precision="bf16" if config.precision == "bf16" else "no", cpu=cpu)
    distribute(model, [], config, accelerator)
    scores = {"learned": evaluate(task, model, accelerator)}
    found: list[Harvested] = []
    fixed: dict[Any, Any] = {}
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if not is_learnable(module):
            continue
        if module not in fixed:
            values = {name: p.detach().double().flatten().tolist() for name, p in numbers_of(module).items()}
            fixed[module] = _written(choice.target, values, f"{type(module).__name__}Fixed{len(fixed)}", out)
        expression, file = fixed[module]
        found.append(Harvested(path, expression, file))
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, load(str(file))())
    scores["fixed"] = evaluate(task, model, accelerator)
    moved = abs(scores["fixed"]["loss"] - scores["learned"]["loss"])
    if not moved <= MOST_MOVED:
        raise Unfaithful(f"with the fixed modules the loss moves by {moved:.2g}, more than {MOST_MOVED:g}: {scores}")
    write_whole(out / SUMMARY, json.dumps(_summary(found, scores), indent=1) + "\n", force=True)
    return found, scores


def _written(
    target: str | Declaration, values: Mapping[str, Sequence[float]], name: str, out: Path
) -> tuple[str, Path]:
    expression = frozen_expression(target, values)
    file = out / emit(Declaration(expr=expression, name=name), out, force=True).filename
    report = verify(file, quick=True)
    if not report.ok:
        odd = ", ".join(check.name for check in report.checks if not check.passed)
        raise Unfaithful(f"{file} is not verified ({odd}); learnact-gen verify {file} tells where")
    return expression, file


def _summary(found: Sequence[Harvested], scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    places = [{"path": h.path, "file": h.file.name, "expression": h.expression} for h in found]
    return {"places": places, "scores": scores}
