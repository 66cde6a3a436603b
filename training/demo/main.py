"""Compile two activations, verify them, and train each and GELU in a small GPT-2, by the trainer of `learnact-train`.

Run it as `python -m learnact.training.demo`; `--help` tells how to try an expression of one's own.

GPT-2's first weights feed the activation a sigma of about 0.02 sqrt(width), here .2; at a width of 768 it is .55. GELU
is nearly linear at .2, so what bends at that scale learns faster: hence the default starts, a polynomial that passes on
the second moment of each layer's own input, and a hinge with a steep tanh. A start made for sigma 1 loses to GELU on
the same weights.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # set before transformers is imported: nothing is downloaded

import click

from learnact import Declaration, LearnactError, emit, verify
from learnact.files import write_whole
from learnact.training.config import Config, Gpt2
from learnact.training.demo.picture import draw
from learnact.training.demo.report import loss_table, sigma_table, summary, verdict
from learnact.training.model.activation import choose
from learnact.training.run.presets import GPT2_DEMO, configure
from learnact.training.run.session import run
from learnact.training.run.task import Places, open_task
from learnact.training.study.page.runs import group, read_runs

ORIGINAL = "gelu"
SPEC = "hermite:7"
SPEC_START = "balanced"
EXPRESSION = "a*x*tanh(b*x) + c*x + d"
PARAMETERS = ("a=0.5", "b=4", "c=0.5", "d=0")
EXPRESSION_START = "declared"
NAME = "SoftHinge"
RUNS = "runs"


@dataclass(frozen=True)
class Contestant:
    """One activation as `learnact-train` takes it, and what tables call it."""

    name: str
    activation: str  # a classical name, or an emitted file
    start: str = ""


@click.command()
@click.option("--spec", default=SPEC, show_default=True, help="A family and degree to compile.")
@click.option("--start", default=SPEC_START, show_default=True, help="Its start, exact for each layer's sigma.")
@click.option("--expr", default=EXPRESSION, show_default=True, help="An activation of your own, an expression in x.")
@click.option("--param", multiple=True, default=PARAMETERS, show_default=True, help="Its parameters, NAME=VALUE.")
@click.option("--expr-start", default=EXPRESSION_START, show_default=True, help="Its start.")
@click.option("--name", default=NAME, show_default=True, help="Its class name.")
@click.option("--steps", default=GPT2_DEMO.steps, show_default=True, type=click.IntRange(1), help="Training steps.")
@click.option("--seed", default=GPT2_DEMO.seed, show_default=True, help="Of first weights and data order.")
@click.option("--out", default="demo-output", show_default=True, type=click.Path(path_type=Path), help="A folder.")
def main(
    spec: str, start: str, expr: str, param: Sequence[str], expr_start: str, name: str, steps: int, seed: int, out: Path
) -> None:
    """Compile, verify and train two learnable activations against GELU, on text that ships with Python.

    Interrupted, it goes on where it was when it is given again.
    """
    began = time.perf_counter()
    try:
        declared = Declaration(spec=spec), Declaration(expr=expr, params=tuple(param), name=name)
        names = [ORIGINAL, *(declaration.activation().names.slug for declaration in declared)]
        if len(set(names)) < len(names):
            raise click.UsageError(
                f"the activations need different names, found {', '.join(names)}; give another --name"
            )
        click.echo(f"Compiling into {out}/ and verifying")
        files = [compile_checked(out, declaration) for declaration in declared]
        contestants = [
            Contestant(ORIGINAL, ORIGINAL),
            Contestant(names[1], str(files[0]), start),
            Contestant(names[2], str(files[1]), expr_start),
        ]
        for contestant in contestants:
            choose(contestant.activation, contestant.start)  # a start that does not exist is said before any training
        train(contestants, out / RUNS, steps, seed)
        report([out / RUNS / name for name in names], out, began)
    except LearnactError as err:
        raise click.ClickException(str(err)) from err


def compile_checked(out: Path, declaration: Declaration) -> Path:
    """Compile, print the referee's table, and go no further with a file that fails it."""
    path = out / emit(declaration, out, force=True).filename
    checked = verify(path, quick=True)
    click.echo(f"\n{checked.table()}")
    if not checked.ok:
        raise click.ClickException(f"{path} fails its verification (see the table above) and is not trained")
    return path


def train(contestants: Sequence[Contestant], out: Path, steps: int, seed: int) -> None:
    """One run each, by the recipe of the preset `demo`: equal first weights, equal batches."""
    for contestant in contestants:
        changes = {"steps": steps, "seed": seed, "activation": contestant.activation, "start": contestant.start}
        config = configure("gpt2", GPT2_DEMO.preset, changes)
        click.echo(f"\nTraining {contestant.name}: {size(config)}")
        run(config, lambda c: open_task(c, Places()), out / contestant.name, cpu=True)


def size(config: Config) -> str:
    """The model and the work in one line."""
    assert isinstance(config, Gpt2)
    return (
        f"GPT-2 over bytes, {config.layers} layers of width {config.width}, {config.steps} steps of {config.batch} x "
        f"{config.context} bytes"
    )


def report(folders: Sequence[Path], out: Path, began: float) -> None:
    """Print the tables, draw the picture and write `demo.json`."""
    runs = read_runs(folders)
    unit = "nats per byte"  # the tokens are bytes
    click.echo(f"\n{loss_table(runs)}\n\n{verdict(runs, unit)}\n\n{sigma_table(runs)}")
    draw(out / "demo.png", group(runs), unit)
    first = runs[0].record
    seconds = time.perf_counter() - began
    record = {
        "config": {k: v for k, v in first["config"].items() if k not in {"activation", "start"}},
        "data": first["data"],
        "versions": first["versions"],
        "runs": [summary(run) for run in runs],
        "seconds": round(seconds, 1),
    }
    write_whole(out / "demo.json", json.dumps(record, indent=1) + "\n", force=True)
    click.echo(f"\n{out / 'demo.png'} and {out / 'demo.json'} written; {seconds:.0f} seconds in all")
