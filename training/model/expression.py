"""Activations in one string: `expr:NAME=EXPRESSION;a=1;b=1`, each parameter's start value after a semicolon.

Semicolons, for commas stand between the options of a setting, and in `Max(x, a)`. The expression is read by the
compiler's own parser; nothing is evaluated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from learnact import Declaration, load, verify
from learnact.training.errors import BadConfig, TrainError

PREFIX = "expr:"
FORM = f'{PREFIX}NAME=EXPRESSION[;PARAMETER=VALUE]…, such as "{PREFIX}dyt=a*tanh(b*x)+c;a=1;b=1;c=0"'


class Unverified(TrainError):
    """Emitted code that does not compute its own expression."""

    exit_code = 1


def is_expression(name: str) -> bool:
    """Whether an activation is named by its expression."""
    return name.startswith(PREFIX)


def declaration_of(text: str) -> Declaration:
    """The declaration that the text writes. Raises BadConfig for another form; the compiler reads the expression."""
    head, *params = (part.strip() for part in text.removeprefix(PREFIX).split(";"))
    name, equals, expression = (part.strip() for part in head.partition("="))
    if not (name and equals and expression and all(params)):
        raise BadConfig(f"{text!r} is not {FORM}")
    return Declaration(expr=expression, params=tuple(params), name=_class_name(name))


def _class_name(name: str) -> str:
    """`TanhMix` for tanh_mix: a class needs another name than its function."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@cache
def compiled(text: str) -> tuple[Declaration, Any]:
    """The declaration and its class. Raises BadConfig for a text of another form, and what the compiler raises."""
    declaration = declaration_of(text)
    return declaration, load(declaration)


@cache
def require_verified(text: str) -> None:
    """Raise Unverified where the referee rejects the code of an expression; once in a process, for it takes seconds."""
    report = verify(declaration_of(text), quick=True)
    if not report.ok:
        odd = ", ".join(check.name for check in report.checks if not check.passed)
        raise Unverified(f"the code of {text!r} is not verified ({odd}); learnact-gen emit and verify tell where")


def end_of(text: str) -> int:
    """Where the activation of a setting ends, `expr:…,lr=4e-3`: at the first comma outside of parentheses, if any."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            return place
    return len(text)
