"""A learned shape as an expression in x alone: numbers in place of the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.printing.str import StrPrinter

from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import put, x
from learnact.errors import BadDeclaration

PRECISION = 40
"""Digits in which coefficients are worked out before they are rounded to doubles."""


class _Doubles(StrPrinter):
    """SymPy's text with every number that is no small integer as the shortest decimal of its double."""

    def _print_Float(self, e: sp.Float) -> str:  # noqa: N802 (SymPy calls it)
        return repr(float(e))

    def _print_Rational(self, e: sp.Rational) -> str:  # noqa: N802
        return super()._print_Rational(e) if abs(e.p) < 1000 and e.q < 1000 else repr(float(e))


def frozen_expression(activation: Activation, values: Mapping[str, Sequence[float]]) -> str:
    """F with these parameter values, in the language of `--expr`; a polynomial by Horner's rule.

    Raises BadDeclaration where names or lengths are not the activation's, or a value is not finite.
    """
    if odd := [name for name, entries in values.items() if not all(map(math.isfinite, entries))]:
        raise BadDeclaration(f"{activation.names.spec}: {', '.join(odd)} holds a number that is not finite")
    numbers = {name: [sp.Float(float(v), PRECISION) for v in entries] for name, entries in values.items()}
    function = put(activation.function, activation.assign(numbers))
    if function.is_polynomial(x):
        function = sp.horner(sp.Poly(sp.expand(function), x).as_expr())
    return _Doubles({"order": "none"}).doprint(function)
