"""What a family may declare beside its formula: a basis that computes it faster, and how to fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.laws import Law

Values = Mapping[str, "sp.Expr | Sequence[sp.Expr]"]


@dataclass(frozen=True)
class Feature:
    """One element-wise basis function f_i(x): its value and derivative, from x and earlier features."""

    symbol: sp.Symbol  # its name in the emitted code and in later features
    value: sp.Expr  # in x and the symbols of earlier features
    slope: sp.Expr  # d value / d x in x, any features' symbols and earlier features' slope symbols
    weighted: bool = True  # False: an intermediate value without a weight

    @property
    def slope_symbol(self) -> sp.Symbol:
        """The symbol of d f_i / d x, for the slopes of later features."""
        return slope_of(self.symbol)


def slope_of(symbol: sp.Symbol) -> sp.Symbol:
    """The symbol that stands for d symbol / d x."""
    return sp.Symbol(f"{symbol.name}_slope", real=True)


@dataclass(frozen=True)
class Basis:
    """F = sum_i weights_i f_i(u), with the features f_i as a straight-line program (a recurrence, say).

    u is x, or the multiple of x that `argument` gives.
    """

    features: Callable[[Any], tuple[Feature, ...]]  # degree -> features, in order of evaluation
    weights: Callable[[SimpleNamespace, Any], Sequence[sp.Expr]]  # (parameters, degree) -> one per weighted feature
    argument: Callable[[SimpleNamespace, Any], sp.Expr] | None = None  # (parameters, degree) -> u


@dataclass(frozen=True)
class LinearFit:
    """How to fit a target by linear least squares: the features, and the parameter values for given weights of them."""

    features: Callable[[Any, Law], Sequence[sp.Expr]]  # (degree, law) -> expressions in x alone
    values: Callable[[Any, Law, Sequence[sp.Expr]], Values]  # (degree, law, solution) -> parameter values


@dataclass(frozen=True)
class HingeFit:
    """How to fit F(x) = level + tilt x + sum_i rise_i relu(x - up_i) - sum_j fall_j relu(x - down_j), rises, falls > 0.

    That is a difference of two convex piecewise-linear functions; the knots `up` and `down` are free.
    """

    knots: Callable[[Any], tuple[int, int]]  # degree -> (number of upward knots, of downward knots)
    values: Callable[..., Values]  # (degree, level, tilt, ups, rises, downs, falls) -> parameter values
