"""The words of the expression language: functions, constants, comparisons."""

from __future__ import annotations

import ast
from collections.abc import Callable

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.classical import CLASSICAL_FUNCTIONS
from learnact.compiler.declare.functions import silu


def _extremum(kind: type[sp.Max] | type[sp.Min]) -> Callable[..., sp.Expr]:
    """Max or Min as written: no search for which symbolic argument dominates."""

    def build(*args: sp.Expr) -> sp.Expr:
        if len(set(args)) == 1:
            return args[0]
        return kind(*args) if all(a.is_number for a in args) else kind(*args, evaluate=False)

    return build


ELEMENTARY: dict[str, Callable[..., sp.Expr]] = {
    "exp": sp.exp,
    "expm1": expm1,
    "log": sp.log,
    "log1p": log1p,
    "log2": lambda u: sp.log(u) / sp.log(2),
    "sqrt": sp.sqrt,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "atan": sp.atan,
    "arctan": sp.atan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "asinh": sp.asinh,
    "arcsinh": sp.asinh,
    "erfc": sp.erfc,
    "abs": sp.Abs,
    "Abs": sp.Abs,
    "sign": sp.sign,
    "Heaviside": sp.Heaviside,
    "floor": sp.floor,
    "ceil": sp.ceiling,
    "ceiling": sp.ceiling,
}
ACTIVATIONS: dict[str, Callable[..., sp.Expr]] = {
    **{name: classical.function for name, classical in CLASSICAL_FUNCTIONS.items()},
    "swish": silu,
}
"""The classical functions by their names, of any argument: a*gelu(b*x)."""

UNARY = {**ELEMENTARY, **ACTIVATIONS}
EXTREMA = {"Max": _extremum(sp.Max), "max": _extremum(sp.Max), "Min": _extremum(sp.Min), "min": _extremum(sp.Min)}
CASES = ("Piecewise", "where")
CONSTANTS = {"pi": sp.pi, "E": sp.E}
FUNCTIONS = frozenset({*UNARY, *EXTREMA, *CASES})
WORDS = FUNCTIONS | frozenset(CONSTANTS)
"""Every word of the language; no parameter may have such a name."""

COMPARISONS: dict[type[ast.cmpop], Callable[[sp.Expr, sp.Expr], sp.Basic]] = {
    ast.Lt: sp.StrictLessThan,
    ast.LtE: sp.LessThan,
    ast.Gt: sp.StrictGreaterThan,
    ast.GtE: sp.GreaterThan,
}
JUNCTIONS: dict[type[ast.AST], type[sp.And] | type[sp.Or]] = {
    ast.And: sp.And,
    ast.BitAnd: sp.And,
    ast.Or: sp.Or,
    ast.BitOr: sp.Or,
}
