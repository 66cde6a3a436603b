"""The page of the ulp measurements: half types, float32, all inputs, and what is not covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.tables import table

ROUTES = ("ours eager", "ours compiled", "torch eager", "torch compiled")
Row = dict[str, Any]
ROUNDED = 0.51
"""The error in ulps of a half type up to which a result counts as correctly rounded."""
LABELS = {"value": "F", "slope": "F'"}

HEAD = """\
# Accuracy to the last bits

Printed by `python -m benchmarks.ulps --out benchmarks/results --page docs/accuracy.md`: emitted modules of every
elementary function and of GELU, SiLU and Mish, beside torch's own functions with autograd's slopes, in eager mode and
compiled by Inductor for a CPU with AVX-512.

An ulp is the distance of two neighbouring numbers of the dtype at the exact result; a correctly rounded result is off
by half an ulp at most. Results whose exact value is below the smallest normal number are counted apart. The oracle is
float64, compared with mpmath at random points first. Of `log` and `log1p` only x > 0 is asked. `none`:
not measured, or torch has no such function."""

HALVES = """\
## Half types: all inputs

The largest error in ulps at all finite inputs, and in parentheses how many results are off by an ulp or more. Emitted
modules compute in float32 and round once, so what exceeds half an ulp was lost in float32."""

MODULES = """\
### Every module of `generated/` and every classical function

At all finite inputs, by `python -m benchmarks.ulps --halves all --out benchmarks/results`; the truth is the referee's
oracle, in doubles and where these do not suffice with 400 digits. The largest error in ulps, and in parentheses how
many results are off by an ulp or more. Near a root of F the terms of a sum cancel, and what their rounding in float32
left is large beside F: "at the scale" is the largest error in ulps of the half type at the
[scale](glossary.md) of that sum. "Lost", in bfloat16, eager and compiled: F is a number, but float32 overflowed on the
way. "Unasked": inputs whose exact result overflows, and is below the smallest normal number."""

SINGLES = """\
## float32: a dense sample

The largest error in ulps and where it is, at a million inputs: every 6007th bit pattern of both signs, a grid on
[-20, 20], and 512 neighbours on each side of 0 and of every number where a formula changes, overflows or vanishes."""

SMALL = """\
## float32: results below the smallest normal number

The largest error of compiled code, in units of 2^-149. 8.4e+06 is a result that became 0."""

RELATIVE = """\
## float32: relative errors near 0 and in the tails

The largest relative error of compiled code for |x| < 0.001 and for |x| > 4, where the exact value is a normal number; 1
is a result without a digit."""

ALL = """\
## float32: every input

Of each helper in `templates/elementary.py.jinja`, compiled, and of Inductor's own function:
`python -m benchmarks.ulps --every all --out benchmarks/results`, with `--stride 64` at every 64th bit pattern. The
digest is of all results, in the order of the bits of x."""

COVERED = """\
## Where the promise ends

- Compiled on a CPU, tanh, the sigmoid beside its slope, their slopes, softplus, erf and expm1 come from functions of
  our own, within 2 ulps at every input asked; GELU within 5, its slope within 6.1. Inductor's exponential has a
  relative error of up to 1.35 * 2^-24; times a factor that is right beyond float32 it is off by some 2.4 ulps far to
  the left. GELU in 2 ulps needs another exponential. One in torch's operations took a kernel four times as long:
  Inductor moves bits between integers and floats through memory. Its own functions have no digits in the left tail of
  GELU and its slope and far out in the slopes of tanh and the sigmoid. The coefficients come from `python -m
  benchmarks.coefficients`. tanh and erf are monotone on the grid that the tests walk; softplus and the sigmoid may
  fall by an ulp.
- The digits of the slope of tanh right to its end, where the exponential is subnormal and four times it is not, cost
  TanhMix of `benchmarks/functions.py` 13 % of the backward's time, 6 % of both, measured on a loaded machine. Scaled
  ELU is a fifth faster than when expm1 was a product with tanh.
- Eager code keeps torch's functions and, for speed, torch's slopes: those of tanh and the sigmoid are 1 - t^2 and
  s (1 - s), off by half an ulp of 1, so far out they have no digits. GELU's tail comes from torch's erfc; rounding
  x/sqrt(2) costs it up to x^2 ulps. Compile the model where tails matter.
- The slope of erf and the Gaussian read exp(-x^2): rounding x^2 costs up to x^2 ulps. In half types that is nothing.
- A polynomial of a large bfloat16 x may overflow in float32 on the way to a number that bfloat16 has. A sine of
  w x + p reads this rounded to float32: for |x| in the thousands it loses its last digits, beyond 1e7 all of them. What
  polynomials lose in half types is next to a root of F or F', one input of float16 in a module.
- exp, log and the rest are torch's and Inductor's own. In s (1 - s) of x s(x), 1 - s has no digits for large x where F'
  is 1; below -88 the sigmoid in SiLU and in Mish's slope is 0 and so are they, where the truth is 1e-37 and less.
- Not measured: functions that have no row above, inputs of the float32 tables that were left out, modules of
  `generated/` without a row, gradients of parameters, GPUs, processors without AVX-512 (the sums are the same, the
  exponential may not be), float64."""


def page(rows: Sequence[Row], modules: Sequence[Row] = ()) -> str:
    """Everything, as markdown; `modules` are the rows of ulp-halves.json."""
    held = {(r["function"], r["route"], r["dtype"], r["what"]): r for r in rows}
    names = list(dict.fromkeys(r["function"] for r in rows if r["route"] in ROUTES))
    parts = [HEAD, HALVES]
    for dtype in ("bfloat16", "float16"):
        parts.append(f"### {dtype}\n\n{_by_route(held, names, dtype, _count)}")
    if modules:
        parts += [MODULES, halves_table(modules)]
    parts += [SINGLES, _by_route(held, names, "float32", _place), SMALL, _pairs(held, names, _small)]
    parts += [RELATIVE, _pairs(held, names, _relative)]
    whole = [r for r in rows if r["what"].endswith("2^32")]
    if whole:
        parts += [ALL, _whole(whole)]
    return "\n\n".join([*parts, COVERED]) + "\n"


def halves_table(rows: Sequence[Row]) -> str:
    """Modules at all inputs of the half types: a table of those that lose more than rounding, names of the rest."""
    routes = [(dtype, route) for dtype in ("bfloat16", "float16") for route in ("eager", "compiled")]
    held = {(r["module"], r["what"], r["dtype"], r["route"]): r for r in rows}
    lines, right = [], []
    for module, what in dict.fromkeys((r["module"], r["what"]) for r in rows):
        found = [held[module, what, dtype, route] for dtype, route in routes]
        name = f"{module} {LABELS[what]}"
        if all(r["worst"] < ROUNDED and not r["lost"] for r in found):
            right.append(name)
            continue
        cells = [f"{_short(r['worst'])}{' ({:,})'.format(r['off']) if r['off'] else ''}" for r in found]
        lost = "/".join(f"{r['lost']:,}" for r in found[:2])
        unasked = [f"{found[k]['over']:,}, {found[k]['subnormal']:,}" for k in (0, 2)]
        lines.append([name, *cells, _short(max(r["scaled"] for r in found)), lost, *unasked])
    head = ["", *(" ".join(r) for r in routes), "at the scale", "lost", "unasked bfloat16", "unasked float16"]
    said = f"Within {ROUNDED} ulp everywhere: {', '.join(right)}."
    return "\n\n".join([table(head, lines)] * bool(lines) + [said] * bool(right))


def _by_route(held: dict[tuple[str, str, str, str], Row], names: Sequence[str], dtype: str, cell: Any) -> str:
    rows = [
        [name, LABELS[what], *(cell(held.get((name, route, dtype, what))) for route in ROUTES)]
        for name in names
        for what in ("value", "slope")
    ]
    return table(["", "", *ROUTES], rows)


def _pairs(held: dict[tuple[str, str, str, str], Row], names: Sequence[str], cell: Any) -> str:
    routes = ("ours compiled", "torch compiled")
    rows = [
        [name, *(cell(held.get((name, r, "float32", what))) for what in ("value", "slope") for r in routes)]
        for name in names
    ]
    return table(["", *(f"{what}, {r.split()[0]}" for what in ("F", "F'") for r in routes)], rows)


def _count(row: Row | None) -> str:
    if row is None:
        return "none"
    return f"{_short(row['normal'])}{' ({:,})'.format(row['over']) if row['over'] else ''}"


def _place(row: Row | None) -> str:
    return "none" if row is None else f"{_short(row['normal'])} at {row['at']:.6g}"


def _small(row: Row | None) -> str:
    return "none" if row is None else _short(row["subnormal"])


def _relative(row: Row | None) -> str:
    return "none" if row is None else ", ".join(f"{row['tails'].get(k, 0.0):.1e}" for k in ("near 0", "tails"))


def _whole(rows: Sequence[Row]) -> str:
    cells = [
        [r["function"], "F" if r["what"].startswith("value") else "F'", r["route"].split()[0], f"{r['count']:,}",
         f"{_short(r['normal'])} at {r['at']:.6g}", _short(r["subnormal"]), f"{r['over']:,}", r["sha256"]]
        for r in rows
    ]  # fmt: skip
    head = ["", "", "", "inputs", "largest error", "below normal", "results off by an ulp or more", "digest"]
    return table(head, cells)


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.2g}"
