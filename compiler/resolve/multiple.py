"""A multiple of an activation: t F by other values of the parameters that F is proportional to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import sympy as sp

from learnact.compiler.declare.spec import Activation
from learnact.compiler.resolve.expression import homogeneity
from learnact.errors import NoStart


def multiple(
    activation: Activation, values: Mapping[str, Sequence[sp.Expr]], factor: sp.Expr
) -> dict[str, tuple[sp.Expr, ...]]:
    """Values at which F is `factor` times what it is at `values`, for a factor above 0; parameter -> values.

    Raises NoStart where no parameters have F proportional to them.
    """
    if factor == 1:
        return {name: tuple(entries) for name, entries in values.items()}
    scaled = proportional(activation)
    return {name: tuple(factor * v if name in scaled else v for v in entries) for name, entries in values.items()}


def proportional(activation: Activation) -> frozenset[str]:
    """The largest set of parameters with F(t of them) = t F, t > 0: all coefficients of a sum. Raises NoStart."""
    vectors = {v.name: set(v.symbols) for v in activation.parameters}
    for size in range(len(vectors), 0, -1):
        for names in combinations(vectors, size):
            if homogeneity(activation.function, {s for name in names for s in vectors[name]}) == 1:
                return frozenset(names)
    raise NoStart(
        f"no parameter of {activation.names.spec} scales the whole function, so no values make a multiple of it; give "
        "it a factor that learns, as a in a*tanh(b*x)"
    )
