"""The closed expression language: Python's grammar, a fixed list of functions, nothing evaluated as Python.

Numbers are exact (`0.1` is 1/10), constants are bounded while they are built, so no text can stall the parser.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import sympy as sp

from learnact.compiler.declare.sizes import levels, nodes
from learnact.compiler.declare.symbols import NOT_REAL
from learnact.compiler.resolve.bounds import (
    MAX_BITS,
    MAX_DECADE,
    MAX_DEPTH,
    MAX_EXTREMA,
    MAX_HYPERBOLIC,
    MAX_LENGTH,
    MAX_LEVELS,
    MAX_NODES,
    MAX_POWER,
    bits,
    bounded,
    check_size,
)
from learnact.compiler.resolve.conditions import Case, check_cases, condition, in_cases
from learnact.compiler.resolve.words import CASES, CONSTANTS, EXTREMA, FUNCTIONS, UNARY, WORDS
from learnact.errors import BadExpression

__all__ = ["WORDS", "UnknownSymbol", "parse", "parse_constant"]


class UnknownSymbol(BadExpression):
    """A bare name that is neither given nor a constant; `symbol` is that name."""

    def __init__(self, symbol: str, message: str) -> None:
        super().__init__(message)
        self.symbol = symbol


def parse(text: str, names: Mapping[str, sp.Symbol]) -> sp.Expr:
    """Parse `text` into an expression in the symbols `names` (name -> symbol).

    Known are decimal numbers (exact), + - * / **, the functions of `words.FUNCTIONS`, pi, E, and cases:
    `u if condition else v`, where(condition, u, v) and Piecewise((u, condition), ..., (v, True)), with conditions by
    < <= > >=, chained, and joined by and, or, not.
    Raises BadExpression, which names the token, its column and what is allowed.
    """
    source = text.strip()
    offset = len(text) - len(text.lstrip())
    if len(source) > MAX_LENGTH:
        raise BadExpression(f"the expression has {len(source)} characters, at most {MAX_LENGTH} are read")
    bad = re.search(r"[^\x20-\x7e]|[#\\]", source)
    if bad:
        raise BadExpression(
            f"unexpected {bad.group()!a} at column {offset + bad.start() + 1}; write plain ASCII on one line"
        )
    reader = _Reader(source, offset, names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's grammar warns of oddities that the reader rejects itself
            tree = ast.parse(source, mode="eval")
        expr = reader.value(tree.body, 0)
        check_size(expr)
    except SyntaxError as err:
        where = f" at column {offset + err.offset}" if err.offset else ""
        raise BadExpression(f"cannot read {_short(source)}{where}: {err.msg}") from err
    except (RecursionError, MemoryError) as err:
        raise BadExpression(f"the expression is nested too deeply; {MAX_DEPTH} levels are read") from err
    return expr


def parse_constant(text: str, what: str) -> sp.Expr:
    """Parse an exact real number: 0.5 (which is 1/2), 1/3, sqrt(2), pi/4; `what` names it in errors.

    Raises BadExpression.
    """
    try:
        return parse(text, {})
    except BadExpression as err:
        raise BadExpression(f"{what}: {err}") from err


@dataclass(frozen=True)
class _Reader:
    """Walks Python's syntax tree; every node kind that has no rule here is an error."""

    source: str
    offset: int  # columns cut off on the left
    names: Mapping[str, sp.Symbol]
    sizes: dict[sp.Basic, int] = field(default_factory=dict)  # of what was read so far

    def value(self, node: ast.expr, depth: int) -> sp.Expr:
        if depth > MAX_DEPTH:
            raise BadExpression(f"the expression is nested deeper than {MAX_DEPTH} levels{self.at(node)}")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(node.operand, depth + 1)
            case ast.BinOp():
                return self.chain(node, depth)
            case ast.Call():
                return self.call(node, depth)
            case ast.IfExp():
                return self.cases(node, [(node.body, node.test), (node.orelse, None)], depth)
        raise self.forbidden(node)

    def chain(self, node: ast.BinOp, depth: int) -> sp.Expr:
        """Walk the left spine of a + b - c * d ... in a loop, so that a long sum is not deep."""
        spine: list[ast.BinOp] = [node]
        while isinstance(spine[-1].left, ast.BinOp) and not isinstance(spine[-1].op, ast.Pow):
            spine.append(spine[-1].left)
        result = self.value(spine[-1].left, depth + 1)
        for step in reversed(spine):
            result = self.binary(step, result, self.value(step.right, depth + 1))
        return result

    def binary(self, node: ast.BinOp, left: sp.Expr, right: sp.Expr) -> sp.Expr:
        match node.op:
            case ast.Add():
                return self.checked(node, lambda: left + right)
            case ast.Sub():
                return self.checked(node, lambda: left - right)
            case ast.Mult():
                return self.checked(node, lambda: left * right)
            case ast.Div():
                if right.is_zero:
                    raise BadExpression(f"division by zero{self.at(node.right)}")
                return self.checked(node, lambda: left / right)
            case ast.Pow():
                return self.power(node, left, right)
            case ast.BitXor():
                raise BadExpression(f"'^'{self.at(node.right)} is no power here; write **")
        raise self.forbidden(node)

    def power(self, node: ast.BinOp, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if exponent.is_number and bool(sp.Abs(exponent) > MAX_POWER):
            raise BadExpression(f"the exponent{self.at(node.right)} is beyond {MAX_POWER}")
        if base.is_Rational and exponent.is_Rational and bits(base) * abs(exponent) > MAX_BITS:
            raise BadExpression(f"the power{self.at(node)} is too large a number")
        if base.is_zero and exponent.is_number and exponent.is_negative:
            raise BadExpression(f"division by zero{self.at(node)}")
        result = self.checked(node, lambda: base**exponent)
        check_size(result)
        return result

    def number(self, node: ast.Constant) -> sp.Expr:
        literal = ast.get_source_segment(self.source, node) or ""
        if not re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", literal):
            raise BadExpression(f"{_short(literal)}{self.at(node)} is no decimal number")
        decimal = Decimal(literal)
        if decimal and abs(decimal.adjusted()) > MAX_DECADE:
            raise BadExpression(f"{_short(literal)}{self.at(node)} is beyond the range of a double")
        return sp.Rational(Fraction(decimal))

    def name(self, node: ast.Name) -> sp.Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id in FUNCTIONS:
            raise BadExpression(f"{node.id}{self.at(node)} is a function; write {node.id}(...)")
        raise UnknownSymbol(node.id, str(self.unknown(node, "name", {*self.names, *CONSTANTS})))

    def call(self, node: ast.Call, depth: int) -> sp.Expr:
        if not isinstance(node.func, ast.Name):
            raise self.forbidden(node.func)
        name, args = node.func.id, node.args
        if name in self.names or name not in FUNCTIONS:
            raise self.unknown(node.func, "function", FUNCTIONS)
        if node.keywords:
            raise BadExpression(f"{name}{self.at(node)} takes no keyword arguments")
        if name in CASES:
            return self.cases(node, self.pairs(node), depth)
        if not args or (name in UNARY and len(args) != 1):
            takes = "one argument" if name in UNARY else "at least one argument"
            raise BadExpression(f"{name}{self.at(node)} takes {takes}, found {len(args)}")
        values = [self.value(arg, depth + 1) for arg in args]
        result = self.checked(node, lambda: ({**UNARY, **EXTREMA}[name])(*values))
        check_cases(result)
        if levels(result, (sp.Max, sp.Min)) > MAX_EXTREMA:
            raise BadExpression(
                f"{name}{self.at(node)} puts more than {MAX_EXTREMA} maxima and minima into one another"
            )
        if levels(result, (sp.sinh, sp.cosh, sp.tanh)) > MAX_HYPERBOLIC:
            raise BadExpression(
                f"{name}{self.at(node)} puts more than {MAX_HYPERBOLIC} of sinh, cosh and tanh into one another"
            )
        return result

    def pairs(self, node: ast.Call) -> list[tuple[ast.expr, ast.expr | None]]:
        """The (value, condition) nodes of Piecewise or where; the last condition of where is None: always."""
        if isinstance(node.func, ast.Name) and node.func.id == "where":
            if len(node.args) != 3:
                raise BadExpression(f"where{self.at(node)} takes (condition, value, other), found {len(node.args)}")
            test, value, other = node.args
            return [(value, test), (other, None)]
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        for arg in node.args:
            if not isinstance(arg, ast.Tuple) or len(arg.elts) != 2:
                raise BadExpression(f"Piecewise takes (value, condition) pairs, found another thing{self.at(arg)}")
            pairs.append((arg.elts[0], arg.elts[1]))
        return pairs

    def cases(self, node: ast.expr, pairs: Sequence[tuple[ast.expr, ast.expr | None]], depth: int) -> sp.Expr:
        read: list[Case] = [
            (self.value(value, depth + 1), sp.true if test is None else condition(self, test, depth + 1))
            for value, test in pairs
        ]
        result = in_cases(read)
        if result is None:
            raise BadExpression(f"Piecewise{self.at(node)} must end with a (value, True) pair")
        check_cases(result)
        return self.checked(node, lambda: result)

    def checked(self, node: ast.expr, build: Callable[[], sp.Basic]) -> sp.Expr:
        """Build a node; refuse it if it is not real and finite, or too large to compute with."""
        try:
            result = build()
            if nodes(result, self.sizes) > MAX_NODES:
                raise BadExpression(
                    f"{_short(self.segment(node))}{self.at(node)} has more than {MAX_NODES} terms and factors when its "
                    "functions are written out; nest them less"
                )
            if isinstance(result, sp.Expr) and result.is_number and levels(result) > MAX_LEVELS:
                raise BadExpression(
                    f"the number {_short(self.segment(node))}{self.at(node)} is nested deeper than {MAX_LEVELS}; "
                    "write its decimals"
                )
            sound = not result.has(*NOT_REAL) and (not isinstance(result, sp.Expr) or bounded(result))
        except (TypeError, ValueError, ArithmeticError, NotImplementedError, AttributeError) as err:
            raise BadExpression(f"{_short(self.segment(node))}{self.at(node)} has no real value") from err
        if not sound:
            raise BadExpression(f"{_short(self.segment(node))}{self.at(node)} is no finite real number of double range")
        return result

    def at(self, node: ast.expr) -> str:
        return f" at column {self.offset + node.col_offset + 1}"

    def segment(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.source, node) or ""

    def unknown(self, node: ast.Name, kind: str, known: Iterable[str]) -> BadExpression:
        near = difflib.get_close_matches(node.id, sorted(known), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
        return BadExpression(f"unknown {kind} {node.id!r}{self.at(node)}; {hint}")

    def forbidden(self, node: ast.expr) -> BadExpression:
        return BadExpression(
            f"{_short(self.segment(node))}{self.at(node)} ({type(node).__name__}) is not allowed; "
            f"use numbers, names, + - * / ** and {', '.join(sorted(WORDS))}"
        )


def _short(literal: str) -> str:
    return repr(literal if len(literal) <= 40 else literal[:37] + "...")
