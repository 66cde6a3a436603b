"""Conditions of the expression language: comparisons, chained or joined by and, or, not; and cases that depend on them.

Conditions that are constant are decided here, and a case that can never be taken is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import sympy as sp
from sympy.core.relational import Relational

from learnact.compiler.declare.cases import Piecewise
from learnact.compiler.resolve.bounds import MAX_CONDITIONS, MAX_DEPTH
from learnact.compiler.resolve.words import COMPARISONS, JUNCTIONS
from learnact.errors import BadExpression

Case = tuple[sp.Expr, sp.Basic]
"""A value, and the condition under which it is taken if none before is."""


class Reader(Protocol):
    """What reads the values that are compared."""

    def value(self, node: ast.expr, depth: int) -> sp.Expr:
        """The expression of a node."""

    def at(self, node: ast.expr) -> str:
        """Where a node stands, for messages."""

    def checked(self, node: ast.expr, build: Callable[[], sp.Basic]) -> sp.Expr:
        """What `build` makes, if it is real and finite."""


def condition(reader: Reader, node: ast.expr, depth: int) -> sp.Basic:
    """A condition as SymPy's. Raises BadExpression for what is none, and for an equality."""
    if depth > MAX_DEPTH:
        raise BadExpression(f"the condition{reader.at(node)} is nested deeper than {MAX_DEPTH} levels")
    match node:
        case ast.Constant(value=bool()):
            return sp.true if node.value else sp.false
        case ast.BoolOp():
            return JUNCTIONS[type(node.op)](*(condition(reader, part, depth + 1) for part in node.values))
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            parts = (condition(reader, part, depth + 1) for part in (node.left, node.right))
            return JUNCTIONS[type(node.op)](*parts)
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return sp.Not(condition(reader, node.operand, depth + 1))
        case ast.Compare():
            return _comparison(reader, node, depth)
    raise BadExpression(
        f"a condition is a comparison by < <= > >=, or several joined by and, or, not; found another{reader.at(node)}"
    )


def _comparison(reader: Reader, node: ast.Compare, depth: int) -> sp.Basic:
    """a < b <= c: every neighbouring pair."""
    for op, side in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, (ast.Eq, ast.NotEq)):
            raise BadExpression(
                f"an equality{reader.at(side)} holds at single points, where a change of F has no gradient; "
                "compare by < <= > >="
            )
        if type(op) not in COMPARISONS:
            raise BadExpression(f"the comparison{reader.at(side)} is by another word than < <= > >=")
    sides = [reader.value(side, depth + 1) for side in (node.left, *node.comparators)]
    pairs = zip(node.ops, pairwise(sides), strict=True)
    return sp.And(*(_ordered(reader, node, COMPARISONS[type(op)], *pair) for op, pair in pairs))


def _ordered(
    reader: Reader, node: ast.expr, compare: Callable[[sp.Expr, sp.Expr], sp.Basic], left: sp.Expr, right: sp.Expr
) -> sp.Basic:
    if left == right:  # SymPy leaves a/b <= a/b open, for b may be 0
        left = right = sp.S.Zero
    return reader.checked(node, lambda: compare(left, right))


def in_cases(cases: Sequence[Case]) -> sp.Expr | None:
    """The value of the first case whose condition holds; None unless the last one is certain."""
    if all(holds is not sp.true for _, holds in cases):
        return None
    return Piecewise(*cases)


def check_cases(expr: sp.Expr) -> None:
    """Raises BadExpression for too many comparisons."""
    if sum(len(part.atoms(Relational)) for part in expr.atoms(sp.Piecewise)) > MAX_CONDITIONS:
        raise BadExpression(f"the expression has more than {MAX_CONDITIONS} comparisons; write fewer cases")
