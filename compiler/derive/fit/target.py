"""Targets of fits: classical activations T with T' and T'', as expressions and in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import sympy as sp

from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.pieces import derivative, kinks
from learnact.compiler.derive.expectation.values import Array, InDouble
from learnact.errors import UnknownName


@dataclass(frozen=True)
class Target:
    """A classical activation at a scale: scale * T(x/scale)."""

    name: str
    expr: sp.Expr
    scale: sp.Expr = sp.S.One

    @cached_property
    def slope(self) -> sp.Expr:
        """T' almost everywhere."""
        return derivative(self.expr)

    @cached_property
    def kinks(self) -> tuple[sp.Expr, ...]:
        """Where T' jumps, in increasing order."""
        return kinks(self.expr)

    @cached_property
    def curvature(self) -> sp.Expr:
        """T'' between kinks."""
        return derivative(self.slope)

    @cached_property
    def in_double(self) -> Callable[[Array], Sequence[Array]]:
        """Arrays of T, T' and T'' at an array of points."""
        expressions = self.expr, self.slope, self.curvature
        return lambda points: [at(e) for at in (InDouble(points),) for e in expressions]


@lru_cache(maxsize=16)
def target(name: str, scale: sp.Expr = sp.S.One) -> Target:
    """The classical activation of this name at a scale. Raises UnknownName."""
    if name not in CLASSICAL:
        raise UnknownName("fit target", name, CLASSICAL)
    if name == "relu":
        scale = sp.S.One  # it is the same at every scale
    return Target(name, scale * CLASSICAL[name](x / scale), scale)
