"""Parameters as an expression's user writes them: `b=1`, and with a range that holds for ever, `b>0=1`, `0<b<2=1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import sympy as sp

from learnact.compiler.declare.constraints import Between, Constraint, Positive
from learnact.compiler.declare.names import check_parameter
from learnact.compiler.declare.spec import constrained
from learnact.compiler.resolve.language import WORDS, parse_constant
from learnact.errors import BadDeclaration, BadExpression, BadName

Number = str | int | float | Fraction

RANGE = re.compile(r"(?:(?P<low>[^<>=]+)<)?\s*(?P<name>\w+)\s*(?:(?P<way>[<>])(?P<bound>[^<>=]+))?")


@dataclass(frozen=True)
class Given:
    """One parameter: its symbol in the expression, its start value, its range."""

    symbol: sp.Symbol
    value: sp.Expr
    constraint: Constraint | None = None

    @property
    def declared(self) -> Constraint | Literal[1]:
        """As `Family.parameters` takes it."""
        return 1 if self.constraint is None else self.constraint


def given(params: Mapping[str, Number], function_name: str) -> dict[str, Given]:
    """Name -> parameter for `params`, whose keys are names or ranges of names: `b`, `b>0`, `0<b<2`.

    Raises BadExpression for another key, a value that is no number or not in its range, BadName for a bad name.
    """
    found: dict[str, Given] = {}
    for key, value in params.items():
        name, constraint = _ranged(key)
        _check_name(name, function_name)
        if name in found:
            raise BadExpression(f"the parameter {name!r} is given twice; give one value")
        start = parse_constant(value.strip() if isinstance(value, str) else str(value), f"the value of {name}")
        if constraint is None:
            found[name] = Given(sp.Symbol(name, real=True), start)
        elif constraint.allows(start):
            found[name] = Given(constrained(name, constraint), start, constraint)
        else:
            raise BadExpression(f"{key.strip()!r} starts at {start}, which is not in its range; give another value")
    return found


def _ranged(key: str) -> tuple[str, Constraint | None]:
    match = RANGE.fullmatch(key.strip())
    if match is None or (match["low"] and match["way"] != "<") or (match["way"] == "<" and not match["low"]):
        if not re.search(r"[<>]", key):
            return key.strip(), None
        raise BadExpression(f"the range {key!r} is not of the form b>0 or 0<b<1; write e.g. --param 'b>0=1'")
    if match["way"] is None:
        return match["name"], None
    bound = parse_constant(match["bound"], f"the bound in {key!r}")
    try:
        if match["low"]:
            return match["name"], Between(parse_constant(match["low"], f"the bound in {key!r}"), bound)
        return match["name"], Positive(above=bound)
    except BadDeclaration as err:
        raise BadExpression(f"the range {key!r}: {err}") from err


def _check_name(name: str, function_name: str) -> None:
    if name in WORDS:
        raise BadName(f"the parameter {name!r} is a word of the expression language; choose another")
    check_parameter(name)
    if name == function_name:
        raise BadName(f"the parameter {name!r} has the name of the emitted function; choose another")
