"""Scores on held-out data, shared among processes."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial

import torch
from accelerate import Accelerator
from torch import nn

from learnact.training.run.feed import feed
from learnact.training.run.processes import gather_rows, reshard
from learnact.training.run.recipe import Average
from learnact.training.run.task import Task, to_device

RAW = "raw_"
"""What stands before the name of a score of the weights themselves, beside that of the averaged ones."""


def both(
    task: Task, model: nn.Module, accelerator: Accelerator, average: Average | None, split: str = "validation"
) -> dict[str, float]:
    """Scores of the averaged weights and, under names that begin with RAW, of the weights; of these alone without."""
    scores = evaluate(task, model, accelerator, average, split)
    if average is None:
        return scores
    return scores | {f"{RAW}{name}": score for name, score in evaluate(task, model, accelerator, None, split).items()}


@torch.no_grad()
def evaluate(
    task: Task, model: nn.Module, accelerator: Accelerator, average: Average | None = None, split: str = "validation"
) -> dict[str, float]:
    """Mean scores over all batches of the validation or the test, with the averaged weights if there are any.

    Every process takes its share; where they do not divide evenly, the last rounds repeat a batch that is not
    counted, for the processes of a sharded model must all pass through it equally often.
    """
    count, world, rank = task.batches.held_out_batches(split), accelerator.num_processes, accelerator.process_index
    mine = [min(first + rank, count - 1) for first in range(0, count, world)]
    batches = feed(mine, partial(task.batches.held_out, split), task.config.workers, accelerator.device)
    rows: list[list[float]] = []
    names: list[str] = []
    mode = model.training
    model.eval()
    with average.in_place() if average is not None else nullcontext():
        for batch in batches:
            with accelerator.autocast():
                size, sums = task.score(model, to_device(batch, accelerator.device))
            names = list(sums)
            rows.append([size, *sums.values()])
        reshard(model)
    model.train(mode)
    counted = gather_rows(rows, accelerator)[:count]
    sums_of = zip(*counted, strict=True)
    sizes = math.fsum(next(sums_of))
    return {name: math.fsum(column) / sizes for name, column in zip(names, sums_of, strict=True)}
