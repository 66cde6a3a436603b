"""How close fitted starts are to GELU, ReLU, SiLU and tanh, and how long they take: learnact against torchortho.

torchortho 0.1.2 fits by 40,000 steps of Adam on points of its own interval; learnact solves under a law. Both are
measured by the same quadrature on two laws: N(0, 1), and the uniform law on torchortho's interval. It is licensed
under the GPL and no dependency of learnact; install it apart and put it on the path:

    pip install --no-deps --target peer torchortho==0.1.2
    PYTHONPATH=peer python benchmarks/fits.py --only hermite:5 --targets gelu

Without it on the path our rows alone are taken again. Times are CPU seconds of one fit: ours in a fresh process whose
imports are done, theirs from seed 0, both on one thread.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import datetime
import io
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import sympy as sp
import torch
from torch.nn import functional

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.laws import Law, Normal, Uniform
from learnact.compiler.declare.symbols import put
from learnact.compiler.derive.derivation import FitErrors
from learnact.compiler.derive.expectation.pieces import derivative
from learnact.compiler.derive.expectation.values import Array, InDouble
from learnact.compiler.derive.fit.fitted import Curve, fit, measure
from learnact.compiler.derive.fit.target import target
from learnact.compiler.resolve.registry import resolve

STEPS = 40_000  # torchortho's own, written into its three fits
REPEATS = 3  # of our fits; the median is reported
FINE = 12.0  # quadrature panels are cut finely up to here, since slopes of piecewise-linear fits jump anywhere
RESULTS = Path(__file__).parent / "results" / "fits-cpu.json"
NOTE = """CPU seconds of one fit on one thread. Errors are relative L2 errors of the value and of the slope under each
law. The peer's interval is the one that torchortho draws its points from: sqrt(n) for Hermite, 2n for Fourier, n for
tropical. Our rows say which law they were fitted under; torchortho fits on its interval, so its fair rival is our fit
under the uniform law. It takes up to 40,000 steps and stops early where the loss is small.

`fourier_free` chooses its frequencies for values within 4 sigma of the law and does not fit them; torchortho fits them,
and is closer on its own, wider interval. `fourier` has period 2 pi and is no match for any target on such an interval.
"""

TORCH_TARGETS = {"gelu": functional.gelu, "relu": functional.relu, "silu": functional.silu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Peer:
    """One of torchortho's families: where it lives, and the half-width of the interval that it fits on."""

    module: str
    cls: str
    limit: Callable[[int], sp.Expr]


HERMITE = Peer("hermite_activation", "HermiteActivation", sp.sqrt)
FOURIER = Peer("fourier_activation", "FourierActivation", lambda n: sp.Integer(2 * n))
TROPICAL = Peer("tropical_activation", "TropicalRationalActivation", sp.Integer)

CASES: dict[str, Peer] = {
    "hermite:3": HERMITE,
    "hermite:5": HERMITE,
    "hermite:8": HERMITE,
    "fourier:3": FOURIER,
    "fourier:6": FOURIER,
    "fourier_free:3": FOURIER,
    "fourier_free:6": FOURIER,
    "tropical_rational:6": TROPICAL,
}

OURS_ONLY = {"fourier:3", "fourier:6"}
"""torchortho's Fourier series fits its frequencies too; it stands beside fourier_free, whose fit chooses them."""


@dataclass(frozen=True)
class Row:
    """One fit by one library, measured on both laws."""

    activation: str
    target: str
    by: str
    seconds: float
    normal: FitErrors
    uniform: FitErrors


def ours(spec: str, name: str, law: Law, uniform: Uniform) -> Row:
    """Our fit under the law, measured on both."""
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = [pool.apply(_timed, (spec, name, law)) for _ in range(REPEATS)]
    seconds, values = sorted(found, key=lambda one: one[0])[REPEATS // 2]
    return _row(spec, name, f"learnact, {law}", seconds, _curve(spec, values), uniform)


def _timed(spec: str, name: str, law: Law) -> tuple[float, Mapping[str, tuple[sp.Expr, ...]]]:
    activation = resolve(spec)
    begin = time.process_time()
    found = fit(activation, name, law)
    return time.process_time() - begin, found.values


def _curve(spec: str, values: Mapping[str, tuple[sp.Expr, ...]]) -> Curve:
    """F and F' at the parameter values, in double precision."""
    activation = resolve(spec)
    function = put(activation.function, {s: evaluate(v) for s, v in activation.assign(values).items()})
    slope = derivative(function)
    return lambda points: [InDouble(points)(function), InDouble(points)(slope)]


def theirs(spec: str, peer: Peer, name: str, steps: int, uniform: Uniform) -> Row:
    """torchortho's fit, from seed 0, on one thread."""
    module = import_module(f"torchortho.{peer.module}")
    degree = int(spec.split(":")[1])
    torch.manual_seed(0)
    begin = time.process_time()
    with _steps(module, steps), contextlib.redirect_stdout(io.StringIO()):
        activation = getattr(module, peer.cls)(degree, act_init=TORCH_TARGETS[name], load_cached=False)
    seconds = time.process_time() - begin
    Path(activation.cache_file).unlink(missing_ok=True)  # it pickles the result into its own package
    activation.double()

    def shape(points: Array) -> list[Array]:
        x = torch.tensor(np.ravel(points), requires_grad=True)
        y = activation(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        return [v.detach().numpy().reshape(points.shape) for v in (y, slope)]

    return _row(spec, name, f"torchortho {version('torchortho')}, {steps} steps", seconds, shape, uniform)


@contextlib.contextmanager
def _steps(module: object, steps: int) -> Iterator[None]:
    """Let a fit run another number of steps; the number is a literal in its loop."""
    if steps == STEPS:
        yield
        return
    module.range = lambda *a: builtins.range(steps) if a == (STEPS,) else builtins.range(*a)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del module.range  # type: ignore[attr-defined]


def _row(spec: str, name: str, by: str, seconds: float, shape: Curve, uniform: Uniform) -> Row:
    goal, fine = target(name), tuple(np.linspace(-FINE, FINE, 1001))
    return Row(spec, name, by, seconds, measure(shape, goal, Normal(), fine), measure(shape, goal, uniform, fine))


def markdown(rows: list[dict]) -> str:
    """The rows as a table."""
    lines = [
        "| activation | target | by | time | N(0, 1): value, slope | sup on [-4, 4] | "
        "peer's interval: value, slope | sup |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        clock = f"{r['seconds'] * 1e3:.0f} ms" if r["seconds"] < 1 else f"{r['seconds']:.0f} s"
        cells = [r["activation"], r["target"], r["by"], clock]
        for law in ("normal", "uniform"):
            e = r[law]
            cells += [f"{e['value']:.2g}, {e['slope']:.2g}", f"{e['sup']:.2g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def merged(path: Path, rows: list[Row], cases: list[str]) -> dict:
    """What the file holds, with these rows in the place of earlier ones of the same name."""
    held = json.loads(path.read_text())["rows"] if path.exists() else []
    by_key = {(r["activation"], r["target"], r["by"]): r for r in [*held, *map(asdict, rows)]}
    order = {spec: i for i, spec in enumerate(CASES)}
    targets = list(CLASSICAL)
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, one thread",
        "versions": {name: version(name) for name in ("sympy", "mpmath", "numpy", "torch")},
        "errors": "relative L2 of value and slope under the law, and the largest error on 4 sigma or the support",
        "rows": sorted(by_key.values(), key=lambda r: (order[r["activation"]], targets.index(r["target"]), r["by"])),
    }


def main() -> int:
    """Run the cases asked for; 0 if torchortho was there to compare with."""
    parser = argparse.ArgumentParser(description="Errors and times of fitted starts, against torchortho.")
    parser.add_argument("--only", default=",".join(CASES), help="activations, by comma")
    parser.add_argument("--targets", default=",".join(CLASSICAL), help="targets, by comma")
    parser.add_argument("--steps", type=int, default=STEPS, help="of torchortho's Adam (default: its own)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file; earlier rows are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        version("torchortho")
    except PackageNotFoundError:
        print("torchortho is not installed: our rows only (see this file's first lines)", file=sys.stderr)
        peer_found = False
    else:
        peer_found = True
    for spec in options.only.split(","):
        for name in options.targets.split(","):
            peer = CASES[spec]
            uniform = Uniform(peer.limit(int(spec.split(":")[1])))
            rows = [ours(spec, name, law, uniform) for law in (Normal(), uniform)]
            if peer_found and spec not in OURS_ONLY:
                rows.append(theirs(spec, peer, name, options.steps, uniform))
            results = merged(options.out, rows, list(CASES))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n")
    table = markdown(results["rows"])
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    page = f"# Fitted starts\n\n{NOTE}\n{results['date']}, {results['machine']}, {versions}.\n\n{table}\n"
    options.out.with_suffix(".md").write_text(page)
    print(table)
    return 0 if peer_found else 1


if __name__ == "__main__":
    sys.exit(main())
