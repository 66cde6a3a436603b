"""The equations from a declared shape to a solved start, to be redone by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import sympy as sp

from learnact.compiler.declare.symbols import gain, put, shift
from learnact.compiler.derive.balance import Expectations, tidy
from learnact.compiler.derive.derivation import Derivation, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.derive.stretch import preserving_values


@dataclass(frozen=True)
class Step:
    """One equation: its left side, in text and in LaTeX, and its value."""

    text: str
    latex: str
    value: Quantity


@dataclass(frozen=True)
class Solved:
    """F = gain (g + shift), or F = gain g where no offset learns, with the equations for gain and shift."""

    form: str  # the right side of F = ...
    shape: sp.Expr  # g
    steps: tuple[Step, ...]


def solved(derivation: Derivation, start: StartDerivation) -> Solved | None:
    """The equations of a start that the balance theorem solves; None for others, and for values as declared."""
    activation = derivation.activation
    if start.name not in activation.family.starts or start.shape is not None:
        return None
    own = activation.start_values if derivation.second == 1 else partial(preserving_values, activation)
    declared = own(start.name, derivation.law)
    unknowns = {symbol for value in declared.values() for symbol in value.free_symbols} & {gain, shift}
    if not unknowns:
        return None
    unit = {symbol: value.xreplace({gain: sp.S.One, shift: sp.S.Zero}) for symbol, value in declared.items()}
    shape = put(activation.function, unit)
    g = Expectations.of(shape, derivation.law)
    values = [
        ("E[g]", "E[g]", g.mean),
        ("Var[g]", "\\operatorname{Var}[g]", g.variance) if shift in unknowns else ("E[g^2]", "E[g^2]", g.square),
        ("E[g'^2]", "E[g'^2]", g.slope_square),
        *(_with_shift(g, start, derivation.second) if shift in unknowns else _without_shift(g, derivation.second)),
    ]
    form = "gain (g + shift)" if shift in unknowns else "gain g"
    return Solved(form, shape, tuple(Step(text, latex, _quantity(value, g)) for text, latex, value in values))


def _without_shift(g: Expectations, second: sp.Expr) -> list[tuple[str, str, sp.Expr]]:
    return [(*_gain("E[g^2]", "E[g^2]", second), sp.sqrt(second / g.square))]


def _with_shift(g: Expectations, start: StartDerivation, second: sp.Expr) -> list[tuple[str, str, sp.Expr]]:
    if start.kind == "forward only":
        return [
            (*_gain("Var[g]", "\\operatorname{Var}[g]", second), sp.sqrt(second / g.variance)),
            ("shift = -E[g]", "\\text{shift} = -E[g]", -g.mean),
        ]
    room = tidy(second * g.slope_square - g.variance)
    sign = 1 if float(start.moments.mean) >= 0 else -1  # E[F] = gain (E[g] + shift), and the gain is positive
    word = "+" if sign > 0 else "-"
    m = "" if second == 1 else "E[x^2] "
    return [
        (*_gain("E[g'^2]", "E[g'^2]", sp.S.One), 1 / sp.sqrt(g.slope_square)),
        (
            f"shift = -E[g] {word} sqrt({m}E[g'^2] - Var[g])",
            f"\\text{{shift}} = -E[g] {word} \\sqrt{{{m}E[g'^2] - \\operatorname{{Var}}[g]}}",
            tidy(-g.mean + sign * sp.sqrt(room)),
        ),
    ]


def _gain(square: str, latex: str, second: sp.Expr) -> tuple[str, str]:
    """The gain that makes a square `second`, which is 1 or E[x^2], in text and in LaTeX."""
    if second == 1:
        return f"gain = 1/sqrt({square})", f"\\text{{gain}} = {latex}^{{-1/2}}"
    return f"gain = sqrt(E[x^2]/{square})", f"\\text{{gain}} = \\sqrt{{E[x^2] / {latex}}}"


def _quantity(value: sp.Expr, g: Expectations) -> Quantity:
    return Quantity(value) if value.is_Rational else g.quantity(value)
