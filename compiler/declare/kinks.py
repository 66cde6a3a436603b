"""Functions with kinks. One rule states their derivatives: at a kink or a jump, F' is the limit from the left.

So relu'(0) = 0, leaky_relu'(0) is its small slope and |x|'(0) = -1. The limit is taken of F, not of each part for
itself, so that the slope is that of one side, and exactly that of both where they agree. Every dF/dparameter is the
limit from the left too, of the same piece. `declare/one_sided.py` applies the rule to derivatives; the ones here hold
away from ties and jumps. SymPy's own hold DiracDelta, and complex rules where it cannot tell that an argument is real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.constants import evaluate


class Flat(sp.Function):
    """A function whose derivative is 0, at its jumps too."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return sp.S.Zero


class Sign(Flat):
    """Sign(u): -1, 0 or 1; derivative 0 everywhere."""


class Step(Flat):
    """Step(u, h): 0 below 0, h at 0, 1 above."""


class Floor(Flat):
    """Floor(u): the largest integer that is not above u; derivative 0 everywhere."""


class Magnitude(sp.Function):
    """|u|; its derivative is Sign(u)."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sign(self.args[0])


class Winner(Flat):
    """Base of argmax and argmin; the first of tied arguments wins."""

    best: type[sp.Function]  # the extremum that the winner attains
    ranked: type[Winner]  # the same, but ties are decided by slopes

    @property
    def fields(self) -> tuple[sp.Expr, ...]:
        """What is compared."""
        return tuple(self.args)

    @property
    def slopes(self) -> tuple[sp.Expr, ...]:
        """d/dx of what is compared, to decide ties by; () where the first one wins."""
        return ()


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


class Ranked(Winner):
    """Base of winners whose arguments are the fields, then their slopes; of ties the one that leads just before."""

    @property
    def fields(self) -> tuple[sp.Expr, ...]:
        """What is compared."""
        return tuple(self.args[: len(self.args) // 2])

    @property
    def slopes(self) -> tuple[sp.Expr, ...]:
        """d/dx of what is compared."""
        return tuple(self.args[len(self.args) // 2 :])


class RankedLargest(Ranked):
    """argmax of the fields; of tied ones the least slope was the largest just before, of equal slopes the first."""

    best = Largest


class RankedSmallest(Ranked):
    """argmin of the fields; of tied ones the greatest slope was the smallest just before, of equal slopes the first."""

    best = Smallest


IndexOfLargest.ranked, IndexOfSmallest.ranked = RankedLargest, RankedSmallest

WINNERS: dict[type[sp.Function], type[Winner]] = {Largest: IndexOfLargest, Smallest: IndexOfSmallest}


class Select(sp.Function):
    """Select(w, e_0, e_1, ...) = e_w: a gather by the index w."""

    @classmethod
    def eval(cls, winner: sp.Expr, *entries: sp.Expr) -> sp.Expr | None:
        if all(e == entries[0] for e in entries):
            return entries[0]
        return None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return Select(self.args[0], *(e.diff(s) for e in self.args[1:]))


STATED: dict[type, Callable[..., sp.Expr]] = {
    sp.Abs: Magnitude,
    sp.sign: Sign,
    sp.Heaviside: Step,
    sp.floor: Floor,
    sp.ceiling: lambda u: -Floor(-u),
}


Order = Callable[[type[sp.Function], list[sp.Expr]], list[sp.Expr]]
"""(Largest or Smallest, its arguments) -> the arguments in the order in which ties are decided."""


def choose(expr: sp.Expr, order: Order) -> sp.Expr:
    """Replace what has kinks or jumps, innermost first; `order` decides which of tied arguments is first."""
    if not expr.args or not expr.has(sp.Max, sp.Min, *STATED):
        return expr
    arguments = [choose(e, order) for e in expr.args]
    if isinstance(expr, sp.Max):
        return _choice(Largest, _one_constant(arguments, max), order)
    if isinstance(expr, sp.Min):
        return _choice(Smallest, _one_constant(arguments, min), order)
    return STATED.get(type(expr), expr.func)(*arguments)


def _choice(kind: type[sp.Function], arguments: list[sp.Expr], order: Order) -> sp.Expr:
    return kind(*order(kind, arguments)) if len(arguments) > 1 else arguments[0]


def _one_constant(arguments: Sequence[sp.Expr], best: Callable[..., sp.Expr]) -> list[sp.Expr]:
    """The different arguments, and of several constants only the one that can win."""
    constants = [e for e in arguments if e.is_number]
    others = list(dict.fromkeys(e for e in arguments if not e.is_number))
    return [*others, best(constants, key=evaluate)] if constants else others


def is_indicator(e: sp.Expr) -> bool:
    """Whether at most one entry of a Select differs from 0."""
    return isinstance(e, Select) and sum(entry != 0 for entry in e.args[1:]) <= 1
