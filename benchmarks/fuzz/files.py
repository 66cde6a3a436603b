"""Random family files: sums, quotients, maxima and recurrences, with a degree, vectors and ranges of parameters.

F is written twice from one text: as Python with SymPy for the file, and for each degree as an expression for
`interpreter`.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass

import mpmath as mp

from benchmarks.fuzz.grammar import Grammar

SHAPES = ("sum", "sum", "quotient", "largest", "smallest", "recurrence")
CALLS = ("sin", "cos", "tanh", "erf", "atan", "asinh", "Abs", "floor", "cosh", "sign", "Heaviside", "erfc")
"""Words that SymPy and the language of expressions have in common."""

LINKS = (
    "tanh(b*x + c)",
    "c*sin(b*x)",
    "exp(-(b*x + c)**2)",
    "Max(b*x, c)",
    "b*atan(x - c)",
    "(x if x > c else b*x)",
    "Abs(x - c)*b",
)
"""A factor in which the parameters b, one for all parts, and c, one of each part, occur."""

VALUES = ("0.77", "1.31", "0.4", "0.9", "1.13", "0.58")
"""Different ones in a vector, so that its parts are not equal everywhere."""


@dataclass(frozen=True)
class Range:
    """Of a parameter: how the file and --param write it, and d parameter/d stored tensor."""

    file: str  # {length} stands for the length
    key: str  # {name} stands for the name; "" where --param has no such range

    def slope(self, value: mp.mpf) -> mp.mpf:
        """By the definitions: value = stored, exp(stored), log(1 + exp(stored)) or 3 sigmoid(stored)."""
        if "softplus" in self.file:
            return 1 - mp.exp(-value)
        if "Positive" in self.file:
            return value
        return value * (3 - value) / 3 if "Between" in self.file else mp.mpf(1)


ANY = Range("{length}", "{name}")
POSITIVE = Range("Positive({length})", "{name}>0")
SOFT = Range("Positive({length}, through='softplus')", "")
INSIDE = Range("Between(0, 3, {length})", "0<{name}<3")
RANGES = (ANY, ANY, ANY, POSITIVE, SOFT, INSIDE)

FILE = '''\
"""A random family of the fuzzer."""

from sympy import *

from learnact import Basis, Between, Family, Feature, Positive, Start
from learnact.symbols import x


def part(k, b, c):
    return {part}


def line(k, u):
    return {line}


def back(k):
    return {back}


def recurrence(n):
    r = [S.One, {variable}]
    for k in range(2, n + 1):
        r.append(line(k, r[1]) * r[-1] + back(k) * r[-2])
    return r


def steps(n):
    u = Feature(Symbol("u", real=True), {variable}, diff({variable}, x), weighted=False)
    r = [Feature(Symbol("r0", real=True), S.One, S.Zero)]
    r.append(Feature(Symbol("r1", real=True), u.symbol, u.slope_symbol))
    for k in range(2, n + 1):
        rise = (line(k, 1) - line(k, 0)) * u.slope_symbol
        slope = rise * r[-1].symbol + line(k, u.symbol) * r[-1].slope_symbol + back(k) * r[-2].slope_symbol
        value = line(k, u.symbol) * r[-1].symbol + back(k) * r[-2].symbol
        r.append(Feature(Symbol(f"r{{k}}", real=True), value, slope))
    return (u, *r)


def function(p, n):
    parts = [part(k, p.b, c) for k, c in enumerate(p.centres, start=1)] if {partial} else []
    return {function}


trial = Family(
    name="trial",
    title="Random",
    parameters={parameters},
    function=function,
    starts={{"declared": Start(lambda n, law: {start})}},
    degrees=range(1, 5),
    {basis}
)
'''

FUNCTIONS = {
    "sum": ("p.offset + sum(w * q for w, q in zip(p.weights, parts))", "offset + {sum}"),
    "quotient": (
        "(p.offset + sum(w * q for w, q in zip(p.weights, parts))) / (1 + x**2)",
        "(offset + {sum})/(1 + x*x)",
    ),
    "largest": ("p.offset + Max(*[w * x + q for w, q in zip(p.weights, parts)])", "offset + Max({lines})"),
    "smallest": ("p.offset - Min(*[w * x - q for w, q in zip(p.weights, parts)])", "offset - Min({minus})"),
    "recurrence": ("sum(w * r for w, r in zip(p.weights, recurrence(n)))", "{turns}"),
}
"""Shape -> F as the file writes it, and as the interpreter reads it."""


@dataclass(frozen=True)
class FamilyFile:
    """A family, its degree, and the same F as one expression in x and the parameters' entries."""

    python: str  # the file
    degree: int
    text: str
    values: dict[str, str]  # entry -> value
    ranges: dict[str, Range]  # entry -> range


def family_file(rng: random.Random) -> FamilyFile:
    """A random one."""
    shape, n = rng.choice(SHAPES), rng.randint(1, 4)
    recurrent = shape == "recurrence"
    lengths = {"weights": n + 1} if recurrent else {"offset": 1, "b": 1, "weights": n, "centres": n}
    ranges = {name: ANY if name == "offset" else rng.choice(RANGES) for name in lengths}
    entries = {v: [v] if v in ("offset", "b") else [f"{v}_{k}" for k in range(m)] for v, m in lengths.items()}
    values = {e: v for names in entries.values() for e, v in zip(names, rng.sample(VALUES, len(names)), strict=True)}
    grammar = Grammar(rng, wild=False, names=("b", "c", "k"), depth=3, calls=CALLS)
    part = f"{grammar.expression(5)}*{rng.choice(LINKS)}"
    variable, line = rng.choice(("x", "tanh(x)", "sin(x)", "x/(1 + x*x)")), f"{rng.choice(('1', '2', '1/k'))}*u"
    line, back = f"({line} + {rng.choice(('0', '0.5', 'k'))})", rng.choice(("-1", "1", "-1/k", "0"))
    inner, outer = FUNCTIONS[shape]
    python = FILE.format(
        part=_python(part),
        partial=not recurrent,
        variable=_python(variable),
        line=_python(line),
        back=_python(back),
        function=inner,
        parameters="{" + ", ".join(f"{v!r}: {_declared(ranges[v], v, recurrent)}" for v in lengths) + "}",
        start="{" + ", ".join(f"{v!r}: {_start([values[e] for e in entries[v]], v)}" for v in lengths) + "}",
        basis="basis=Basis(steps, weights=lambda p, n: p.weights)," if recurrent else "",
    )
    parts = [_put(part, c=f"centres_{k - 1}", k=str(k)) for k in range(1, n + 1)]
    turns = ["1", variable]
    for k in range(2, n + 1):
        turns.append(f"({_put(line, u=f'({variable})', k=str(k))}*{turns[-1]} + ({_put(back, k=str(k))})*{turns[-2]})")
    text = outer.format(
        sum=" + ".join(f"weights_{k}*{q}" for k, q in enumerate(parts)),
        lines=", ".join(f"weights_{k}*x + {q}" for k, q in enumerate(parts)),
        minus=", ".join(f"weights_{k}*x - {q}" for k, q in enumerate(parts)),
        turns=" + ".join(f"weights_{k}*{r}" for k, r in enumerate(turns[: n + 1])),
    )
    return FamilyFile(python, n, text, values, {e: ranges[v] for v, names in entries.items() for e in names})


def _declared(given: Range, name: str, recurrent: bool) -> str:
    if name in ("offset", "b"):
        return given.file.format(length="1")
    count = "lambda n: n + 1" if recurrent else "lambda n: n"
    return count if given is ANY else given.file.format(length=f"length={count}")


def _start(values: list[str], name: str) -> str:
    numbers = [f"Rational({v!r})" for v in values]
    return numbers[0] if name in ("offset", "b") else f"[{', '.join(numbers)}]"


def _put(text: str, **names: str) -> str:
    return re.sub(r"\b[a-z]\b", lambda m: names.get(m[0], m[0]), text)


def _python(text: str) -> str:
    """An expression of the language as Python with SymPy."""
    return ast.unparse(ast.fix_missing_locations(_Python().visit(ast.parse(text, mode="eval"))))


class _Python(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, bool):
            return node
        return ast.Call(ast.Name("Rational"), [ast.Constant(str(node.value))], [])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return self._cases(node.test, node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        name = "And" if isinstance(node.op, ast.And) else "Or"
        return ast.Call(ast.Name(name), [self.visit(v) for v in node.values], [])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return ast.Call(ast.Name("Not"), [self.visit(node.operand)], [])
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id  # type: ignore[attr-defined]
        if name == "where":
            return self._cases(*node.args)
        return ast.Call(ast.Name({"max": "Max", "min": "Min"}.get(name, name)), [self.visit(a) for a in node.args], [])

    def _cases(self, test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.expr:
        pairs = [ast.Tuple([self.visit(yes), self.visit(test)]), ast.Tuple([self.visit(no), ast.Constant(True)])]
        return ast.Call(ast.Name("Piecewise"), pairs, [])
