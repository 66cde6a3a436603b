"""From whatever names a function to its expression in x, with numbers in place of parameters, and the law of x."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from learnact.compiler.api import normal
from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import put
from learnact.compiler.derive import start as derive_start
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.emit.target import Target, activation_of
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.expression import parse_law, reference
from learnact.compiler.resolve.number import Number
from learnact.compiler.resolve.parameters import Number as Value
from learnact.compiler.resolve.shaped import Wanted
from learnact.errors import BadExpression, BadLaw, BadTarget

NAME = re.compile(r"[A-Za-z_]\w*(@.*)?")
"""A text of this form is a name, every other one without colon an expression; `x` alone is one too."""


@dataclass(frozen=True)
class Subject:
    """A fixed function, and the law that its input follows."""

    name: str  # SPEC@START, or the expression itself
    formula: str  # of the family, for people
    function: sp.Expr  # in x alone
    law: Law
    moments: Moments | None = None  # as the start was solved for them


def law_of(law: Law | str | None, sigma: Number | None) -> Law | None:
    """The law that was asked for, None where nothing was. Raises BadLaw, UnknownName, BadExpression, BadTarget."""
    if law is not None and sigma is not None:
        raise BadLaw(f"give either sigma={sigma} or law={law}, not both")
    if sigma is not None:
        return normal(sigma)
    if isinstance(law, str):
        return parse_law(law)
    if law is not None and not isinstance(law, Law):
        raise BadTarget(f"law must be a Law such as Normal(), or text such as 'uniform:pi', found {law!r}")
    return law


def subject_of(
    target: Target,
    *,
    start: str | None = None,
    params: Mapping[str, Value] | None = None,
    law: Law | None = None,
) -> Subject:
    """The fixed function of `target`: a SPEC with `@START` behind it or `start`, or an expression with `params`.

    Without a start it is the default one; `law` stands in for the family's, and starts are solved under it. Raises
    BadTarget, BadExpression, NoStart, and what `derive` raises.
    """
    if isinstance(target, str) and _is_expression(target):
        if start is not None:
            raise BadExpression(f"the expression {target!r} has no start {start!r}; give its parameters values")
        return _written(target, params or {}, law)
    if isinstance(target, Declaration) and target.expr is not None and start is None:
        pairs = dict(pair.split("=", 1) for pair in target.params)
        return _written(target.expr, pairs, law or (parse_law(target.law) if target.law else None))
    if params:
        raise BadExpression(f"parameter values belong to an expression; {target!r} declares its parameters itself")
    if isinstance(target, str) and "@" in target:
        target, _, behind = target.rpartition("@")
        if start is not None and start != behind:
            raise BadTarget(f"two starts are asked for, {behind!r} and {start!r}; give one")
        start = behind
    activation = activation_of(target)
    return _started(activation, start, law or activation.family.law)


def _is_expression(text: str) -> bool:
    name = text.strip()
    return name == "x" or not (":" in name or name.endswith(".py") or NAME.fullmatch(name))


def _written(text: str, params: Mapping[str, Value], law: Law | None) -> Subject:
    activation = reference(text, params)
    values = activation.assign(activation.start("declared").values(None, Normal()))
    words = [f"{name}={value}" for name, value in params.items()]
    return Subject(", ".join([text.strip(), *words]), text.strip(), put(activation.function, values), law or Normal())


def _started(activation: Activation, start: str | None, law: Law) -> Subject:
    wanted = Wanted.read(start) if start is not None else Wanted(next(iter(activation.family.starts)))
    activation, chosen = wanted.on(activation), wanted.name
    spec = activation.names.spec
    name = f"{spec}@{start or chosen}" if activation.parameters else spec
    formula = activation.family.formula or str(activation.function)
    if not activation.parameters and chosen in activation.family.starts:
        return Subject(name, formula, activation.function, law)
    solved = derive_start(activation, chosen, law)
    return Subject(name, formula, put(activation.function, activation.assign(solved.values)), law, solved.moments)
