"""Is every start what it says? Second moments of all families, degrees and classical functions, by another quadrature.

    python -m benchmarks.moments                       # everything
    python -m benchmarks.moments --only hermite,sinusoid,gelu --degrees 3,5

The compiler gives the parameter values of each family's first start and their moments. Here they are put, as float64,
into the declared function; torch's autograd takes the slope; Gauss-Legendre panels, cut at every kink, integrate
against the density of the family's law. Nothing of the compiler's derivation is used for that. Exit status 1 if the
two differ, or a start that is called balanced misses 1, by more than TOLERANCE.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from benchmarks.tables import RESULTS, provenance, save, table
from learnact import classical_names
from learnact.compiler.declare.laws import Exponential, Law, Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import start, start_names
from learnact.compiler.derive.derivation import StartDerivation
from learnact.compiler.resolve.registry import family, resolve, shipped_names

TOLERANCE = 1e-12
"""float64 parameters move a moment by a few 1e-16 per term, and the quadrature sums some 10^4 terms."""

Density = Callable[[np.ndarray], np.ndarray]

LAWS: dict[Law, tuple[float, float, Density]] = {
    Normal(): (-16.0, 16.0, lambda at: np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)),
    Exponential(): (0.0, 250.0, lambda at: np.exp(-at)),
}
"""From and to, beyond which the density times x^26, the largest power that occurs, is below 1e-24; and the density."""

WIDTH = 0.25  # of a panel: 3 radians of the fastest cosine
NODES = 32  # Gauss-Legendre nodes a panel


INTRODUCTION = """\
Written by `python -m benchmarks.moments --out benchmarks/results`. M = E[F²], M' = E[F'²], q-slope = E[x F F']/E[F²]
of each family's first start under its law (N(0, 1), laguerre Exponential(1)), and of classical functions, as the
compiler derives them; C'(1) = M'/M, the slope of the correlation map at 1; |Δ| is their distance from an independent
quadrature (float64 parameters, slopes by autograd, Gauss-Legendre panels cut at the kinks). Derivation: processor time,
in one process for the whole table, so that fourier_free finds what fourier has already taken. Proved: so many of the
identities of the emitted file (`docs/proofs.md`), the rest is checked; none for families on a grid."""


NAMES = (*shipped_names(), *classical_names())


@dataclass(frozen=True)
class Row:
    """One balanced start: what the compiler says of it, and what the quadrature finds."""

    activation: str
    start: str
    kind: str  # "balanced", "forward only" or "as declared"
    second: float  # M, as the compiler says it
    slope_second: float  # M'
    q_slope: float
    exact: bool  # closed forms, of the values and of the moments
    seconds: float  # processor time of the derivation
    second_error: float  # |M by quadrature - M said|
    slope_second_error: float
    q_slope_error: float
    reason: str

    @property
    def holds(self) -> bool:
        """Whether quadrature finds what the compiler says; and 1, where it says balanced."""
        errors = [self.second_error, self.slope_second_error, self.q_slope_error]
        if self.kind == "balanced":
            errors += [abs(self.second - 1), abs(self.slope_second - 1)]
        return max(errors) <= TOLERANCE


def measure(spec: str, name: str = "") -> Row:
    """Derive the start of this name, or the first, and integrate what it makes of the declared function."""
    activation = resolve(spec)
    law = activation.family.law
    if law not in LAWS:
        raise ValueError(f"{spec} is declared under {law}; this quadrature is for {', '.join(map(str, LAWS))}")
    name = name or start_names(activation)[0]
    begin = time.process_time()
    derived = start(activation, name)
    seconds = time.process_time() - begin
    said = [float(q) for q in (derived.moments.second, derived.moments.slope_second, derived.moments.q_slope)]
    function, kinks = shape(activation, derived)
    errors = [abs(a - b) for a, b in zip(integrate(function, kinks, law), said, strict=True)]
    exact = derived.exact and derived.moments.exact
    return Row(spec, name, derived.kind, *said, exact, seconds, *errors, derived.reason)


def shape(activation: Activation, derived: StartDerivation) -> tuple[Callable[[Tensor], Tensor], list[float]]:
    """The declared function at the start's values in float64, and where it may have kinks."""
    vectors = {vector.name: vector.symbols for vector in activation.parameters}
    pairs = {s: float(sp.N(v, 20)) for name, symbols in vectors.items()
             for s, v in zip(symbols, derived.values[name], strict=True)}  # fmt: skip
    return (
        lambda points: float64(evaluate(activation.function, {**pairs, x: points})),
        kinks(activation.function.xreplace(pairs)),
    )


def kinks(function: sp.Expr) -> list[float]:
    """Where any two branches of a choice meet, or a condition changes: every kink, and points that are none."""
    gaps = [
        one - other
        for choice in function.atoms(sp.Max, sp.Min)
        for one, other in itertools.combinations(branches(choice), 2)
    ]
    gaps += [condition.lhs - condition.rhs for condition in function.atoms(sp.core.relational.Relational)]
    gaps += [size.args[0] for size in function.atoms(sp.Abs)]
    found = []
    for gap in gaps:
        line = sp.Poly(gap, x)
        if line.degree() > 1:
            raise ValueError(f"{function} chooses between curves; give their crossings")
        if line.degree() == 1:
            found.append(float(-line.coeff_monomial(1) / line.coeff_monomial(x)))
    return found


def branches(choice: sp.Expr) -> list[sp.Expr]:
    """All that nested maxima and minima choose among."""
    if not isinstance(choice, (sp.Max, sp.Min)):
        return [choice]
    return [leaf for argument in choice.args for leaf in branches(argument)]


def float64(value: Tensor | float) -> Tensor:
    """A number or tensor as a tensor; torch's own default for numbers is float32."""
    return torch.as_tensor(value, dtype=torch.float64)


def chosen(choice: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """The largest or smallest of several numbers and tensors."""
    return lambda *pieces: choice(torch.stack(torch.broadcast_tensors(*map(float64, pieces))), 0)


def in_float64(function: Callable[[Tensor], Tensor], value: Tensor | float) -> Tensor:
    """A function of torch, of a tensor or number."""
    return function(float64(value))


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda *terms: sum(terms),
    "Mul": lambda *factors: math.prod(factors),
    "Pow": lambda base, exponent: base**exponent,
    "Max": chosen(torch.amax),
    "Min": chosen(torch.amin),
    "Abs": torch.abs,
    **{name: partial(in_float64, getattr(torch, name)) for name in ("cos", "sin", "exp", "tanh", "erf", "sigmoid")},
    "softplus": lambda t: torch.log1p(torch.exp(float64(t))),
    "StrictGreaterThan": lambda a, b: a > b,
    "LessThan": lambda a, b: a <= b,
}
"""What the declared functions are made of. Another operation raises KeyError with its name."""


def evaluate(e: sp.Basic, values: dict[sp.Symbol, Tensor | float]) -> Tensor | float:
    """The value of an expression, operation by operation as it is written."""
    if e.is_Symbol:
        return values[e]
    if isinstance(e, sp.Piecewise):
        whole = torch.full_like(values[x], math.nan)
        for value, condition in reversed(e.args):
            inside = torch.as_tensor(True if condition is sp.true else evaluate(condition, values))
            whole = torch.where(inside, float64(evaluate(value, values)), whole)
        return whole
    if isinstance(e, (sp.Number, sp.NumberSymbol)):
        return int(e) if e.is_Integer else float(e)
    return OPERATIONS[e.func.__name__](*(evaluate(argument, values) for argument in e.args))


def integrate(function: Callable[[Tensor], Tensor], kinks: Sequence[float], law: Law) -> tuple[float, float, float]:
    """E[F^2], E[F'^2] and E[x F F']/E[F^2] under a law of LAWS."""
    low, high, density = LAWS[law]
    inside = [k for k in kinks if low < k < high]
    edges = np.unique([*np.arange(low, high + WIDTH / 2, WIDTH), *inside])
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    points = torch.tensor(edges[:-1, None] + half * (1 + nodes), requires_grad=True)
    value = function(points)
    (slope,) = torch.autograd.grad(value.sum(), points)
    f, df, at = value.detach().numpy(), slope.numpy(), points.detach().numpy()
    mass = half * weights * density(at)
    second = float(np.sum(mass * f * f))
    return second, float(np.sum(mass * df * df)), float(np.sum(mass * at * f * df)) / second


def specs(names: Iterable[str], degrees: Iterable[int] | None = None) -> list[str]:
    """Every activation asked for, by its name; all degrees of a family, or those of them that are given."""
    found = []
    for name in names:
        own = None if name in classical_names() else family(name).degrees
        found += [name] if own is None else [f"{name}:{n}" for n in own if degrees is None or n in degrees]
    return found


def report(rows: list[Row], proofs: dict[str, str]) -> str:
    """The rows as a table, and under it why any start is not balanced."""
    head = ["activation", "start", "M", "M'", "C'(1)", "q-slope", "values", "derived in", "|ΔM|", "|ΔM'|"]
    head += ["|Δq-slope|", "proved", ""]
    cells = [
        [
            r.activation, f"{r.start}: {r.kind}" if r.kind not in {r.start, "as declared"} else r.start,
            f"{r.second:.6g}", f"{r.slope_second:.6g}", f"{r.slope_second / r.second:.4g}",
            f"{r.q_slope:+.4f}", "exact" if r.exact else "numeric", f"{r.seconds * 1e3:.0f} ms",
            *(f"{e:.1e}" for e in (r.second_error, r.slope_second_error, r.q_slope_error)),
            proofs.get(r.activation, "none"), "" if r.holds else "MISS",
        ]
        for r in rows
    ]  # fmt: skip
    return "\n".join([table(head, cells), "", *(f"- {r.activation}: {r.reason}" for r in rows if r.reason)]).rstrip()


def proved(path: Path) -> dict[str, str]:
    """activation -> how many of its file's identities are proved, by what `benchmarks.proofs` has kept."""
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    return {r["activation"]: f"{r['proved']} of {r['identities']}" for r in rows}


def main() -> int:
    """Run the cases asked for; 0 if every start is what the compiler says of it."""
    parser = argparse.ArgumentParser(description="Second moments of starts by an independent quadrature.")
    parser.add_argument("--only", default=",".join(NAMES), help="families and classical functions, by comma")
    parser.add_argument("--degrees", help="degrees, by comma (default: all)")
    parser.add_argument("--out", type=Path, help="folder for moments.json and moments.md (default: none are written)")
    options = parser.parse_args()
    rows = []
    degrees = [int(n) for n in options.degrees.split(",")] if options.degrees else None
    for spec in specs(options.only.split(","), degrees):
        rows.append(measure(spec))
        print(f"{spec}: {rows[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    held = sum(r.holds for r in rows)
    text = f"{report(rows, proved(RESULTS / 'proofs.json'))}\n\n{held} of {len(rows)} hold within {TOLERANCE:.0e}."
    print(text)
    if options.out:
        content = {**provenance(), "tolerance": TOLERANCE, "rows": [asdict(r) for r in rows]}
        save(options.out / "moments.json", content)
        (options.out / "moments.md").write_text(
            f"# All families and classical functions, checked by quadrature\n\n{INTRODUCTION}\n\n{text}\n"
        )
    return 0 if held == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
