"""Scores on the validation data, shared among processes."""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import nn

from learnact.training.run.processes import gather_rows, reshard
from learnact.training.run.recipe import Average
from learnact.training.run.task import Task, to_device


@torch.no_grad()
def evaluate(
    task: Task, model: nn.Module, accelerator: Accelerator, average: Average | None = None
) -> dict[str, float]:
    """Mean scores over all validation batches, with the averaged weights if there are any.

    Every process takes its share; where they do not divide evenly, the last rounds repeat a batch that is not
    counted, for the processes of a sharded model must all pass through it equally often.
    """
    count, world, rank = task.batches.validation_batches, accelerator.num_processes, accelerator.process_index
    rows: list[list[float]] = []
    names: list[str] = []
    mode = model.training
    model.eval()
    with average.in_place() if average is not None else nullcontext():
        for first in range(0, count, world):
            number = min(first + rank, count - 1)
            batch = to_device(task.batches.validation(number), accelerator.device)
            with accelerator.autocast():
                size, sums = task.score(model, batch)
            names = list(sums)
            rows.append([size, *sums.values()])
        reshard(model)
    model.train(mode)
    counted = gather_rows(rows, accelerator)[:count]
    sums_of = zip(*counted, strict=True)
    sizes = math.fsum(next(sums_of))
    return {name: math.fsum(column) / sizes for name, column in zip(names, sums_of, strict=True)}
