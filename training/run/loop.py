"""The training loop. What a step does depends on its number, the configuration and the data, and on nothing else.

Hence a run that was killed goes on from its last checkpoint with the losses it would have had, and several processes
give the losses of one: a step's batch is cut into numbered micro-batches, each with random numbers of its own, and a
process takes every `world`-th of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from learnact.training.config import Config
from learnact.training.data.randomness import seed_of
from learnact.training.data.windows import Batch
from learnact.training.errors import TrainError
from learnact.training.model.swap import Swapped
from learnact.training.run.checkpoint import Store, collect
from learnact.training.run.evaluate import both
from learnact.training.run.feed import feed
from learnact.training.run.log import Log
from learnact.training.run.processes import gather_rows, unsynchronized, whole
from learnact.training.run.recipe import Average, rate, set_rate
from learnact.training.run.speed import Meter
from learnact.training.run.task import Batches, Task, to_device
from learnact.training.run.watch import Place, as_record, note_parameter_gradients, watching

GRADIENT = "the gradient norm of step {} is {}, with which no update was made"


class Diverged(TrainError):
    """A loss or a gradient that is not finite."""

    exit_code = 1


@dataclass
class Training:
    """Everything a step touches."""

    config: Config
    task: Task
    model: nn.Module  # what is saved and evaluated
    wrapped: nn.Module  # what is called in training: the same, or its replica among processes
    places: list[Swapped]
    optimizer: torch.optim.Optimizer
    average: Average | None
    accelerator: Accelerator


def train(training: Training, store: Store, log: Log | None, first: int) -> None:
    """Take the steps `first`, `first + 1`, … up to the configuration's; `log` is the main process's alone.

    Raises Diverged, with the last checkpoint kept, and NoSpace.
    """
    config, clock = training.config, time.perf_counter()
    batches = _feed(training, first)
    meter = Meter(training.accelerator.device, config.batch * training.task.per_sample, training.task.counted)
    if first == 0:
        _evaluate(training, log, 0)
    training.model.train()
    for step in range(first, config.steps):
        done = step + 1
        last = done == config.steps
        if step % config.watch_every == 0 or last:
            with (
                meter.step(watched=True),
                watching(training.places, _rounds(training)) as seen,
                torch.compiler.set_stance("force_eager"),
            ):
                loss, norm = update(training, batches, step, seen)
            if log:
                log.write("watch", done, layers=as_record(seen))
        else:
            with meter.step(watched=False):
                loss, norm = update(training, batches, step, [])
        if log:
            log.write(
                "train",
                done,
                loss=loss,
                lr=rate(config, step),
                gradient_norm=norm,
                seconds=round(time.perf_counter() - clock, 3),
            )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"the loss of step {done} is {loss}" if not math.isfinite(loss) else GRADIENT.format(done, norm)
            raise Diverged(f"{what}; lower --lr or --lr-factor, or choose another --start")
        if done % config.eval_every == 0 or last:
            if log:
                log.write("speed", done, **meter.read())
            _evaluate(training, log, done)
        if done % config.checkpoint_every == 0 or last:
            state = collect(training.model, training.optimizer, training.average, keep=log is not None)
            if log:
                log.sync()
                store.save(done, state)


def update(training: Training, batches: Iterator[Batch], step: int, seen: list[Place]) -> tuple[float, float]:
    """One update; the mean loss of the whole batch and the gradient's norm before clipping.

    None is made, on no process, where one of the two is not finite: weights, moments and averages stay as they were.
    """
    config, accelerator = training.config, training.accelerator
    rounds = _rounds(training)
    losses: list[list[float]] = []
    for k in range(rounds):
        micro = k * accelerator.num_processes + accelerator.process_index
        batch = to_device(next(batches), accelerator.device)
        torch.manual_seed(seed_of("forward", config.seed, step, micro))
        with unsynchronized(training.wrapped, last=k == rounds - 1):
            with accelerator.autocast():
                loss = training.task.loss(training.wrapped, batch)
            (loss / rounds).backward()
        losses.append([loss.item()])
    if seen:
        note_parameter_gradients(seen, training.places)
    parameters = [p for p in training.model.parameters() if p.requires_grad]
    norm = whole(nn.utils.clip_grad_norm_(parameters, config.clip or math.inf)).item()
    every = gather_rows(losses, accelerator)
    loss_of_all = math.fsum(value for (value,) in every) / len(every)
    if math.isfinite(norm) and math.isfinite(loss_of_all):
        set_rate(training.optimizer, rate(config, step) / config.lr)
        training.optimizer.step()
        if training.average is not None:
            training.average.update(step)
    training.optimizer.zero_grad()
    return loss_of_all, norm


def _rounds(training: Training) -> int:
    return training.config.micro_batches // training.accelerator.num_processes


def _evaluate(training: Training, log: Log | None, done: int) -> None:
    scores = both(training.task, training.model, training.accelerator, training.average)
    if log:
        log.write("eval", done, **scores)
    if not math.isfinite(scores["loss"]):
        raise Diverged(
            f"the validation loss after step {done} is {scores['loss']}; lower --lr or choose another --start"
        )


def _feed(training: Training, first: int) -> Iterator[Batch]:
    """The micro-batches of this process, in order."""
    config, accelerator = training.config, training.accelerator
    micros = range(accelerator.process_index, config.micro_batches, accelerator.num_processes)
    numbers = range((config.steps - first) * len(micros))
    return feed(numbers, _Schedule(training.task.batches, first, micros), config.workers, accelerator.device)


@dataclass(frozen=True)
class _Schedule:
    """From how many micro-batches this process has had to the next one; an object, for workers may have to load it."""

    batches: Batches
    first: int
    micros: range

    def __call__(self, number: int) -> Batch:
        step, k = divmod(number, len(self.micros))
        return self.batches.batch(self.first + step, self.micros[k])
