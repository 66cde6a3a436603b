"""The vocabulary of traced expressions: SymPy, and three functions that carry every choice.

A truth value is a number, 1 or 0. So |u| = u (Pos(u) - Pos(-u)), u == v is 1 - Pos(u - v) - Pos(v - u), "and" is a
product: what is left to decide are the signs inside Pos and the largest argument of Upper.
"""

from __future__ import annotations

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p
from sympy.core.relational import Relational

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.errors import UnsupportedNode


class _Real(sp.Function):
    def _eval_is_real(self) -> bool:
        return True


class Pos(_Real):
    """1 where u > 0, else 0."""

    @classmethod
    def eval(cls, u: sp.Expr) -> sp.Expr | None:
        return sp.Integer(int(bool(u > 0))) if u.is_Rational else None


class Upper(_Real):
    """The largest argument."""


class Where(_Real):
    """Where(c, a, b): a where c is 1, b where it is 0."""

    @classmethod
    def eval(cls, c: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if a == b or c == 1:
            return a
        return b if c == 0 else None


class Whole(_Real):
    """floor(u)."""

    @classmethod
    def eval(cls, u: sp.Expr) -> sp.Expr | None:
        return sp.floor(u) if u.is_Rational else None


def upper(*arguments: sp.Expr) -> sp.Expr:
    """The largest argument, nested maxima made one."""
    flat: dict[sp.Expr, None] = {}
    for a in arguments:
        flat |= dict.fromkeys(a.args if isinstance(a, Upper) else (a,))
    numbers = [a for a in flat if a.is_Rational]
    fields = [a for a in flat if not a.is_Rational] + ([max(numbers)] if numbers else [])
    return Upper(*sorted(fields, key=sp.default_sort_key)) if len(fields) > 1 else fields[0]


def where(c: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """a where c is 1, else b; the larger or smaller of the two, where that is what c asks."""
    if c in (Pos(a - b), equal(larger := upper(a, b), a)):
        return larger
    return lower(a, b) if c == Pos(b - a) else Where(c, a, b)


def lower(*arguments: sp.Expr) -> sp.Expr:
    """The smallest argument."""
    return -upper(*(-a for a in arguments))


def sign(u: sp.Expr) -> sp.Expr:
    """-1, 0 or 1."""
    return Pos(u) - Pos(-u)


def magnitude(u: sp.Expr) -> sp.Expr:
    """|u|."""
    return u * sign(u)


def relu(u: sp.Expr) -> sp.Expr:
    """The positive part; of a sign, whether it is 1."""
    if u.is_Add and len(u.args) == 2:
        inner = next((a.args[0] for a in u.args if isinstance(a, Pos)), None)
        if inner is not None and u == sign(inner):
            return Pos(inner)
    return u * Pos(u)


def equal(u: sp.Expr, v: sp.Expr) -> sp.Expr:
    """1 where u = v."""
    return 1 - Pos(u - v) - Pos(v - u)


def either(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """1 where a or b is."""
    return a + b - a * b


ELEMENTARY: dict[str, type[sp.Function]] = {
    name: getattr(sp, name)
    for name in ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "asinh", "erf", "erfc")
} | {"sigmoid": sigmoid, "softplus": softplus}  # fmt: skip
"""Smooth functions of one argument by the name that torch, Triton and its libdevice share; a new one is one word."""

COMPOSED = {
    "abs": magnitude,
    "sign": sign,
    "relu": relu,
    "floor": Whole,
    "ceil": lambda u: -Whole(-u),
    "round": lambda u: Whole(u + sp.Rational(1, 2)),  # differs at halves alone
    "sqrt": sp.sqrt,
    "rsqrt": lambda u: 1 / sp.sqrt(u),
    "square": lambda u: u**2,
    "neg": lambda u: -u,
    "reciprocal": lambda u: 1 / u,
    "log1p": lambda u: sp.log(1 + u),
    "expm1": lambda u: sp.exp(u) - 1,
}
"""Other functions of one argument, by what they mean."""

MEANING = {**ELEMENTARY, **COMPOSED}


def of_declaration(e: sp.Expr) -> sp.Expr:
    """The declared expression in this vocabulary: the value at a point, ties and jumps as SymPy defines them."""
    if not e.args:
        return e
    if isinstance(e, sp.Piecewise):
        value: sp.Expr = sp.nan
        for piece, condition in reversed(e.args):
            value = Where(truth(condition), of_declaration(piece), value)
        return value
    arguments = [of_declaration(a) for a in e.args]
    match e:
        case sp.Max():
            return upper(*arguments)
        case sp.Min():
            return lower(*arguments)
        case sp.Abs():
            return magnitude(arguments[0])
        case sp.sign():
            return sign(arguments[0])
        case sp.Heaviside():
            return Pos(arguments[0]) + arguments[1] * equal(arguments[0], sp.S.Zero)
        case sp.floor():
            return Whole(arguments[0])
        case sp.ceiling():
            return -Whole(-arguments[0])
        case expm1() | log1p():
            return COMPOSED[type(e).__name__](arguments[0])
    return e.func(*arguments)


def truth(c: sp.Basic) -> sp.Expr:
    """A condition as 1 or 0. Raises UnsupportedNode."""
    if c in (sp.true, sp.false):
        return sp.Integer(int(c == sp.true))
    if isinstance(c, sp.And):
        return sp.Mul(*map(truth, c.args))
    if isinstance(c, sp.Or):
        return 1 - sp.Mul(*(1 - truth(a) for a in c.args))
    if isinstance(c, sp.Not):
        return 1 - truth(c.args[0])
    if isinstance(c, Relational):
        a, b = map(of_declaration, c.args)
        return compare(c.rel_op, a, b)
    raise UnsupportedNode(f"the prover has no rule for the condition {c}; add one to verify/prove/nodes.py")


def compare(relation: str, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """1 where the relation holds."""
    rules = {
        ">": lambda: Pos(a - b),
        "<": lambda: Pos(b - a),
        ">=": lambda: 1 - Pos(b - a),
        "<=": lambda: 1 - Pos(a - b),
        "==": lambda: equal(a, b),
        "!=": lambda: Pos(a - b) + Pos(b - a),
    }
    return rules[relation]()
