"""How accurate are emitted functions, to the last bits? F and F' against float64, torch's own beside them.

    python -m benchmarks.ulps --out benchmarks/results --page docs/accuracy.md
    python -m benchmarks.ulps --only tanh,erf                     # some functions, printed alone
    python -m benchmarks.ulps --only '' --out benchmarks/results --page docs/accuracy.md   # what is kept, as a page
    python -m benchmarks.ulps --every all --out benchmarks/results     # helpers at all 2^32 inputs, minutes each
    python -m benchmarks.ulps --halves all --out benchmarks/results    # all modules at all half-type inputs
    python -m benchmarks.ulps --every all --own --stride 64 --out benchmarks/results

All finite inputs of bfloat16 and float16, and a dense sample of float32; eagerly, and compiled by Inductor for this
CPU. The oracle is float64, itself compared with mpmath at random points first.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FunctionType

import mpmath
import torch
from torch import Tensor

from benchmarks.tables import provenance, save
from benchmarks.ulp import Worst, halves, sample
from benchmarks.ulp_cases import FUNCTIONS, Function
from benchmarks.ulp_every import HELPERS, scan
from benchmarks.ulp_halves import names as modules
from benchmarks.ulp_halves import rows_of as rows_of_modules
from benchmarks.ulp_page import halves_table, page
from learnact import load
from learnact.compiler.resolve.declaration import Declaration

ORACLE = 2.0**-40
"""Relative error that the oracle may have: 2^-16 units of float32."""

TOGETHER = 5
"""Modules in one compilation."""

Call = Callable[[Tensor], Tensor]


def emitted(name: str) -> Call:
    """The module that the compiler makes of the function now."""
    f = FUNCTIONS[name]
    return load(Declaration(expr=f.expr, name=f"{name.title()}Ulps", law=f.law))()


def routes(name: str) -> dict[str, Call]:
    """Ours and torch's own, eager and compiled."""
    calls = {"ours": emitted(name)} | ({"torch": own} if (own := FUNCTIONS[name].torch) else {})
    return {f"{who} {how}": compiled(c) if how == "compiled" else c for who, c in calls.items() for how in HOW}


HOW = ("eager", "compiled")


def compiled(call: Call) -> Call:
    """Compiled apart from all others: Dynamo keeps and counts compilations by code object."""

    def run(x: Tensor) -> Tensor:
        return call(x)

    own = FunctionType(run.__code__.replace(), run.__globals__, "run", None, run.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)


def value_and_slope(call: Call, x: Tensor) -> tuple[Tensor, Tensor]:
    """F and F' at x, in the dtype of x."""
    leaf = x.detach().requires_grad_()
    y = call(leaf)
    (slope,) = torch.autograd.grad(y, leaf, torch.ones_like(y))
    return y.detach(), slope


def measure(call: Call, f: Function, chunks: Iterable[Tensor]) -> dict[str, Worst]:
    """The largest errors of F and F'."""
    worst = {"value": Worst(), "slope": Worst()}
    for x in chunks:
        x = torch.where(x > 0, x, torch.ones_like(x)) if f.positive else x
        wide = x.double()
        found = value_and_slope(call, x)
        for w, result, exact in zip(worst.values(), found, (f.value(wide), f.slope(wide)), strict=True):
            w.add(x, result, exact)
    return worst


def inputs(dtype: torch.dtype) -> Iterator[Tensor]:
    """What a dtype is measured at."""
    return sample() if dtype is torch.float32 else halves(dtype)


def rows_of(name: str, failures: list[str]) -> list[dict]:
    """A row for each route, dtype and of value and slope."""
    f = FUNCTIONS[name]
    oracle_error(name)
    rows = []
    for route, call in routes(name).items():
        for dtype in (torch.bfloat16, torch.float16, torch.float32):
            try:
                worst = measure(call, f, inputs(dtype))
            except Exception as err:  # what torch lacks for a dtype is no reason to lose the rest
                failures.append(f"{name}, {route}, {dtype}: {str(err).splitlines()[0][:120]}")
                continue
            for what, w in worst.items():
                short = str(dtype).removeprefix("torch.")
                rows.append({"function": name, "route": route, "dtype": short, "what": what, **asdict(w)})
    return rows


def oracle_error(name: str) -> float:
    """The oracle's largest relative error at random points. Raises ArithmeticError if it is no oracle."""
    f, draw = FUNCTIONS[name], random.Random(name)
    points = [draw.uniform(-1, 1) * scale for scale in (80.0, 5.0, 0.5, 1e-3) for _ in range(20)]
    points = [abs(p) for p in points] if f.positive else points
    x = torch.tensor(points, dtype=torch.float64)
    largest = 0.0
    for what, found in (("value", f.value(x)), ("slope", f.slope(x))):
        for p, y in zip(points, found.tolist(), strict=True):
            with mpmath.workdps(60):
                exact = f.exact(mpmath.mpf(p)) if what == "value" else mpmath.diff(f.exact, mpmath.mpf(p), h=1e-20)
                error = float(abs((y - exact) / exact)) if abs(exact) > 1e-300 else 0.0
            if error > ORACLE:
                raise ArithmeticError(f"the oracle of the {what} of {name} is off by {error:.1e} at {p!r}")
            largest = max(largest, error)
    return largest


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description="Errors of emitted functions in units in the last place.")
    parser.add_argument("--only", default=",".join(FUNCTIONS), help="functions, by comma")
    parser.add_argument("--every", help="in place of that: these helpers, by comma, at all 2^32 inputs; or all")
    parser.add_argument("--halves", help="in place of that: these modules, by comma, at all half-type inputs; or all")
    parser.add_argument("--stride", type=int, default=1, help="with --every: only every so many bit patterns")
    parser.add_argument("--own", action="store_true", help="with --every: Inductor's own functions instead")
    parser.add_argument("--out", type=Path, help="folder for ulps.json (default: none is written)")
    parser.add_argument("--page", type=Path, help="the page that is written from all rows of ulps.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failures: list[str] = []
    if options.halves is not None:
        named = modules() if options.halves == "all" else tuple(options.halves.split(","))
        if unknown := sorted({*named} - {*modules()}):
            parser.error(f"no module {', '.join(unknown)}; there are {', '.join(modules())}")
        measure_halves(named, options.out)
        return 0
    scanned = options.every is not None
    known = [n for n, (_, _, torchs) in HELPERS.items() if torchs or not options.own] if scanned else [*FUNCTIONS]
    listed = options.every if scanned else options.only
    asked = known if options.every == "all" else [n for n in listed.split(",") if n]
    if unknown := sorted({*asked} - {*known}):
        parser.error(f"no function {', '.join(unknown)}; there are {', '.join(known)}")
    rows: list[dict] = []
    for name in asked:
        fresh = [scan(name, own=options.own, stride=options.stride)] if scanned else rows_of(name, failures)
        rows += fresh
        print(f"{name}: done", file=sys.stderr, flush=True)
        if options.out:
            keep(options.out / "ulps.json", fresh)
    held = json.loads((options.out / "ulps.json").read_text())["rows"] if options.out else rows
    beside = options.out / "ulp-halves.json" if options.out else None
    text = page(held, json.loads(beside.read_text())["rows"] if beside and beside.exists() else [])
    if options.page:
        options.page.write_text(text)
    else:
        print(text)
    print("\n".join(failures), file=sys.stderr, end="\n" if failures else "")
    return 0


def measure_halves(names: Sequence[str], out: Path | None) -> None:
    """The modules of these specs, a few in one compilation; into ulp-halves.json of the folder, or printed."""
    for group in (names[k : k + TOGETHER] for k in range(0, len(names), TOGETHER)):
        fresh = rows_of_modules(group)
        print(f"{', '.join(group)}: done", file=sys.stderr, flush=True)
        if out is None:
            print(halves_table(fresh))
            continue
        path = out / "ulp-halves.json"
        held = json.loads(path.read_text())["rows"] if path.exists() else []
        rows = [*(r for r in held if r["module"] not in group), *fresh]
        rows.sort(key=lambda r: modules().index(r["module"]))
        save(path, {**provenance(), "rows": rows})


def keep(path: Path, fresh: list[dict]) -> None:
    """Put rows into the file, in the place of earlier ones of the same kind: what is done stays when the rest stops."""
    held = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {_kind(r) for r in fresh}
    rows = [*(r for r in held if _kind(r) not in done), *fresh]
    order = list(FUNCTIONS)
    rows.sort(key=lambda r: order.index(r["function"]))
    save(path, {**provenance(), "rows": rows})


def _kind(row: dict) -> tuple[str, ...]:
    """What a later row replaces: a scan one of any stride."""
    what, scan, _ = row["what"].partition(",")
    return (row["function"], row["route"], row["dtype"], what, scan)


if __name__ == "__main__":
    sys.exit(main())
