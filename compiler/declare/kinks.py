"""Functions with kinks, each with its derivative stated: the first argument's at a tie, 0 at a corner or a jump.

SymPy's own derivatives hold DiracDelta, and complex rules where it cannot tell that an argument is real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.symbols import tie_order


class Flat(sp.Function):
    """A function whose derivative is 0, at its jumps too."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return sp.S.Zero


class Sign(Flat):
    """Sign(u): -1, 0 or 1; derivative 0 everywhere."""


class Step(Flat):
    """Step(u, h): 0 below 0, h at 0, 1 above."""


class Magnitude(sp.Function):
    """|u|; its derivative is Sign(u), 0 at 0."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sign(self.args[0])


class Winner(Flat):
    """Base of argmax and argmin; the first of tied arguments wins."""


class Largest(sp.Function):
    """max of the arguments; its derivative is that of the first argument that attains it."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return Select(IndexOfLargest(*self.args), *(e.diff(s) for e in self.args))


class Smallest(sp.Function):
    """min of the arguments; its derivative is that of the first argument that attains it."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return Select(IndexOfSmallest(*self.args), *(e.diff(s) for e in self.args))


class IndexOfLargest(Winner):
    """argmax of the arguments, the first one at a tie."""

    best = Largest


class IndexOfSmallest(Winner):
    """argmin of the arguments, the first one at a tie."""

    best = Smallest


class Select(sp.Function):
    """Select(w, e_0, e_1, ...) = e_w: a gather by the index w."""

    @classmethod
    def eval(cls, winner: sp.Expr, *entries: sp.Expr) -> sp.Expr | None:
        if all(e == entries[0] for e in entries):
            return entries[0]
        return None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return Select(self.args[0], *(e.diff(s) for e in self.args[1:]))


STATED: dict[type, type[sp.Function]] = {sp.Abs: Magnitude, sp.sign: Sign, sp.Heaviside: Step}


def choose(expr: sp.Expr, symbols: Sequence[sp.Symbol]) -> sp.Expr:
    """Replace Abs, sign, Heaviside, Max and Min, innermost first; arguments are ordered by `symbols.tie_order`."""
    if not expr.args or not expr.has(sp.Max, sp.Min, *STATED):
        return expr
    arguments = [choose(e, symbols) for e in expr.args]
    if isinstance(expr, sp.Max):
        return _choice(Largest, _one_constant(arguments, max), symbols)
    if isinstance(expr, sp.Min):
        return _choice(Smallest, _one_constant(arguments, min), symbols)
    return STATED.get(type(expr), expr.func)(*arguments)


def _choice(kind: type[sp.Function], arguments: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> sp.Expr:
    return kind(*tie_order(arguments, symbols)) if len(arguments) > 1 else arguments[0]


def _one_constant(arguments: Sequence[sp.Expr], best: Callable[..., sp.Expr]) -> list[sp.Expr]:
    """The different arguments, and of several constants only the one that can win."""
    constants = [e for e in arguments if e.is_number]
    others = list(dict.fromkeys(e for e in arguments if not e.is_number))
    return [*others, best(constants, key=evaluate)] if constants else others


def is_indicator(e: sp.Expr) -> bool:
    """Whether at most one entry of a Select differs from 0."""
    return isinstance(e, Select) and sum(entry != 0 for entry in e.args[1:]) <= 1
