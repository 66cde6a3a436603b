"""The commands that train: gpt2, convnext, finetune; and prepare, which tokenizes a text beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from learnact.training.cli.options import (
    ACTIVATION,
    LENGTH,
    MACHINE,
    RECORDS,
    TRAINED,
    Sizes,
    options,
    split_activation,
)
from learnact.training.config import FOR_GENERATED

if TYPE_CHECKING:
    from learnact.training.config import Config

DATA = click.option("--data", multiple=True, metavar="PLACE…", help="Places of data; more may follow as arguments.")
MORE = click.argument("more", metavar="[PLACE…]", nargs=-1)
TEXT = (
    DATA,
    click.option(
        "--validation",
        multiple=True,
        metavar="PLACE",
        help="Text held out for validation and test; else the last 5 %. documents:SHARE: so many of one hub:NAME.",
    ),
    click.option("--tokenizer", default="bytes", show_default=True, help="bytes, a file or folder, or a hub name."),
    MORE,
)


@click.command()
@options(
    TEXT,
    (
        click.option(
            "--preset", default="tiny", show_default=True, help="demo (half a minute), tiny (minutes), small, paper."
        ),
    ),
    ACTIVATION,
    TRAINED,
    LENGTH,
    (
        click.option("--layers", type=int),
        click.option("--width", type=int),
        click.option("--heads", type=int),
        click.option("--context", type=int, help="Tokens a window."),
        click.option("--dropout", type=float),
        click.option("--bias/--no-bias", default=None, help="In linear layers and layer norms."),
        click.option("--eval-windows", type=int, help="Of the validation and of the test text, spread over each."),
    ),
    MACHINE,
    RECORDS,
)
def gpt2(
    data: tuple[str, ...],
    more: tuple[str, ...],
    validation: tuple[str, ...],
    tokenizer: str,
    preset: str,
    out: str,
    cpu: bool,
    **changes: Any,
) -> None:
    """Train GPT-2 on text: files (.txt .md .gz .xz), folders, hub:NAME, or a prepared folder.

    Without a PLACE the text is the language reference that comes with Python.
    """
    from learnact.training.run.session import run  # noqa: PLC0415
    from learnact.training.run.task import Places, open_task  # noqa: PLC0415

    config = configured("gpt2", preset, changes)
    places = Places((*data, *more), validation, tokenizer)
    _tell(run(config, lambda c: open_task(c, places), Path(out), cpu=cpu), out)


@click.command()
@options(
    (
        click.option("--data", metavar="PLACE", help="CIFAR-10's binary files, train/CLASS/ and val/CLASS/, hub:NAME."),
        click.option(
            "--preset", default="micro", show_default=True, help="micro (digits), atto (32x32), tiny (28.6M), paper."
        ),
    ),
    ACTIVATION,
    TRAINED,
    LENGTH,
    (
        click.option("--image-size", type=int),
        click.option("--patch", type=int, help="Stride of the stem."),
        click.option("--depths", type=Sizes(), metavar="N,N,…", help="Blocks of each stage."),
        click.option("--widths", type=Sizes(), metavar="N,N,…", help="Channels of each stage."),
        click.option("--layer-scale", type=float, help="First value; 0: none."),
        click.option("--drop-path", type=float, help="Stochastic depth of the last block."),
        click.option("--rand-augment", type=int, help="Magnitude; 0: none."),
        click.option("--erasing", type=float, help="Probability."),
        click.option("--mixup", type=float, help="Alpha; 0: none."),
        click.option("--cutmix", type=float, help="Alpha; 0: none."),
        click.option("--smoothing", type=float, help="Of labels."),
    ),
    MACHINE,
    RECORDS,
)
def convnext(data: str | None, preset: str, out: str, cpu: bool, **changes: Any) -> None:
    """Train ConvNeXt on images; without --data on scikit-learn's digits."""
    from learnact.training.run.session import run  # noqa: PLC0415
    from learnact.training.run.task import Places, open_task  # noqa: PLC0415

    config = configured("convnext", preset, changes)
    places = Places([data] if data else [])
    _tell(run(config, lambda c: open_task(c, places), Path(out), cpu=cpu), out)


@click.command()
@options(TEXT, (click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder of tokens."),))
def prepare(
    data: tuple[str, ...], more: tuple[str, ...], validation: tuple[str, ...], tokenizer: str, out: str
) -> None:
    """Tokenize text into a folder for `gpt2 --data FOLDER`, on all cores; goes on where it was interrupted."""
    from learnact.training.data.tokens import account, open_tokens  # noqa: PLC0415
    from learnact.training.data.tokens import prepare as prepare_text  # noqa: PLC0415

    found = open_tokens(prepare_text((*data, *more), validation, tokenizer, Path(out)))
    for line in account(found.record):
        click.echo(line)
    click.echo(
        f"{out}: {len(found.train):,} tokens to train on, {len(found.validation):,} to validate on, "
        f"{len(found.test):,} to test on"
    )


@click.command()
@click.argument("run_folder", metavar="RUN")
@options(
    ACTIVATION,
    (
        click.option("--steps", type=int, default=200, show_default=True, help="Optimizer updates."),
        click.option("--lr", type=float, default=5e-3, show_default=True, help="Peak learning rate."),
        click.option("--seed", type=int, default=0, show_default=True, help="Of the data order."),
        click.option("--max-gap", type=float, default=0.05, show_default=True, help="Loss that the swap may cost."),
        click.option("--cpu", is_flag=True, help="Leave accelerators alone."),
        click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder of the new run."),
    ),
)
def finetune(
    run_folder: str, steps: int, lr: float, seed: int, max_gap: float, cpu: bool, out: str, **changes: Any
) -> None:
    """Swap an activation into the trained GELU model of RUN and train its shape alone.

    The start is the one fitted to GELU, exact for each measured input. Exit 1 if the swap costs more than --max-gap.
    """
    from learnact.training.study.finetune import finetune as tune  # noqa: PLC0415

    given = {name: value for name, value in split_activation(changes).items() if value is not None}
    every = max(1, steps // 10)
    schedule = {"steps": steps, "lr": lr, "seed": seed, "warmup": every}
    intervals = dict.fromkeys(("eval_every", "watch_every", "checkpoint_every"), every)
    defaults = {"activation": "hermite:7", "start": "gelu", "calibrate": "unit"}
    scores = tune(Path(run_folder), Path(out), defaults | given | schedule | intervals, max_gap, cpu=cpu)
    for name in ("original", "swapped", "tuned"):
        click.echo(f"{name:9s} " + ", ".join(f"{score} {value:.4f}" for score, value in scores[name].items()))


def configured(task: str, preset: str, changes: dict[str, Any]) -> Config:
    """The settings that a command line asks for. Raises UsageError, BadConfig."""
    from learnact import classical_names  # noqa: PLC0415
    from learnact.training.model.activation import is_plain  # noqa: PLC0415
    from learnact.training.run.presets import configure  # noqa: PLC0415

    config = configure(task, preset, split_activation(changes))
    if is_plain(config.activation, config.start):
        asked = [
            f"--{name.replace('_', '-')}"
            for name in FOR_GENERATED
            if changes.get(name) not in {None, False, "none"} and (name, changes[name]) != ("calibrate", "weights")
        ]
        if asked:
            name = config.activation
            scales = asked[0] == "--calibrate" and name in classical_names()
            instead = f"leave it out, or write {name}@balanced" if scales else "leave it out"
            raise click.UsageError(f"{asked[0]} is for generated activations, found {name}; {instead}")
    return config


def _tell(result: dict[str, Any], out: str) -> None:
    if result:  # the main process's
        scores = ", ".join(f"{name} {value:.4f}" for name, value in result.get("final", {}).items())
        click.echo(f"{out}: {result['status']}, {scores or result.get('reason')}")


COMMANDS = (gpt2, convnext, prepare, finetune)
