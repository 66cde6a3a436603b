"""The commands over runs that ended: study, report, harvest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from learnact.training.cli import train
from learnact.training.cli.attribute import attributed, choose_rates, parse_rates, refuse_unclear
from learnact.training.config import FOR_GENERATED

if TYPE_CHECKING:
    from learnact.training.study.grid import Cell, Outcome

MOST_SEEDS = 1000
_FILE = click.Path(dir_okay=False, path_type=Path)


def _seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> list[int]:
    """`0-4`, `0,1,5`."""
    if text is None:
        return []
    ranges = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            ranges.append(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of seeds; write 0-4 or 0,1,5") from None
    count = sum(map(len, ranges))
    if not 0 < count <= MOST_SEEDS:
        raise click.BadParameter(f"{text!r} holds {count:,} seeds; a study takes 1 to {MOST_SEEDS:,}")
    return sorted({seed for part in ranges for seed in part})


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("task", type=click.Choice(["gpt2", "convnext"]))
@click.option(
    "--activation",
    "-a",
    "activations",
    multiple=True,
    required=True,
    help="NAME or SPEC[@START][,OPTION=VALUE[|VALUE]…]; repeat.",
)
@click.option("--start", "starts", multiple=True, metavar="NAME", help="For each SPEC without its own; repeat.")
@click.option(
    "--attribute",
    metavar="CLASSICAL",
    help="Which part of the lead over this function is scale, shape, learning: for the one -a SPEC.",
)
@click.option(
    "--rates",
    multiple=True,
    callback=parse_rates,
    metavar="PART=LR[|LR]…",
    help="Of raw, gain, scaled, scales-learned, shape or shape-learned, with --attribute; repeat.",
)
@click.option("--choose-on", callback=_seeds, metavar="SEEDS", help="Seeds by which one of several rates is chosen.")
@click.option("--seeds", default="0-2", show_default=True, callback=_seeds, help="0-4, or 0,1,5.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of run folders.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time.")
@click.option("--nice", "niceness", type=click.IntRange(0, 19), default=10, show_default=True, help="Of the runs.")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
def study(
    task: str,
    activations: tuple[str, ...],
    starts: tuple[str, ...],
    attribute: str | None,
    rates: dict[str, list[str]],
    choose_on: list[int],
    seeds: list[int],
    out: Path,
    jobs: int,
    niceness: int,
    rest: tuple[str, ...],
) -> int:
    """Train a grid of activations, starts and seeds; all other options are those of gpt2 or convnext.

    Each run is a process of its own. Given again, the study goes on where it was. Exit 1 if a run failed.
    """
    from learnact.training.study.grid import conduct, grid  # noqa: PLC0415

    wanted: dict[str, list[str]] = {}
    if attribute is not None:
        from learnact.training.study import attribution  # noqa: PLC0415

        wanted = attribution.settings(attribute, activations[0], rates)
        refuse_unclear(activations, starts, seeds, any(len(s) > 1 for s in wanted.values()), choose_on)
        activations = tuple(setting for choices in wanted.values() for setting in choices)
    elif rates or choose_on:
        raise click.UsageError("--rates and --choose-on are for --attribute; write -a hermite:3,lr=4e-3|6e-3")
    asked = _parsed(task, (*rest, "--out", str(out)))
    if "seed" in _given(asked):
        raise click.UsageError("a study takes --seeds, and gives each run its --seed")
    weights = asked.params["calibrate"] == "weights"  # for every activation
    spared = [name for name in FOR_GENERATED if name != "calibrate" or not weights]
    words, classical_words = _words(asked, ("out",)), _words(asked, ("out", *spared))

    def cells_of(settings: Sequence[str], of_seeds: Sequence[int], folder: Path) -> list[Cell]:
        return grid(task, settings, starts, of_seeds, folder, words, classical_words)

    def conducted(some: Sequence[Cell]) -> list[Outcome]:
        return conduct(some, jobs, niceness)

    for cell in cells_of(activations, seeds[:1], out):
        _check(task, cell.arguments)
    if wanted:
        parts = choose_rates(wanted, choose_on, Path(f"{out}-rates"), cells_of, conducted)
        activations = tuple(parts.values())
    cells = cells_of(activations, seeds, out)
    outcomes = conducted(cells)
    failed = [o for o in outcomes if o.code]
    for outcome in failed:
        click.echo(f"failed: {outcome.cell.folder} (exit {outcome.code}): {outcome.message}", err=True)
    if len(failed) < len(outcomes):
        from learnact.training.study.page.final import final_table  # noqa: PLC0415
        from learnact.training.study.page.runs import group, read_runs  # noqa: PLC0415

        groups = group(read_runs([out]))
        click.echo(f"\n{final_table(groups).text()}")
        if wanted:
            click.echo(f"\n{attribution.text(attributed(groups, cells, parts))}")
        click.echo(f"\nlearnact-train report {out} -o {out}.html makes the page")
    return 1 if failed else 0


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", "-o", default="report.html", show_default=True, type=_FILE, help="The page.")
@click.option("--baseline", default="", metavar="NAME", help="What to compare with; else the first classical one.")
@click.option("--csv", "csv_file", type=_FILE, help="The final table, all digits.")
@click.option("--latex", "latex_file", type=_FILE, help="The final table as a tabular of booktabs.")
@click.option(
    "--figures", type=click.Path(file_okay=False, path_type=Path), help="Folder for each figure, SVG and PDF."
)
def report(
    runs: tuple[Path, ...],
    out: Path,
    baseline: str,
    csv_file: Path | None,
    latex_file: Path | None,
    figures: Path | None,
) -> None:
    """Write one HTML page over all runs at or below RUNS: final table, curves, cost, shapes, moments through the depth.

    A run that is given twice counts once.
    """
    from learnact.files import write_whole  # noqa: PLC0415
    from learnact.training.study.page import charts, render  # noqa: PLC0415
    from learnact.training.study.page.final import final_table  # noqa: PLC0415
    from learnact.training.study.page.runs import group, read_runs  # noqa: PLC0415

    scores = final_table(group(read_runs(runs)), baseline)
    content: dict[Path, str | bytes] = {out: render.page(scores)}
    if csv_file:
        content[csv_file] = scores.csv()
    if latex_file:
        content[latex_file] = scores.latex()
    if figures:
        for name, figure in render.figures(scores.groups).items():
            content |= {figures / f"{name}.{ending}": kept for ending, kept in charts.files(figure).items()}
    for path, whole in content.items():
        write_whole(path, whole, force=True)
    written = [str(path) for path in (out, csv_file, latex_file, figures) if path]
    click.echo(f"{scores.text()}\n\n{scores.explanation}\n\n{', '.join(written)} written")


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--cpu", is_flag=True, help="Leave accelerators alone.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the modules.")
def harvest(run_folder: Path, cpu: bool, out: Path) -> None:
    """Write each learned shape of RUN as a verified module without parameters, its numbers in the code.

    Prints the expressions, and the held-out scores with the learned activations and with the fixed ones. Exit 1 if
    these differ by more than rounding.
    """
    from learnact.training.study.harvest import harvest as take  # noqa: PLC0415

    found, scores = take(run_folder, out, cpu=cpu)
    for place in found:
        click.echo(f"{place.path}: {place.file}\n    {place.expression}")
    for name, values in scores.items():
        click.echo(f"{name:8s} " + ", ".join(f"{score} {value:.6f}" for score, value in values.items()))


def _parsed(task: str, words: Sequence[str]) -> click.Context:
    """The arguments of a command that trains, as it reads them. Raises UsageError."""
    return next(c for c in train.COMMANDS if c.name == task).make_context(task, list(words))


def _given(context: click.Context) -> set[str]:
    """Names of the parameters that stand on the command line."""
    return {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}


def _words(context: click.Context, left_out: Sequence[str]) -> tuple[str, ...]:
    """The command line that a context was read from, without the parameters of these names."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in left_out or name not in _given(context):
            continue
        value = context.params[name]
        several = getattr(parameter, "multiple", False) or parameter.nargs != 1
        for one in value if several else (value,):
            each = ",".join(map(str, one)) if isinstance(one, tuple) else one
            if isinstance(parameter, click.Argument):
                words.append(str(each))
            elif isinstance(parameter, click.Option) and parameter.is_flag:
                words.append((parameter.opts if each else parameter.secondary_opts)[0])
            else:
                words += [parameter.opts[0], str(each)]
    return tuple(words)


def _check(task: str, arguments: tuple[str, ...]) -> None:
    """Refuse options that no run would take and data that cannot be opened, before any run is begun."""
    from learnact.training.run.task import Places, open_task  # noqa: PLC0415

    values = dict(_parsed(task, arguments[1:]).params)
    data, more, *others = (values.pop(name, None) for name in ("data", "more", "validation", "tokenizer", "out", "cpu"))
    config = train.configured(task, values.pop("preset"), values)
    if task == "gpt2":
        open_task(config, Places((*data, *more), *others[:2]))
    else:
        open_task(config, Places([data] if data else []))


COMMANDS = (study, report, harvest)
