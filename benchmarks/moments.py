"""Is every start what it says? Second moments of all families and degrees, by a quadrature of their own.

    python -m benchmarks.moments                       # every family, degrees 1 to 12
    python -m benchmarks.moments --only hermite,sinusoid --degrees 3,5

The compiler gives the parameter values of each balanced start and their moments. Here they are put, as float64, into
the declared function; torch's autograd takes the slope; Gauss-Legendre panels, cut at every kink, integrate against
the density of N(0, 1). Nothing of the compiler's derivation is used for that. Exit status 1 if a start that is called
balanced misses 1 by more than TOLERANCE.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from benchmarks.tables import provenance, save, table
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import start
from learnact.compiler.derive.derivation import StartDerivation
from learnact.compiler.resolve.registry import resolve

FAMILIES = "hermite chebyshev legendre fourier fourier_free tropical tropical_rational sinusoid".split()
DEGREES = range(1, 13)
NO_DEGREE = {"sinusoid"}

TOLERANCE = 1e-12
"""float64 parameters move a moment by a few 1e-16 per term, and the quadrature sums some 10^4 terms."""

REACH = 16.0  # |x|: beyond it the density times x^26, the largest power that occurs, is below 1e-24
WIDTH = 0.25  # of a panel: 3 radians of the fastest cosine
NODES = 32  # Gauss-Legendre nodes a panel


INTRODUCTION = """\
Written by `python -m benchmarks.moments --out benchmarks/results`. M = E[F²], M' = E[F'²], q-slope = E[x F F']/E[F²]
under N(0, 1), as the compiler derives them; |Δ| is their distance from an independent quadrature (float64 parameters,
slopes by autograd, Gauss-Legendre panels cut at the kinks). Derivation: processor time, in one process for the whole
table, so that fourier_free finds what fourier has already taken."""


@dataclass(frozen=True)
class Row:
    """One balanced start: what the compiler says of it, and what the quadrature finds."""

    activation: str
    kind: str  # "balanced" or "forward only"
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


def measure(spec: str, name: str = "balanced") -> Row:
    """Derive the start of this name, and integrate what it makes of the declared function."""
    activation = resolve(spec)
    if activation.family.law != Normal():
        raise ValueError(f"{spec} is declared under {activation.family.law}; this quadrature is for Normal(0, 1)")
    begin = time.process_time()
    derived = start(activation, name)
    seconds = time.process_time() - begin
    said = [float(q) for q in (derived.moments.second, derived.moments.slope_second, derived.moments.q_slope)]
    function, kinks = shape(activation, derived)
    errors = [abs(a - b) for a, b in zip(integrate(function, kinks), said, strict=True)]
    exact = derived.exact and derived.moments.exact
    return Row(spec, derived.kind, *said, exact, seconds, *errors, derived.reason)


def shape(activation: Activation, derived: StartDerivation) -> tuple[Callable[[Tensor], Tensor], list[float]]:
    """The declared function at the start's values in float64, and where it may have kinks."""
    vectors = {vector.name: vector.symbols for vector in activation.parameters}
    pairs = {s: float(sp.N(v, 20)) for name, symbols in vectors.items()
             for s, v in zip(symbols, derived.values[name], strict=True)}  # fmt: skip
    kinks = []
    for choice in activation.function.atoms(sp.Max):
        lines = [sp.Poly(piece.subs(pairs), x) for piece in choice.args]
        for one, other in itertools.combinations(lines, 2):
            gap = one - other
            if gap.degree() > 1:
                raise ValueError(f"{activation.names.spec}: {choice} chooses between curves; give their crossings")
            if gap.degree() == 1:
                kinks.append(float(-gap.coeff_monomial(1) / gap.coeff_monomial(x)))
    return lambda points: evaluate(activation.function, {**pairs, x: points}), kinks


def float64(value: Tensor | float) -> Tensor:
    """A number or tensor as a tensor; torch's own default for numbers is float32."""
    return torch.as_tensor(value, dtype=torch.float64)


OPERATIONS: dict[type[sp.Basic], Callable[..., Tensor]] = {
    sp.Add: lambda *terms: sum(terms),
    sp.Mul: lambda *factors: math.prod(factors),
    sp.Pow: lambda base, exponent: base**exponent,
    sp.cos: torch.cos,
    sp.sin: torch.sin,
    sp.Max: lambda *pieces: torch.stack(torch.broadcast_tensors(*map(float64, pieces))).amax(0),
}
"""What the declared functions are made of. Another operation raises KeyError with its name."""


def evaluate(e: sp.Expr, values: dict[sp.Symbol, Tensor | float]) -> Tensor | float:
    """The value of an expression, operation by operation as it is written."""
    if e.is_Symbol:
        return values[e]
    if e.is_Number:
        return int(e) if e.is_Integer else float(e)
    return OPERATIONS[e.func](*(evaluate(argument, values) for argument in e.args))


def integrate(function: Callable[[Tensor], Tensor], kinks: list[float]) -> tuple[float, float, float]:
    """E[F^2], E[F'^2] and E[x F F']/E[F^2] under N(0, 1)."""
    inside = [k for k in kinks if abs(k) < REACH]
    edges = np.unique([*np.arange(-REACH, REACH + WIDTH / 2, WIDTH), *inside])
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    points = torch.tensor(edges[:-1, None] + half * (1 + nodes), requires_grad=True)
    value = function(points)
    (slope,) = torch.autograd.grad(value.sum(), points)
    f, df, at = value.detach().numpy(), slope.numpy(), points.detach().numpy()
    mass = half * weights * np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    second = float(np.sum(mass * f * f))
    return second, float(np.sum(mass * df * df)), float(np.sum(mass * at * f * df)) / second


def specs(families: list[str], degrees: list[int]) -> list[str]:
    """Every activation asked for, by its name."""
    return [f if f in NO_DEGREE else f"{f}:{n}" for f in families for n in ([0] if f in NO_DEGREE else degrees)]


def report(rows: list[Row]) -> str:
    """The rows as a table, and under it why any start is not balanced."""
    head = ["activation", "start", "M", "M'", "q-slope", "values", "derived in", "|ΔM|", "|ΔM'|", "|Δq-slope|", ""]
    cells = [
        [
            r.activation, r.kind, f"{r.second:.6g}", f"{r.slope_second:.6g}", f"{r.q_slope:+.4f}",
            "exact" if r.exact else "numeric", f"{r.seconds * 1e3:.0f} ms",
            *(f"{e:.1e}" for e in (r.second_error, r.slope_second_error, r.q_slope_error)),
            "" if r.holds else "MISS",
        ]
        for r in rows
    ]  # fmt: skip
    return "\n".join([table(head, cells), "", *(f"- {r.activation}: {r.reason}" for r in rows if r.reason)]).rstrip()


def main() -> int:
    """Run the cases asked for; 0 if every start is what the compiler says of it."""
    parser = argparse.ArgumentParser(description="Second moments of balanced starts by an independent quadrature.")
    parser.add_argument("--only", default=",".join(FAMILIES), help="families, by comma")
    parser.add_argument("--degrees", default=",".join(map(str, DEGREES)), help="degrees, by comma")
    parser.add_argument("--out", type=Path, help="folder for moments.json and moments.md (default: none are written)")
    options = parser.parse_args()
    rows = []
    for spec in specs(options.only.split(","), [int(n) for n in options.degrees.split(",")]):
        rows.append(measure(spec))
        print(f"{spec}: {rows[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    held = sum(r.holds for r in rows)
    text = f"{report(rows)}\n\n{held} of {len(rows)} hold within {TOLERANCE:.0e}."
    print(text)
    if options.out:
        content = {**provenance(), "law": "Normal(0, 1)", "tolerance": TOLERANCE, "rows": [asdict(r) for r in rows]}
        save(options.out / "moments.json", content)
        (options.out / "moments.md").write_text(
            f"# Balanced starts, checked by quadrature\n\n{INTRODUCTION}\n\n{text}\n"
        )
    return 0 if held == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
