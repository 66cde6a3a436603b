"""Piecewise with cheap rules: constant conditions are decided, and nothing else is looked for."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.relational import Relational


class Piecewise(sp.Piecewise):
    """SymPy's Piecewise without its search for simpler conditions, which takes minutes where cases are nested.

    SymPy joins neighbours of one value by bringing their conditions into disjunctive normal form, whose size is
    exponential. It does so whenever a Piecewise is made, differentiated or substituted into.
    """

    def __new__(cls, *args: Any, **options: Any) -> sp.Expr:
        """The same, of conditions that compare no Piecewise: SymPy's way to make them so takes minutes too."""
        return super().__new__(cls, *((value, _flat(sp.sympify(condition))) for value, condition in args), **options)

    @classmethod
    def eval(cls, *pairs: sp.Tuple) -> sp.Expr | None:
        """Leave out what is never reached, and cases before the last one that have its value."""
        kept = []
        for value, condition in pairs:
            if condition is sp.false:
                continue
            kept.append((value, condition))
            if condition is sp.true:
                break
        while len(kept) > 1 and kept[-1][1] is sp.true and kept[-2][0] == kept[-1][0]:
            del kept[-2]
        if not kept:
            return sp.nan
        if len(kept) == 1 and kept[0][1] is sp.true:
            return kept[0][0]
        return cls(*kept) if len(kept) < len(pairs) else None

    def _eval_power(self, exponent: sp.Expr) -> None:
        """A power of it stays one: SymPy would raise every value, a base that is 0 where it is not taken among them."""


def _flat(condition: sp.Basic) -> sp.Basic:
    """Comparisons of cases as cases of comparisons, in and, or, not; SymPy itself makes them if-then-else."""
    if condition.has(sp.ITE):
        condition = condition.replace(sp.ITE, _plain)
    return condition.xreplace({r: _decided(r) for r in condition.atoms(Relational) if r.has(sp.Piecewise)})


def _plain(condition: sp.Basic, yes: sp.Basic, no: sp.Basic) -> sp.Basic:
    return sp.Or(sp.And(condition, yes), sp.And(sp.Not(condition), no))


def _decided(relation: sp.Basic) -> sp.Basic:
    cases = next((part for part in sp.preorder_traversal(relation) if isinstance(part, sp.Piecewise)), None)
    if cases is None:
        return relation
    holds: list[sp.Basic] = []
    before: list[sp.Basic] = []
    for value, condition in cases.args:
        holds.append(sp.And(*before, condition, _decided(relation.xreplace({cases: value}))))
        before.append(sp.Not(condition))
    return sp.Or(*holds)


def cheaply(e: sp.Basic) -> sp.Basic:
    """The expression with this module's Piecewise in place of SymPy's."""
    return e.replace(lambda part: type(part) is sp.Piecewise, lambda part: Piecewise(*part.args))
