"""Translation validation: what an emitted file computes, as mathematics, is proved to be what is declared.

The file's own Python runs on tensors of expressions (`trace`); its literals become the exact numbers that they round
(`literals`); and captured - declared is brought to 0 in every cell of the parameters and x (`cells`). Derivatives of
the declaration are the referee's own (`declared`). It says nothing on rounding, on Inductor, or on a driver.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import sympy as sp

from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify.load import Text
from learnact.compiler.verify.prove.assumptions import assumptions
from learnact.compiler.verify.prove.cells import Prover
from learnact.compiler.verify.prove.literals import Literals
from learnact.compiler.verify.prove.normal import note_units
from learnact.compiler.verify.prove.trace import Claim, Tracer, stand_ins
from learnact.compiler.verify.report import Identity
from learnact.errors import NoProof

SECONDS = 20.0
"""Time limit of one proof."""

LONGEST = 300
"""Characters of an exception's message that a report repeats."""


def prove(activation: Activation, source: str, *, seconds: float = SECONDS) -> tuple[Identity, ...]:
    """Every identity of an emitted file, none tried for longer than `seconds`.

    Raises SyntaxError, and NoProof for a family that is computed on a grid.
    """
    return tuple(proofs(activation, source, seconds=seconds))


def proofs(activation: Activation, source: str, *, seconds: float = SECONDS) -> Iterator[Identity]:
    """The same, one by one. What the file computes in several situations by one expression is one identity.

    Raises as `prove`.
    """
    require_traced(activation)
    tracer = Tracer(activation, Text.of(source).body, Literals(_with_derivatives(activation)), stand_ins())
    claims: dict[Claim, list[str]] = {}
    for situation in tracer.situations:
        begin = time.perf_counter()
        try:
            for claim in tracer.claims(situation):
                claims.setdefault(claim, []).append(situation.name)
        except Exception as err:
            words = " ".join(f"{type(err).__name__}: {err}".split())[:LONGEST]
            yield Identity("trace", (situation.name,), "failed", words, time.perf_counter() - begin)
    prover = Prover(activation, tuple(tracer.ascending), seconds)
    note_units(prover.atoms, [activation.function, *(claim.traced for claim in claims)])
    for claim, situations in claims.items():
        begin = time.perf_counter()
        outcome = prover(claim)
        seconds_used = time.perf_counter() - begin
        yield Identity(claim.what, tuple(situations), outcome.verdict, outcome.detail, seconds_used)
    yield from assumptions(tracer)


def require_traced(activation: Activation) -> None:
    """Raise NoProof where a file looks coefficients up by an index, which no normal form here decides."""
    if activation.grid is not None:
        raise NoProof(
            f"{activation.names.spec} looks coefficients up by an index into a grid, which proofs do not follow; "
            "verify it without --prove"
        )


def _with_derivatives(activation: Activation) -> list[sp.Expr]:
    """F and derivatives whose numbers are those of its first derivatives: kinked functions give way to smooth ones."""
    smooth = activation.function.replace(lambda e: isinstance(e, (sp.Max, sp.Min)), lambda e: sp.Add(*e.args))
    smooth = smooth.replace(lambda e: isinstance(e, (sp.Abs, sp.sign, sp.Heaviside)), lambda e: e.args[0] ** 2)
    smooth = smooth.replace(sp.Piecewise, lambda *pieces: sp.Add(*(piece for piece, _ in pieces)))
    return [activation.function, *(sp.diff(smooth, s) for s in (x, *activation.symbols))]
