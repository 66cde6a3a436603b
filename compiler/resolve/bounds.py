"""Bounds on the size of an expression of the closed language, which keep every later stage fast."""

from __future__ import annotations

import math

import sympy as sp

from learnact.errors import BadExpression

MAX_LENGTH = 1000  # characters
MAX_DEPTH = 32  # nested brackets and calls; chains of + - * / do not count
MAX_POWER = 64  # of |n| in base**n, and of the degree that nested powers expand to
MAX_CONDITIONS = 64  # comparisons of all cases, nested ones counted again for every case that holds them
MAX_NODES = 4096  # numbers, names and operations written out: gelu(gelu(...)) doubles them at each level
MAX_LEVELS = 8  # of operations within a number such as sqrt(1 + pi**2): SymPy's time is exponential in them
MAX_EXTREMA = 6  # of Max and Min within one another: likewise
MAX_HYPERBOLIC = 6  # of sinh, cosh and tanh: likewise, where SymPy cannot tell that an argument is real
MAX_BITS = 4096  # of an exact number's numerator and denominator
MAX_DECADE = 300  # every constant part must stay a double, with room to spare
MAX_NUMBER = sp.Integer(10) ** MAX_DECADE


def bits(number: sp.Rational) -> int:
    """Bits of an exact number: of its numerator or denominator, whichever has more."""
    return max(number.p.bit_length(), number.q.bit_length())


def bounded(expr: sp.Expr) -> bool:
    """Whether a constant is real and within the bounds; true of everything that holds a symbol."""
    if expr.is_Rational:
        return bits(expr) <= MAX_BITS and bool(abs(expr) <= MAX_NUMBER)
    if not expr.is_number:
        return True
    value = sp.N(expr, 15)
    return value.is_real is True and bool(abs(value) <= MAX_NUMBER)


def _degree(expr: sp.Expr) -> int:
    """Bound the degree of the expanded expression in its symbols and function calls."""
    if isinstance(expr, sp.Add):
        return max(_degree(a) for a in expr.args)
    if isinstance(expr, sp.Mul):
        return sum(_degree(a) for a in expr.args)
    if isinstance(expr, sp.Pow) and expr.exp.is_Rational:
        return math.ceil(_degree(expr.base) * abs(expr.exp))
    return 0 if expr.is_number else max(1, *(_degree(a) for a in expr.args if isinstance(a, sp.Expr)), 1)


def check_size(expr: sp.Expr) -> None:
    """Raises BadExpression for powers and coefficients that constant folding made too large."""
    if _degree(expr) > MAX_POWER:
        raise BadExpression(f"the expression has powers beyond {MAX_POWER} when expanded")
    if not all(bounded(number) for number in expr.atoms(sp.Rational)):
        raise BadExpression("the expression has a coefficient beyond the range of a double")
