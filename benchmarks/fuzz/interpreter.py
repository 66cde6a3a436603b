"""What a text computes, read off its syntax tree with mpmath or NumPy; nothing of the compiler and no SymPy.

Every value carries its derivatives (forward mode), so that one walk gives F, dF/dx and the parameters' gradients.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

Real = Any
"""An mpf, or an array of doubles."""

CLEAR = mp.mpf("1e-4")
"""Nearer to a kink or jump two evaluations may take different sides."""


class Unclear(Exception):
    """The point says nothing: it is near a kink or a pole, outside the domain, or far out."""


class Library:
    """Functions of plain numbers."""

    def __init__(self, names: Mapping[str, Callable[..., Real]]) -> None:
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Callable[..., Real]:
        raise AttributeError(name)


PRECISE = Library(
    {
        **{
            n: getattr(mp, n)
            for n in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh")
        },
        **{n: getattr(mp, n) for n in ("asinh", "erf", "erfc", "sqrt", "floor")},
        "pi": lambda: +mp.pi,
        "number": mp.mpf,
    }
)
DOUBLE = Library(
    {
        **{
            n: getattr(np, n)
            for n in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt")
        },
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "erf": special.erf,
        "erfc": special.erfc,
        "floor": np.floor,
        "pi": lambda: np.pi,
        "number": float,
    }
)


@dataclass(frozen=True)
class Dual:
    """A value and its derivatives."""

    value: Real
    slopes: tuple[Real, ...]

    def chain(self, value: Real, slope: Real) -> Dual:
        """A function of it; what is constant in an array stays so, where the function's slope is infinite too."""
        return Dual(
            value,
            tuple(np.where(s == 0, 0.0, slope * s) if isinstance(s, np.ndarray) else slope * s for s in self.slopes),
        )

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, tuple(a + b for a, b in zip(self.slopes, other.slopes, strict=True)))

    def __neg__(self) -> Dual:
        return Dual(-self.value, tuple(-a for a in self.slopes))

    def __sub__(self, other: Dual) -> Dual:
        return self + -other

    def __mul__(self, other: Dual) -> Dual:
        slopes = (a * other.value + self.value * b for a, b in zip(self.slopes, other.slopes, strict=True))
        return Dual(self.value * other.value, tuple(slopes))


class Interpreter:
    """Evaluates expressions; a subclass says how to choose and what is out of bounds."""

    def __init__(self, lib: Library, env: Mapping[str, Dual], count: int) -> None:
        self.lib, self.env, self.count = lib, env, count

    def constant(self, number: Real) -> Dual:
        return Dual(self.lib.number(number), (self.lib.number(0),) * self.count)

    def choose(self, condition: Real, yes: Callable[[], Dual], no: Callable[[], Dual]) -> Dual:
        raise NotImplementedError

    def less(self, a: Real, b: Real) -> Real:
        """Whether a < b."""
        raise NotImplementedError

    def step(self, u: Real) -> Real:
        """floor(u)."""
        raise NotImplementedError

    def __call__(self, text: str) -> Dual:
        return self.walk(ast.parse(text.strip(), mode="eval").body)

    def walk(self, node: ast.expr) -> Dual:
        match node:
            case ast.Constant():
                return self.constant(str(node.value) if isinstance(node.value, float) else node.value)
            case ast.Name(id="pi"):
                return Dual(self.lib.pi(), self.constant(0).slopes)
            case ast.Name(id="E"):
                return Dual(self.lib.exp(self.lib.number(1)), self.constant(0).slopes)
            case ast.Name():
                return self.env[node.id]
            case ast.UnaryOp(op=ast.USub()):
                return -self.walk(node.operand)
            case ast.UnaryOp():
                return self.walk(node.operand)
            case ast.BinOp(op=ast.Pow()):
                return self.power(self.walk(node.left), node.right)
            case ast.BinOp():
                u, v = self.walk(node.left), self.walk(node.right)
                return {
                    ast.Add: u.__add__,
                    ast.Sub: u.__sub__,
                    ast.Mult: u.__mul__,
                    ast.Div: lambda w: u * self.over(w),
                }[type(node.op)](v)
            case ast.IfExp():
                return self.choose(self.test(node.test), lambda: self.walk(node.body), lambda: self.walk(node.orelse))
            case ast.Call(func=ast.Name(id=name)):
                return self.call(name, node.args)
        raise TypeError(ast.dump(node))

    def test(self, node: ast.expr) -> Real:
        match node:
            case ast.BoolOp():
                parts = [self.test(v) for v in node.values]
                whole = parts[0]
                for part in parts[1:]:
                    whole = whole & part if isinstance(node.op, ast.And) else whole | part
                return whole
            case ast.UnaryOp():
                return self.test(node.operand) ^ True
            case ast.Compare():
                left, right = self.walk(node.left).value, self.walk(node.comparators[0]).value
                less = isinstance(node.ops[0], (ast.Lt, ast.LtE))
                return self.less(left, right) if less else self.less(right, left)
        raise TypeError(ast.dump(node))

    def over(self, u: Dual) -> Dual:
        return u.chain(1 / u.value, -1 / u.value**2)

    def power(self, u: Dual, node: ast.expr) -> Dual:
        v = self.walk(node)
        if all(np.all(s == 0) for s in v.slopes):
            p = float(v.value.flat[0]) if isinstance(v.value, np.ndarray) else v.value
            p = int(p) if p == int(p) else p
            if p == 0:
                return self.constant(1)
            return u.chain(u.value**p, p * u.value ** (p - 1))
        return self.exp(v * self.log(u))

    def exp(self, u: Dual) -> Dual:
        value = self.lib.exp(u.value)
        return u.chain(value, value)

    def log(self, u: Dual) -> Dual:
        return u.chain(self.lib.log(u.value), 1 / u.value)

    def extremum(self, parts: Sequence[Dual], largest: bool) -> Dual:
        best = parts[0]
        for part in parts[1:]:
            first, second = (best, part) if largest else (part, best)
            best = self.choose(
                self.less(first.value, second.value),
                lambda p=part: p,
                lambda b=best: b,  # type: ignore[misc]
            )
        return best

    def call(self, name: str, nodes: Sequence[ast.expr]) -> Dual:
        if name == "where":
            return self.choose(self.test(nodes[0]), lambda: self.walk(nodes[1]), lambda: self.walk(nodes[2]))
        if name == "Piecewise":
            return self.cases([n.elts for n in nodes])  # type: ignore[attr-defined]
        parts = [self.walk(n) for n in nodes]
        if name.lower() in ("max", "min"):
            return self.extremum(parts, name.lower() == "max")
        from benchmarks.fuzz.functions import FUNCTIONS  # noqa: PLC0415  (written in terms of this class)

        return FUNCTIONS[name](self, parts[0])

    def cases(self, pairs: Sequence[Sequence[ast.expr]]) -> Dual:
        (value, test), *rest = pairs
        if not rest or (isinstance(test, ast.Constant) and test.value is True):
            return self.walk(value)
        return self.choose(self.test(test), lambda: self.walk(value), lambda: self.cases(rest))


class Precise(Interpreter):
    """At one point with mpmath; refuses to decide what is close."""

    def __init__(self, env: Mapping[str, mp.mpf], by: Sequence[str]) -> None:
        duals = {n: Dual(mp.mpf(v), tuple(mp.mpf(n == m) for m in by)) for n, v in env.items()}
        super().__init__(PRECISE, duals, len(by))

    def choose(self, condition: bool, yes: Callable[[], Dual], no: Callable[[], Dual]) -> Dual:
        return yes() if condition else no()

    def less(self, a: mp.mpf, b: mp.mpf) -> bool:
        if abs(a - b) < CLEAR * (1 + abs(a)):
            raise Unclear
        return bool(a < b)

    def step(self, u: mp.mpf) -> mp.mpf:
        if abs(u - mp.nint(u)) < CLEAR * (1 + abs(u)):
            raise Unclear
        return mp.floor(u)


class Fast(Interpreter):
    """At an array of points in double precision; only d/dx."""

    def __init__(self, x: np.ndarray, values: Mapping[str, float]) -> None:
        zero = np.zeros_like(x)
        env = {n: Dual(np.full_like(x, v), (zero,)) for n, v in values.items()}
        super().__init__(DOUBLE, {"x": Dual(x, (np.ones_like(x),)), **env}, 1)
        self.zero = zero

    def constant(self, number: Real) -> Dual:
        return Dual(self.zero + float(number), (self.zero,))

    def choose(self, condition: Real, yes: Callable[[], Dual], no: Callable[[], Dual]) -> Dual:
        u, v = yes(), no()
        return Dual(np.where(condition, u.value, v.value), (np.where(condition, u.slopes[0], v.slopes[0]),))

    def less(self, a: Real, b: Real) -> Real:
        return np.less(a, b)

    def step(self, u: Real) -> Real:
        return np.floor(u)
