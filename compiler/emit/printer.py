"""Print expressions as code, in whatever words a backend has. Closed: an unknown node is a named error."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

import sympy as sp
from sympy.logic.boolalg import Boolean

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.kinks import Largest, Select, Sign, Smallest, Step, Winner, is_indicator
from learnact.compiler.emit.layout import assigned
from learnact.compiler.emit.pairs import Pairs
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Statement
from learnact.errors import UnsupportedNode

RELATIONS = {
    sp.StrictGreaterThan: ">",
    sp.GreaterThan: ">=",
    sp.StrictLessThan: "<",
    sp.LessThan: "<=",
    sp.Equality: "==",
    sp.Unequality: "!=",
}

MAX_UNROLLED_POWER = 4

GRAD = sp.Symbol("grad", real=True)
"""dL/dF, which every derivative is multiplied by where it is cheapest: inside a choice, in place of a 1."""


def number(value: sp.Expr) -> str:
    """A constant as the correctly rounded double."""
    if value is sp.nan:
        return 'float("nan")'
    if value.is_Rational:
        return repr(float(Fraction(int(value.p), int(value.q))))
    return repr(float(evaluate(value)))


def natural(text: str) -> list[tuple[int, int | str]]:
    """Sort key that puts a2 before a10."""
    return [(0, int(t)) if t.isdigit() else (1, t) for t in re.findall(r"\d+|\D+", text)]


class Printer(ABC):
    """Prints expressions; `entries` are the symbols that stand for parameters, not for whole tensors.

    A backend says its words, and how it chooses among several values.
    """

    backend: str
    library: str  # the name under which the emitted code knows where, sqrt, rsqrt and exp
    options: Mapping[type, str] = {}  # what follows the argument of a call
    calls: dict[type, str]  # SymPy function -> call of one argument

    indent = 4  # columns before a statement

    def __init__(self, entries: Iterable[sp.Symbol]) -> None:
        self.entries = set(entries)

    def lines(self, statement: Statement) -> list[str]:
        """A statement as one line of code, or several for a choice."""
        name, value = statement.target.name, statement.value
        if isinstance(value, Winner):
            return self._contest(name, value, statement.best)
        if isinstance(value, (Largest, Smallest)):
            return self._extremum(name, value)
        if isinstance(value, Select) and not is_indicator(value):
            return self._chosen(name, value)
        return [f"{name} = {self(value)}"]

    def block(self, block: Block, taken: Iterable[str]) -> tuple[list[str], tuple[sp.Expr, ...]]:
        """Lines of all statements, and the results in terms of their names; none of the new names is `taken`.

        Where a sine and a cosine of one argument are both wanted, one call finds both.
        """
        pairs = Pairs(block, Fresh(taken))
        lines = []
        for statement in block.statements:
            lines += [self._pair(*pair) for pair in pairs.due(statement.value)]
            value = statement.value.xreplace(pairs.names)
            if value != statement.target:  # else the statement is the sine or cosine itself, found by now
                lines += self.lines(replace(statement, value=value))
        for result in block.results:
            lines += [self._pair(*pair) for pair in pairs.due(result)]
        return lines, tuple(r.xreplace(pairs.names) for r in block.results)

    @abstractmethod
    def _pair(self, sine: sp.Symbol, cosine: sp.Symbol, argument: sp.Expr) -> str:
        """Sine and cosine of one argument."""

    def assignment(self, head: str, value: sp.Expr) -> list[str]:
        """head and an expression, a term a line where that is too long for one."""
        if not value.is_Add:
            return [f"{head} {self(value)}"]
        first, *rest = self.terms(value)
        opening = first[2:] if first[0] == "+" else f"-{first[2:]}"
        return assigned(head, self(value), [opening, *rest], indent=self.indent)

    @abstractmethod
    def _contest(self, name: str, winner: Winner, best: sp.Symbol | None) -> list[str]:
        """Which argument wins, and under the name `best` the argument itself."""

    @abstractmethod
    def _extremum(self, name: str, value: sp.Expr) -> list[str]:
        """The largest or smallest argument."""

    @abstractmethod
    def _chosen(self, name: str, select: Select) -> list[str]:
        """The entry of the winner."""

    @abstractmethod
    def _if_won(self, winner: sp.Expr, k: int, value: sp.Expr) -> str:
        """The value where argument k wins, else 0."""

    @abstractmethod
    def _raised(self, base: sp.Expr, exponent: sp.Expr) -> str:
        """A power that is not multiplied out."""

    @abstractmethod
    def _constant(self, value: str) -> str:
        """A number as a tensor."""

    def __call__(self, e: sp.Expr) -> str:
        """Print one expression. Raises UnsupportedNode."""
        if e.is_Symbol:
            return str(e.name)
        if e.is_number:
            return number(e)
        if e.is_Add:
            return self._sum(e)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e)
        if type(e) in self.calls:
            return f"{self._function(e)}({self(e.args[0])}{self._options(e)})"
        if isinstance(e, Boolean):
            return self.condition(e)
        special: dict[type, Callable[[sp.Expr], str]] = {
            sp.Heaviside: self._step,
            Step: self._step,
            Select: self._select,
        }
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if type(e) in special:
            return special[type(e)](e)
        functions = sorted({call.rpartition(".")[2] for call in self.calls.values()})
        raise UnsupportedNode(
            f"the {self.backend} backend cannot print {type(e).__name__} in {e}; it prints sums, products, powers, "
            f"Max, Min, Heaviside, Piecewise, {', '.join(functions)}"
        )

    def _function(self, e: sp.Expr) -> str:
        return self.calls[type(e)]

    def _options(self, e: sp.Expr) -> str:
        return self.options.get(type(e), "")

    def terms(self, e: sp.Expr) -> list[str]:
        """The terms of a sum, each with its sign in front, in natural order of the parameters in them.

        Terms with the same number in front are one term: 2 (a1 cos2 - b1 sin2).
        """

        def key(t: sp.Expr) -> tuple[bool, list[tuple[int, int | str]], list[tuple[int, int | str]]]:
            return not self._first(t), natural(self._first(t)), natural(str(t))

        groups: dict[sp.Expr, list[sp.Expr]] = {}
        for t in e.args:
            groups.setdefault(abs(t.as_coeff_Mul()[0]), []).append(t)
        joined: list[sp.Expr] = []
        for c, members in groups.items():
            if c == 1 or len(members) == 1:
                joined += members
            else:
                joined.append(sp.Mul(c, sp.Add(*(t / c for t in members)), evaluate=False))
        ordered = sorted(joined, key=key)
        if ordered[0].could_extract_minus_sign():
            ordered.sort(key=lambda t: t.could_extract_minus_sign())
        return [
            ("- " if t.could_extract_minus_sign() else "+ ") + self(-t if t.could_extract_minus_sign() else t)
            for t in ordered
        ]

    def _first(self, term: sp.Expr) -> str:
        return min((s.name for s in term.free_symbols & self.entries), key=natural, default="")

    def _sum(self, e: sp.Expr) -> str:
        first, *rest = self.terms(e)
        head = first[2:] if first[0] == "+" else f"-{first[2:]}"
        return " ".join([head, *rest])

    def _product(self, e: sp.Expr) -> str:
        coefficient, rest = e.as_coeff_Mul()
        if not rest.is_Mul and not rest.is_Pow and coefficient == -1 and not is_indicator(rest):
            return f"-{self.factor(rest)}"
        for f in sp.Mul.make_args(rest):
            if is_indicator(f):
                return self._select(f, e / f)
        over = [f for f in sp.Mul.make_args(rest) if self._denominator(f)]
        factors = [f for f in sp.Mul.make_args(rest) if f not in over]
        factors.sort(key=lambda f: natural(str(f)))
        parameters = [f for f in factors if f.free_symbols and f.free_symbols <= self.entries]
        elements = [f for f in factors if f not in parameters]
        # a number times a single coefficient would be a kernel of its own: multiply the element side first
        ordered = [*elements, *parameters] if abs(coefficient) != 1 else [*parameters, *elements]
        texts = [self.factor(f) for f in ordered]
        if abs(coefficient) != 1:
            texts.insert(0, number(abs(coefficient)))
        text = ("-" if coefficient < 0 else "") + (" * ".join(texts) or "1.0")
        for f in over:
            text += f" / {self.factor(1 / f)}"
        return text

    def _denominator(self, f: sp.Expr) -> bool:
        return bool(f.is_Pow and f.exp.is_Rational and f.exp < 0)

    def factor(self, e: sp.Expr) -> str:
        """Print an expression to be multiplied, or called a method of."""
        text = self(e)
        if is_indicator(e) and "*" in text:
            return f"({text})"
        root = e.is_Pow and abs(e.exp) == sp.Rational(1, 2)
        product = isinstance(e, (Step, sp.Heaviside)) and e.args[1] not in (0, 1)
        call = root or (e.is_Function and not product)
        atomic = e.is_Symbol or call or (e.is_number and not text.startswith("-"))
        return text if atomic else f"({text})"

    def _power(self, e: sp.Pow) -> str:
        base, exponent = e.args
        if exponent.is_Integer and 2 <= exponent <= MAX_UNROLLED_POWER:
            return " * ".join([self.factor(base)] * int(exponent))
        if exponent == sp.Rational(1, 2):
            return f"{self.library}.sqrt({self(base)})"
        if exponent == sp.Rational(-1, 2):
            return f"{self.library}.rsqrt({self(base)})"
        if exponent.is_Rational and exponent < 0:
            return f"1.0 / {self.factor(1 / e)}"
        if base == sp.E:
            return f"{self.library}.exp({self(exponent)})"
        if base.is_number:
            return f"{self.library}.exp({number(sp.log(base))} * {self.factor(exponent)})"
        return self._raised(base, exponent)

    def _tile(self, e: sp.Expr) -> str:
        """The expression as a tensor, which a bare number is not."""
        return self._constant(number(e)) if e.is_number else self(e)

    def _step(self, e: sp.Expr) -> str:
        if e.args[1] == sp.Rational(1, 2):
            return f"0.5 * (1.0 + {self(Sign(e.args[0]))})"
        u = self.factor(e.args[0])
        if e.args[1] in (0, 1):
            return f"({u} {'>=' if e.args[1] else '>'} 0.0).to(x.dtype)"
        return f"{self.library}.where({u} == 0.0, {number(e.args[1])}, ({u} > 0.0).to(x.dtype))"

    def _piecewise(self, e: sp.Expr) -> str:
        *cases, (last, otherwise) = e.args
        if otherwise != sp.true:
            cases, last = e.args, sp.nan
        text = self(last)
        for value, condition in reversed(cases):
            # of two numbers where would make a tensor of the default dtype
            shown = self._constant(self(value)) if value.is_number and last.is_number else self(value)
            text, last = f"{self.library}.where({self.condition(condition)}, {shown}, {text})", e
        return text

    def condition(self, c: sp.Basic) -> str:
        """A condition of a Piecewise. Raises UnsupportedNode."""
        if c.is_Symbol:
            return self(c)
        if type(c) in RELATIONS:
            return f"{self(c.args[0])} {RELATIONS[type(c)]} {self(c.args[1])}"
        if isinstance(c, (sp.And, sp.Or)):
            joint = " & " if isinstance(c, sp.And) else " | "
            return joint.join(self._operand(a) for a in sorted(c.args, key=sp.default_sort_key))
        if isinstance(c, sp.Not):
            return f"~{self._operand(c.args[0])}"
        raise UnsupportedNode(
            f"the {self.backend} backend cannot print the condition {c}; use <, <=, >, >= of expressions"
        )

    def _operand(self, c: sp.Basic) -> str:
        return self.condition(c) if c.is_Symbol else f"({self.condition(c)})"

    def _select(self, e: sp.Expr, factor: sp.Expr = sp.S.One) -> str:
        """An indicator times a factor: 0 wherever another argument wins, whatever the factor is there."""
        if not is_indicator(e):
            raise UnsupportedNode(f"a choice must be a statement of its own: {e}")
        winner, *entries = e.args
        k, entry = next((k, v * factor) for k, v in enumerate(entries) if v != 0)
        return self._if_won(winner, k, entry)
