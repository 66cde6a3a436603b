"""`stretched_NAME:n`: unit f(x/unit) of a family f, where `unit` is set by the start and does not learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.basis import Basis, HingeFit, LinearFit, Values
from learnact.compiler.declare.constraints import Fixed
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import put, shift, x
from learnact.errors import BadDeclaration

PREFIX = "stretched_"
"""The names of these families begin so."""

UNIT = "unit"
"""The parameter that such a family adds; of a start it is the standard deviation of x."""


def stretched(family: Family) -> Family:
    """F(x) = unit f(x/unit): under a law of standard deviation sigma its starts are those of f at sigma = 1.

    Polynomials then keep coefficients that do not cancel, however small sigma is. Raises BadDeclaration for a family
    with a parameter of this name, and for one on a grid, whose nodes a parameter spaces.
    """
    if UNIT in family.parameters:
        raise BadDeclaration(f"{PREFIX}{family.name}: {family.name} has a parameter {UNIT!r} already; use it alone")
    if family.grid:
        raise BadDeclaration(f"{PREFIX}{family.name}: a parameter of {family.name} stretches its grid; use it alone")

    def function(p: SimpleNamespace, n: Any) -> sp.Expr:
        return p.unit * put(sp.sympify(family.function(p, n)), {x: x / p.unit})

    return Family(
        name=f"{PREFIX}{family.name}",
        title=f"Stretched {family.title}",
        formula=f"unit f(x/unit) with f(x) = {family.formula}, unit fixed",
        parameters={**family.parameters, UNIT: Fixed()},
        function=function,
        starts={name: replace(start, values=_values(start)) for name, start in family.starts.items()},
        degrees=family.degrees,
        law=family.law,
        basis=_basis(family.basis) if family.basis else None,
        fit=_fit(family.fit) if family.fit else None,
        domain=f"{family.domain}, in units of `unit`",
        reference=family.reference,
    )


def _values(start: Start) -> Callable[[Any, Law], Values]:
    """Those under the law of x/sigma. F = gain (g + shift), g = sigma f(x/sigma): f's own shift is shift/sigma."""

    def of(entry: Any, sigma: sp.Expr) -> sp.Expr:
        return sp.sympify(entry).xreplace({shift: shift / sigma})

    def values(n: Any, law: Law) -> Values:
        own = start.values(n, law.over(law.sigma))
        placed = {
            name: [of(e, law.sigma) for e in given] if isinstance(given, (list, tuple)) else of(given, law.sigma)
            for name, given in own.items()
        }
        return {**placed, UNIT: law.sigma}

    return values


def _basis(basis: Basis) -> Basis:
    def argument(p: SimpleNamespace, n: Any) -> sp.Expr:
        return put(basis.argument(p, n), {x: x / p.unit}) if basis.argument else x / p.unit

    return Basis(basis.features, lambda p, n: [p.unit * w for w in basis.weights(p, n)], argument)


def _fit(fit: LinearFit | HingeFit) -> LinearFit | HingeFit:
    """The same functions of x/sigma; knots are free, so a sum of hinges needs no other unit than 1."""
    if isinstance(fit, HingeFit):
        hinges = fit.values
        return replace(fit, values=lambda *sums: {**hinges(*sums), UNIT: sp.S.One})
    features, found = fit.features, fit.values

    def stretched_features(n: Any, law: Law) -> list[sp.Expr]:
        s = law.sigma
        return [s * put(sp.sympify(f), {x: x / s}) for f in features(n, law.over(s))]

    def values(n: Any, law: Law, solution: Any) -> Values:
        return {**found(n, law.over(law.sigma), solution), UNIT: law.sigma}

    return LinearFit(stretched_features, values)
