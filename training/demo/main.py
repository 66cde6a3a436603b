"""Compile two activations, verify them, and train each against GELU in a small GPT-2.

Run it as `python -m learnact.training.demo`; `--help` tells how to try an expression of one's own.

GPT-2's published weights feed the activation a sigma of about .2. GELU is nearly linear there, so what bends at that
scale learns faster: hence the default starts, a polynomial that propagates the second moment of each layer's own input,
and a hinge with a steep tanh. A start made for sigma 1 loses to GELU on the same weights.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # set before transformers is imported: nothing is downloaded

import click
import torch
import transformers
from torch import Tensor, nn
from tqdm import tqdm
from transformers.activations import NewGELUActivation

from learnact import Declaration, LearnactError
from learnact.training.data.corpus import Corpus, load_corpus, windows
from learnact.training.demo.picture import draw
from learnact.training.demo.race import Runner, Setting, build, race, smoothed
from learnact.training.demo.report import loss_table, sigma_table, verdict
from learnact.training.model.calibrate import InputMoments, calibrate, measure
from learnact.training.model.compiled import Compiled, compile_into
from learnact.training.model.swap import swap
from learnact.version import __version__

ORIGINAL = "gelu"
SPEC = "hermite:7"
SPEC_START = "balanced"
EXPRESSION = "a*x*tanh(b*x) + c*x + d"
PARAMETERS = ("a=0.5", "b=4", "c=0.5", "d=0")
EXPRESSION_START = "declared"
NAME = "SoftHinge"
PROBE_WINDOWS = 16  # windows of the training text that sigma is measured on


@dataclass(frozen=True)
class Entrant:
    """A runner, what its activations were at the start, and what they were fed at the start."""

    runner: Runner
    compiled: Compiled | None  # None: the model's own activation
    begun: list[nn.Module]  # copies of the activations as they began
    fed: list[InputMoments]


@click.command()
@click.option("--spec", default=SPEC, show_default=True, help="A family and degree to compile.")
@click.option("--start", default=SPEC_START, show_default=True, help="Its start, exact for each layer's sigma.")
@click.option("--expr", default=EXPRESSION, show_default=True, help="An activation of your own, an expression in x.")
@click.option("--param", multiple=True, default=PARAMETERS, show_default=True, help="Its parameters, NAME=VALUE.")
@click.option("--expr-start", default=EXPRESSION_START, show_default=True, help="Its start.")
@click.option("--name", default=NAME, show_default=True, help="Its class name.")
@click.option("--steps", default=Setting.steps, show_default=True, type=click.IntRange(1), help="Training steps.")
@click.option("--seed", default=Setting.seed, show_default=True, help="Of first weights and data order.")
@click.option("--out", default="demo-output", show_default=True, type=click.Path(path_type=Path), help="A folder.")
def main(
    spec: str, start: str, expr: str, param: Sequence[str], expr_start: str, name: str, steps: int, seed: int, out: Path
) -> None:
    """Compile, verify and train two learnable activations against GELU, on text that ships with Python."""
    began = time.perf_counter()
    setting = Setting(steps=steps, seed=seed)
    corpus = load_corpus()
    try:
        declared = Declaration(spec=spec), Declaration(expr=expr, params=tuple(param), name=name)
        names = [ORIGINAL, *(declaration.activation().names.slug for declaration in declared)]
        if len(set(names)) < len(names):
            raise click.UsageError(f"the runners need different names, found {', '.join(names)}; give another --name")
        click.echo(f"Compiling into {out}/ and verifying")
        family, own = (compile_checked(out, declaration) for declaration in declared)
        probe = windows(corpus.train, setting.context)[:PROBE_WINDOWS]
        entrants = [
            enter(setting, probe),
            enter(setting, probe, family, start),
            enter(setting, probe, own, expr_start),
        ]
    except LearnactError as err:
        raise click.ClickException(str(err)) from err
    runners = [entrant.runner for entrant in entrants]
    click.echo(f"\nTraining {', '.join(r.name for r in runners)}: {size(setting, runners[0].model)}")
    with tqdm(total=steps, unit="step", disable=None) as bar:
        race(runners, corpus, setting, lambda now: show(bar, now))
    after = [feed(runner, probe) for runner in runners]
    click.echo(f"\n{loss_table(runners)}\n\n{verdict(runners)}\n")
    click.echo(sigma_table([r.name for r in runners], [e.fed for e in entrants], after))
    generated = [k for k, entrant in enumerate(entrants) if entrant.compiled]
    draw(
        out / "demo.png",
        runners,
        starts={runners[k].name: entrants[k].begun for k in generated},
        sigmas={runners[k].name: [m.sigma for m in after[k]] for k in generated},
    )
    seconds = time.perf_counter() - began
    record = summary(setting, corpus, entrants, after) | {"seconds": round(seconds, 1)}
    (out / "demo.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    click.echo(f"\n{out / 'demo.png'} and {out / 'demo.json'} written; {seconds:.0f} seconds in all")


def compile_checked(out: Path, declaration: Declaration) -> Compiled:
    """Compile, print the referee's table, and go no further with a file that fails it."""
    compiled = compile_into(out, declaration)
    click.echo(f"\n{compiled.report.table()}")
    if not compiled.report.ok:
        raise click.ClickException(f"{compiled.path} fails its verification (see the table above) and is not trained")
    return compiled


def enter(setting: Setting, probe: Tensor, compiled: Compiled | None = None, start: str = "") -> Entrant:
    """A model of the common first weights with the compiled activation at its calibrated start, or with its own."""
    model = build(setting)
    if compiled is None:
        runner = Runner(ORIGINAL, model, swap(model, NewGELUActivation))
        fed = feed(runner, probe)
    else:
        runner = Runner(compiled.name, model, swap(model, compiled.cls))
        fed = calibrate(runner.activations, lambda: model(input_ids=probe), partial(compiled.start, start))
    return Entrant(runner, compiled, [copy.deepcopy(s.new) for s in runner.activations], fed)


def feed(runner: Runner, probe: Tensor) -> list[InputMoments]:
    """What the runner's activations are fed when its model reads `probe`, (windows, context) bytes."""
    return measure(runner.activations, lambda: runner.model(input_ids=probe))


def size(setting: Setting, model: nn.Module) -> str:
    """The model and the work in one line."""
    parameters = sum(p.numel() for p in model.parameters())
    return (
        f"GPT-2 over bytes, {setting.layers} layers of width {setting.width}, {parameters:,} parameters, "
        f"{setting.steps} steps of {setting.batch} x {setting.context} bytes"
    )


def show(bar: tqdm, runners: Sequence[Runner]) -> None:
    """One step further on the progress bar, with every runner's loss."""
    bar.set_postfix({r.name: f"{smoothed(r.train):.3f}" for r in runners}, refresh=False)
    bar.update()


def summary(
    setting: Setting, corpus: Corpus, entrants: Sequence[Entrant], after: Sequence[Sequence[InputMoments]]
) -> dict[str, object]:
    """Everything that the run was and found, ready for JSON."""
    return {
        "setting": asdict(setting),
        "text": {"source": "pydoc_data.topics", "sha256": corpus.digest, "train_bytes": len(corpus.train)},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "learnact": __version__,
        },
        "runs": [_run(entrant, fed) for entrant, fed in zip(entrants, after, strict=True)],
    }


def _run(entrant: Entrant, after: Sequence[InputMoments]) -> dict[str, object]:
    runner, compiled = entrant.runner, entrant.compiled
    layers = [
        {
            "path": swapped.path,
            "input_sigma": [before.sigma, now.sigma],
            "start": _values(begun),
            "learned": _values(swapped.new),
        }
        for swapped, begun, before, now in zip(runner.activations, entrant.begun, entrant.fed, after, strict=True)
    ]
    source = (
        {
            "declaration": compiled.activation.names.spec,
            "file": compiled.path.name,
            "sha256": compiled.digest,
        }
        if compiled
        else None
    )
    return {
        "name": runner.name,
        "generated": source,
        "layers": layers,
        "train_loss": runner.train,
        "validation_loss": runner.validation,
    }


def _values(module: nn.Module) -> dict[str, list[float]]:
    return {name: parameter.flatten().tolist() for name, parameter in module.named_parameters()}
