"""Put a fitted activation into a trained model and train nothing but its shape."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from learnact.files import write_whole
from learnact.training.config import Config
from learnact.training.errors import BadConfig, TrainError
from learnact.training.model.activation import choose
from learnact.training.run import log
from learnact.training.run.evaluate import evaluate
from learnact.training.run.processes import distribute
from learnact.training.run.session import build, read_record, require_complete, run
from learnact.training.run.task import Places, open_task

SUMMARY = "finetune.json"


class TooFar(TrainError):
    """A loss after the swap that is farther from the original's than was stated."""

    exit_code = 1


def finetune(source: Path, out: Path, changes: dict[str, Any], max_gap: float, *, cpu: bool = False) -> dict[str, Any]:
    """Swap, check the distance, train the activations; return the scores `original`, `swapped` and `tuned`.

    `source` is the folder of a complete run with a classical activation. Raises TooFar when the validation loss rises
    by more than `max_gap` in the swap, before anything is trained, and BadConfig when `source` is no such run.
    """
    before, places = read_record(source)
    require_complete(source)
    if choose(before.activation, before.start).learnable:
        raise BadConfig(f"{source} was trained with {before.activation}; finetune starts from a classical activation")
    if changes.get("gated", before.gated) != before.gated:
        kind = "has gated blocks" if before.gated else "has no gated blocks"
        raise BadConfig(f"the model of {source} {kind}, and its weights fit no other; leave out the other kind")
    config = replace(
        before, **{"lr_factor": 1.0, **changes}, initial=str(source), trainable="activations", ema=0.0, weight_decay=0.0
    )
    original = _score(replace(before, initial=str(source)), places, cpu)
    swapped = _score(config, places, cpu)
    gap = swapped["loss"] - original["loss"]
    if not gap <= max_gap:
        raise TooFar(
            f"the loss goes from {original['loss']:.4f} to {swapped['loss']:.4f} in the swap, which is more than "
            f"--max-gap {max_gap}; choose a higher degree or another family"
        )
    run(config, lambda c: open_task(c, places), out, cpu=cpu)
    tuned = [line for line in log.read(out) if line["kind"] == "eval"][-1]
    summary = {
        "original": original,
        "swapped": swapped,
        "tuned": {name: tuned[name] for name in original},
        "gap": gap,
        "max_gap": max_gap,
    }
    write_whole(out / SUMMARY, json.dumps(summary, indent=1) + "\n", force=True)
    return summary


def _score(config: Config, places: Places, cpu: bool) -> dict[str, float]:
    accelerator = Accelerator(mixed_precision="bf16" if config.precision == "bf16" else "no", cpu=cpu)
    task = open_task(config, places)
    model, swapped, _ = build(config, task, choose(config.activation, config.start), calibrated=True)
    distribute(model, swapped, replace(config, compile=False), accelerator)
    return evaluate(task, model, accelerator)
