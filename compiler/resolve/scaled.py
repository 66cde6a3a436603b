"""`scaled_NAME`: scale f(stretch x) + offset of a function or family f that has no gain of its own to solve for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.basis import Values
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, put, shift, x
from learnact.errors import BadDeclaration

PREFIX = "scaled_"
"""The names of these families begin so."""

OWN = ("scale", "stretch", "offset")
"""The parameters that the scaled form adds."""


def scaled(family: Family) -> Family:
    """F(x) = scale f(stretch x) + offset, f at its own first start.

    Under a law of standard deviation sigma the starts stretch by 1/sigma. Raises BadDeclaration for a family whose own
    starts solve for a gain or a shift, as those of polynomials do, or with parameters of these names.
    """
    if taken := sorted({*OWN} & {*family.parameters}):
        raise BadDeclaration(f"{PREFIX}{family.name}: {family.name} has a parameter {taken[0]!r} already; use it alone")
    first = next(iter(family.starts))

    def function(p: SimpleNamespace, n: Any) -> sp.Expr:
        return p.scale * put(family.function(p, n), {x: p.stretch * x}) + p.offset

    def start(scale: sp.Expr, stretch: Any, offset: sp.Expr) -> Any:
        def values(n: Any, law: Law) -> Values:
            own = family.starts[first].values(n, law.over(law.sigma) if stretch else law)
            _require_no_unknowns(family, own)
            return {"scale": scale, "stretch": 1 / law.sigma if stretch else sp.S.One, "offset": offset, **own}

        return values

    _require_no_unknowns(family, family.starts[first].values(family.degrees and family.degrees[0], family.law))
    return Family(
        name=f"{PREFIX}{family.name}",
        title=f"Scaled {family.title}",
        formula=f"scale f(stretch x) + offset with f(x) = {family.formula}",
        parameters={**dict.fromkeys(OWN, 1), **family.parameters},
        function=function,
        starts={
            "balanced": Start(
                start(gain, True, gain * shift), note="x stretched to standard deviation 1; E[F^2] and E[F'^2]"
            ),
            "forward": Start(start(gain, True, sp.S.Zero), note="x stretched to standard deviation 1; E[F^2] alone"),
            "gain": Start(start(gain, False, sp.S.Zero), note="a gain alone, for E[F^2]", fixed_scale=True),
            "raw": Start(start(sp.S.One, False, sp.S.Zero), note="the function itself"),
        },
        degrees=family.degrees,
        law=family.law,
        domain=family.domain,
        reference=family.reference,
    )


def _require_no_unknowns(family: Family, values: Values) -> None:
    entries = [v for given in values.values() for v in (given if isinstance(given, (list, tuple)) else [given])]
    if any(sp.sympify(v).has(gain, shift) for v in entries):
        raise BadDeclaration(
            f"{PREFIX}{family.name}: {family.name} has a gain or a shift of its own to solve for; use {family.name}"
        )
