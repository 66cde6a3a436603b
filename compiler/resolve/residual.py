"""`residual_NAME:n`: a classical function plus a learned Hermite polynomial that starts at 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.basis import Values
from learnact.compiler.declare.classical import Classical
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x

PREFIX = "residual_"
"""The names of these families begin so."""


def residual(name: str, f: Classical) -> Family:
    """F(x) = scale (f(u) + sum_{k=0..n} corrections_k He_k(u)/sqrt(k!)), u = stretch x.

    The corrections start at 0, but for the constant, which balances. `name` is that of f.
    """

    def function(p: SimpleNamespace, n: Any) -> sp.Expr:
        u = p.stretch * x
        terms = [a * sp.polys.orthopolys.hermite_prob_poly(k, u) for k, a in enumerate(p.corrections)]
        return p.scale * (f.function(u) + sum(t / sp.sqrt(sp.factorial(k)) for k, t in enumerate(terms)))

    def start(scale: sp.Expr, constant: sp.Expr, stretched: bool) -> Any:
        def values(n: Any, law: Law) -> Values:
            stretch = 1 / law.sigma if stretched else sp.S.One
            return {"scale": scale, "stretch": stretch, "corrections": [constant, *[sp.S.Zero] * n]}

        return values

    return Family(
        name=f"{PREFIX}{name}",
        title=f"{f.title} with a Hermite correction",
        formula=f"scale (f(u) + sum_{{k=0..n}} corrections_k He_k(u)/sqrt(k!)), u = stretch x, f(u) = {f.formula}",
        parameters={"scale": 1, "stretch": 1, "corrections": lambda n: n + 1},
        function=function,
        starts={
            "balanced": Start(start(gain, shift, True), note="x stretched to standard deviation 1; E[F^2] and E[F'^2]"),
            "forward": Start(start(gain, sp.S.Zero, True), note="x stretched to standard deviation 1; E[F^2] alone"),
            "raw": Start(start(sp.S.One, sp.S.Zero, False), note="the function itself"),
        },
        domain=f"{f.domain}; the correction grows like |x|^n",
        reference=f.reference,
    )
