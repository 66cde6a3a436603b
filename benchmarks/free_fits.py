"""Fits of all parameters against the best that an independent optimizer finds.

The rival is SciPy's trust-region least squares with differences for derivatives, from random points, on an equidistant
grid under N(0, 1). Errors of both are measured by one quadrature. The declared fits stand beside them.

    python -m benchmarks.free_fits
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sympy as sp
from scipy.optimize import least_squares

from benchmarks.fits import _curve
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import start
from learnact.compiler.derive.fit.fitted import measure
from learnact.compiler.derive.fit.target import target
from learnact.compiler.resolve.registry import resolve
from learnact.errors import NoStart

CASES = ("swish", "xielu", "threshold", "fourier_free:2", "fourier_free:3", "rational:3", "rbf:4", "hermite_function:3")
TARGETS = ("gelu", "silu", "tanh")
BEGINNINGS = 6  # random points that the rival begins at
GRID = np.linspace(-8, 8, 401)
NOTE = f"""Relative L2 errors of value and slope under N(0, 1), CPU seconds on one thread. SciPy's trust-region least
squares begins at {BEGINNINGS} random points. Printed by `python -m benchmarks.free_fits`.
"""
RESULTS = Path(__file__).parent / "results" / "free-fits-cpu.json"
BY_NAME = {"sigmoid": lambda u: 0.5 + 0.5 * np.tanh(u / 2), "softplus": lambda u: np.logaddexp(0, u)}


def rival(spec: str, name: str, beginnings: int) -> dict[str, tuple[float, ...]]:
    """Parameter values of the rival's best fit."""
    from scipy.special import erf  # noqa: PLC0415

    activation, goal = resolve(spec), target(name)
    pair = [activation.function, sp.diff(activation.function, x)]
    call = sp.lambdify([x, *activation.symbols], pair, modules=[{**BY_NAME, "erf": erf}, "numpy"], cse=True)
    root = np.sqrt(np.exp(-(GRID**2) / 2))
    wanted = np.concatenate([root * t for t in goal.in_double(GRID)[:2]])

    def residual(values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = [np.broadcast_to(f, GRID.shape) for f in call(GRID, *values)]
        rows = np.concatenate([root * f for f in found]) - wanted
        return np.nan_to_num(rows, nan=1e6, posinf=1e6, neginf=-1e6)

    rng = np.random.default_rng(0)
    tried = [least_squares(residual, rng.normal(size=len(activation.symbols)), max_nfev=150) for _ in range(beginnings)]
    best = min(tried, key=lambda r: r.cost).x
    ends = np.cumsum([len(v.symbols) for v in activation.parameters])[:-1]
    return {v.name: tuple(map(float, p)) for v, p in zip(activation.parameters, np.split(best, ends), strict=True)}


def row(spec: str, name: str, beginnings: int) -> dict[str, object]:
    """One activation and target: relative L2 errors of value and slope under N(0, 1), and CPU seconds."""
    activation, goal = resolve(spec), target(name)
    found: dict[str, object] = {"activation": spec, "target": name}
    for who, fit in (("declared", name), ("free", f"free_{name}")):
        begin = time.process_time()
        try:
            errors = start(activation, fit).errors if who == "free" or activation.family.fit else None
        except NoStart as err:
            found[who] = str(err)
            continue
        found[who] = None if errors is None else [errors.value, errors.slope, time.process_time() - begin]
    begin = time.process_time()
    values = {k: tuple(sp.Float(v) for v in vs) for k, vs in rival(spec, name, beginnings).items()}
    errors = measure(_curve(spec, values), goal, Normal())
    found["rival"] = [errors.value, errors.slope, time.process_time() - begin]
    return found


def markdown(rows: list[dict]) -> str:
    """The rows as a table."""
    lines = [
        "| activation | target | declared fit | all parameters free | SciPy, the best of its starts |",
        "|---|---|---|---|---|",
    ]
    for r in rows:
        cells = [
            cell if isinstance(cell, str) else "none" if cell is None else "{:.2g}, {:.2g}; {:.1f} s".format(*cell)
            for cell in (r["declared"], r["free"], r["rival"])
        ]
        lines.append("| " + " | ".join([r["activation"], r["target"], *cells]) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the cases and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(CASES), help="activations, by comma")
    parser.add_argument("--beginnings", type=int, default=BEGINNINGS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows = [row(s, t, arguments.beginnings) for s in arguments.only.split(",") for t in TARGETS]
    print(markdown(rows))
    held = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, one thread",
        "versions": {name: version(name) for name in ("sympy", "numpy", "scipy")},
        "errors": "relative L2 of value and slope under N(0, 1), CPU seconds",
        "beginnings": arguments.beginnings,
        "rows": rows,
    }
    arguments.out.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    page = f"# Fits of all parameters\n\n{NOTE}\n{markdown(rows)}\n"
    arguments.out.with_suffix(".md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
