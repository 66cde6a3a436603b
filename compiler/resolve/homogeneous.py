"""Which parameters are a common factor: F(t S) = t F(S) for every t > 0, read off the structure.

Each parameter has the degree 1 or 0, as it is scaled or not. A product adds degrees, a power multiplies them, the terms
of a sum must agree, and what stands inside another function must not be scaled: linear equations in zeros and ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from learnact.errors import BadExpression

MOST_STEPS = 20_000
"""Of the search; what people write takes one or two a parameter."""

Linear = dict[sp.Symbol | None, Fraction]
"""Symbol -> coefficient; None -> the constant."""


def common_factor(function: sp.Expr, symbols: Sequence[sp.Symbol]) -> frozenset[sp.Symbol] | None:
    """The largest set of symbols that scales the function when it is scaled; None if there is none.

    Of several the one that holds the earlier symbols. Raises BadExpression where a choice among very many is needed.
    """
    equations: list[Linear] = []
    total = _degree(function, set(symbols), equations)
    equations.append(_plus(total, {None: Fraction(-1)}))
    occurring = [s for s in symbols if function.has(s)]
    return _Search().best([_Equation.of(e) for e in equations], occurring)


def _plus(a: Linear, b: Linear, factor: Fraction = Fraction(1)) -> Linear:
    joined = dict(a)
    for symbol, c in b.items():
        joined[symbol] = joined.get(symbol, Fraction(0)) + factor * c
    return {s: c for s, c in joined.items() if c != 0}


def _degree(expr: sp.Expr, symbols: set[sp.Symbol], equations: list[Linear]) -> Linear:
    """The degree of an expression, and what must hold for it to have one."""
    if not expr.free_symbols & symbols:
        return {}
    if expr in symbols:
        return {expr: Fraction(1)}
    match expr:
        case sp.Mul():
            total: Linear = {}
            for part in expr.args:
                total = _plus(total, _degree(part, symbols, equations))
            return total
        case sp.Pow() if expr.exp.is_Rational:
            inner = _degree(expr.base, symbols, equations)
            return {s: c * Fraction(int(expr.exp.p), int(expr.exp.q)) for s, c in inner.items()}
        case sp.Add() | sp.Max() | sp.Min() | sp.Abs():
            parts = list(expr.args)
        case sp.Piecewise():
            parts = [value for value, _ in expr.args]
            equations += [{s: Fraction(1)} for _, c in expr.args for s in c.free_symbols & symbols]
        case _:
            equations += [{s: Fraction(1)} for s in expr.free_symbols & symbols]
            return {}
    first, *others = [_degree(part, symbols, equations) for part in parts if not part.is_zero]
    equations += [difference for other in others if (difference := _plus(other, first, Fraction(-1)))]
    return first


@dataclass(frozen=True)
class _Equation:
    """sum coefficients * symbols = target, in zeros and ones."""

    coefficients: dict[sp.Symbol, Fraction]
    target: Fraction

    @classmethod
    def of(cls, linear: Linear) -> _Equation:
        return cls({s: c for s, c in linear.items() if s is not None}, -linear.get(None, Fraction(0)))

    def given(self, known: dict[sp.Symbol, int]) -> _Equation:
        """What is left of it when some of the symbols are known."""
        rest = {s: c for s, c in self.coefficients.items() if s not in known}
        return _Equation(rest, self.target - sum(c * known[s] for s, c in self.coefficients.items() if s in known))

    def implied(self) -> dict[sp.Symbol, int] | None:
        """Symbols of which only one value is left; None if the equation cannot hold."""
        low = sum(min(c, Fraction(0)) for c in self.coefficients.values())
        high = sum(max(c, Fraction(0)) for c in self.coefficients.values())
        if not low <= self.target <= high:
            return None
        forced = {}
        for s, c in self.coefficients.items():
            if low + abs(c) > self.target:
                forced[s] = int(c < 0)
            elif high - abs(c) < self.target:
                forced[s] = int(c > 0)
        return forced


@dataclass
class _Search:
    """Looks for the largest solution: what follows is filled in, what is independent is solved apart."""

    steps: int = field(default=0)

    def best(self, equations: Sequence[_Equation], symbols: Sequence[sp.Symbol]) -> frozenset[sp.Symbol] | None:
        """The scaled symbols of the best solution; None if there is no solution."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise BadExpression(
                "which parameters are a common factor of the expression is a choice among too many; multiply it by one "
                "more parameter, s*(...)"
            )
        known: dict[sp.Symbol, int] = {}
        while True:
            found: dict[sp.Symbol, int] = {}
            for equation in equations:
                forced = equation.given(found).implied()
                if forced is None:
                    return None
                found |= forced
            if not found:
                break
            known |= found
            equations = [e.given(found) for e in equations]
        equations = [e for e in equations if e.coefficients]
        chosen = {s for s, value in known.items() if value}
        for part, inside in _independent(equations, [s for s in symbols if s not in known]):
            solution = self._branch(part, inside)
            if solution is None:
                return None
            chosen |= solution
        return frozenset(chosen)

    def _branch(self, equations: Sequence[_Equation], symbols: Sequence[sp.Symbol]) -> frozenset[sp.Symbol] | None:
        """Try the first symbol scaled, then not, unless that cannot give more."""
        if not equations:
            return frozenset(symbols)
        first, *others = symbols
        scaled = self.best([e.given({first: 1}) for e in equations], others)
        if scaled is not None and len(scaled) + 1 >= len(others):
            return scaled | {first}
        plain = self.best([e.given({first: 0}) for e in equations], others)
        if scaled is None or (plain is not None and len(plain) > len(scaled) + 1):
            return plain
        return scaled | {first}


def _independent(
    equations: Sequence[_Equation], symbols: Sequence[sp.Symbol]
) -> list[tuple[list[_Equation], list[sp.Symbol]]]:
    """Groups of equations that share no symbol, each with its symbols in order."""
    groups: list[tuple[list[_Equation], set[sp.Symbol]]] = [([], {s}) for s in symbols]
    for equation in equations:
        touched = [g for g in groups if g[1] & equation.coefficients.keys()]
        groups = [g for g in groups if not g[1] & equation.coefficients.keys()]
        groups.append(([equation, *(e for g in touched for e in g[0])], set().union(*(g[1] for g in touched))))
    return [(part, [s for s in symbols if s in inside]) for part, inside in groups]
