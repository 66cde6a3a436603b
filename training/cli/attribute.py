"""`study --attribute`: the learning rates that each part is tried at, and the one that it is reported at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from learnact.training.study.attribution import Effect
    from learnact.training.study.grid import Cell, Outcome
    from learnact.training.study.page.runs import Group

Grid = Callable[[Sequence[str], Sequence[int], Path], "list[Cell]"]
"""Settings, seeds and a folder -> the runs, seeds outermost."""


def parse_rates(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> dict[str, list[str]]:
    """Part -> learning rates, of `shape=4e-3|6e-3`. Raises BadParameter for another form and a part given twice."""
    found: dict[str, list[str]] = {}
    for text in texts:
        part, equals, rates = text.partition("=")
        if not (part and equals and all(rates.split("|"))):
            raise click.BadParameter(f"{text!r} is not PART=LR[|LR]…; write shape=4e-3|6e-3")
        if part in found:
            raise click.BadParameter(f"{part} is given twice; write its rates as in {part}=4e-3|6e-3")
        found[part] = rates.split("|")
    return found


def refuse_unclear(
    activations: Sequence[str], starts: Sequence[str], seeds: Sequence[int], several: bool, choose_on: Sequence[int]
) -> None:
    """Raise UsageError for what an attribution cannot be made of."""
    if len(activations) != 1 or starts or len(seeds) < 2:
        raise click.UsageError("--attribute takes one -a SPEC[@START], no --start, and two --seeds or more")
    if "|" in activations[0]:
        raise click.UsageError("--attribute takes several learning rates by --rates PART=LR|LR, none in -a")
    if several and not choose_on:
        raise click.UsageError("several rates of a part need --choose-on SEEDS, others than --seeds, to choose one by")
    if choose_on and not several:
        raise click.UsageError("--choose-on chooses among several rates of a part; give them by --rates PART=LR|LR")
    if shared := sorted(set(seeds) & set(choose_on)):
        raise click.UsageError(f"seed {shared[0]} cannot choose rates and be reported; --choose-on takes other seeds")


def choose_rates(
    asked: Mapping[str, Sequence[str]],
    choose_on: Sequence[int],
    folder: Path,
    grid: Grid,
    conduct: Callable[[Sequence[Cell]], list[Outcome]],
) -> dict[str, str]:
    """Train every part of several rates at each of them, and keep the rate of the lowest mean validation loss.

    Raises BadConfig for a part that ends at none of them.
    """
    from learnact.training.study.attribution import chosen  # noqa: PLC0415

    several = {part: settings for part, settings in asked.items() if len(settings) > 1}
    settings = [setting for choices in several.values() for setting in choices]
    losses: dict[str, list[float]] = {setting: [] for setting in settings}
    outcomes = conduct(grid(settings, choose_on, folder)) if settings else []
    for number, outcome in enumerate(outcomes):
        losses[settings[number % len(settings)]].append(_loss(outcome))
    found = chosen(several, losses)
    for part, setting in found.items():
        tried = ", ".join(f"{s.rpartition('=')[2]}: {sum(losses[s]) / len(losses[s]):.4f}" for s in several[part])
        click.echo(f"{part}: {setting} (validation loss, mean of {len(choose_on)}: {tried})")
    return {part: found.get(part, choices[0]) for part, choices in asked.items()}


def attributed(groups: Sequence[Group], cells: Sequence[Cell], parts: Mapping[str, str]) -> list[Effect]:
    """The effects of an attribution among all runs of a study's folder; `parts` has the setting of each part."""
    from learnact.training.study.attribution import comparisons, effects  # noqa: PLC0415
    from learnact.training.study.page.statistics import scores  # noqa: PLC0415

    of_folder = {run.folder.resolve(): g for g in groups for run in g.runs}
    count = len(parts)  # the cells of a seed come in the order of the settings
    found = {part: of_folder[cell.folder.resolve()] for part, cell in zip(parts, cells[:count], strict=True)}
    names = {part: g.name for part, g in found.items()}
    return effects(comparisons(names), {g.name: scores(g, "test loss") for g in found.values()})


def _loss(outcome: Outcome) -> float:
    from learnact.training.study.page.runs import read_runs  # noqa: PLC0415

    if outcome.code:
        return math.inf
    (run,) = read_runs([outcome.cell.folder])
    loss = run.final("validation loss")
    return math.inf if loss is None else loss
