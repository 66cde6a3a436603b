"""Classical functions as families: `gelu`, which has no parameters, and `scaled_gelu`, which has three scalars."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.classical import CLASSICAL_FUNCTIONS, Classical
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Family, Start, Values
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.errors import UnknownName

SCALED = "scaled_"
"""The names of families F(x) = scale f(stretch x) + offset begin so."""


def classical_names() -> tuple[str, ...]:
    """Names of the classical functions, sorted."""
    return tuple(sorted(CLASSICAL_FUNCTIONS))


def is_classical(name: str) -> bool:
    """Whether `name` is a classical function or the scaled form of one."""
    return name.removeprefix(SCALED) in CLASSICAL_FUNCTIONS


def classical_family(name: str) -> Family:
    """The family of a classical function, or of its scaled form. Raises UnknownName."""
    plain = name.removeprefix(SCALED)
    if plain not in CLASSICAL_FUNCTIONS:
        raise UnknownName("classical function", plain, classical_names())
    found = CLASSICAL_FUNCTIONS[plain]
    return _fixed(name, found) if name == plain else _scaled(name, found)


def _fixed(name: str, f: Classical) -> Family:
    return Family(
        name=name,
        title=f.title,
        formula=f.formula,
        parameters={},
        function=lambda _p, _n: f.function(x),
        starts={"declared": Start(lambda _n, _law: {}, note="nothing to choose")},
        degrees=None,
        domain=f.domain,
        reference=f.reference,
    )


def _scaled(name: str, f: Classical) -> Family:
    """F(x) = scale f(stretch x) + offset; under a law of standard deviation sigma its starts stretch by 1/sigma."""

    def function(p: SimpleNamespace, _: Any) -> sp.Expr:
        return p.scale * f.function(p.stretch * x) + p.offset

    def values(scale: sp.Expr, stretch: sp.Expr, offset: sp.Expr) -> Values:
        return {"scale": scale, "stretch": stretch, "offset": offset}

    def balanced(_: Any, law: Law) -> Values:
        return values(gain, 1 / law.sigma, gain * shift)

    def forward(_: Any, law: Law) -> Values:
        return values(gain, 1 / law.sigma, sp.S.Zero)

    return Family(
        name=name,
        title=f"Scaled {f.title}",
        formula=f"scale f(stretch x) + offset with f(x) = {f.formula}",
        parameters={"scale": 1, "stretch": 1, "offset": 1},
        function=function,
        starts={
            "balanced": Start(balanced, note="x stretched to standard deviation 1; E[F^2] and E[F'^2]"),
            "forward": Start(forward, note="x stretched to standard deviation 1; E[F^2] alone"),
            "gain": Start(
                lambda _n, _law: values(gain, sp.S.One, sp.S.Zero), note="a gain alone, for E[F^2]", fixed_scale=True
            ),
            "raw": Start(lambda _n, _law: values(sp.S.One, sp.S.One, sp.S.Zero), note="the function itself"),
        },
        degrees=None,
        domain=f.domain,
        reference=f.reference,
    )
