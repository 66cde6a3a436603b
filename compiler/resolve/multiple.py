"""A multiple of an activation: t F by other values of the parameters that F is proportional to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp

from learnact.compiler.declare.spec import Activation
from learnact.compiler.resolve.homogeneous import common_factor
from learnact.errors import NoStart


def multiple(
    activation: Activation, values: Mapping[str, Sequence[sp.Expr]], factor: sp.Expr
) -> dict[str, tuple[sp.Expr, ...]]:
    """Values at which F is `factor` times what it is at `values`, for a factor above 0; parameter -> values.

    Raises NoStart where no parameters have F proportional to them.
    """
    if factor == 1:
        return {name: tuple(entries) for name, entries in values.items()}
    by_name = activation.assign({name: list(entries) for name, entries in values.items()})
    pairs = activation.scaled(by_name, dict.fromkeys(proportional(activation), factor))
    return {v.name: tuple(pairs[s] for s in v.symbols) for v in activation.parameters}


def proportional(activation: Activation) -> frozenset[sp.Symbol]:
    """The entries of the largest set of parameters with F(t of them) = t F, t > 0: all coefficients of a sum.

    Raises NoStart where there is none.
    """
    entries = [value for v in activation.parameters for value in v.values if value in activation.scalable]
    found = common_factor(activation.written, entries)
    if found:
        return found
    raise NoStart(
        f"no parameter of {activation.names.spec} scales the whole function, so no values make a multiple of it; give "
        "it a factor that learns, as a in a*tanh(b*x)"
    )
