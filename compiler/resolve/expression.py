"""An activation from one expression: parsed, checked, with the starts that its structure allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

import sympy as sp

from learnact.compiler.declare.basis import Values
from learnact.compiler.declare.laws import LAWS, Law, Normal
from learnact.compiler.declare.names import Names, snake_case
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import NOT_REAL, gain, put, shift, x
from learnact.compiler.resolve.homogeneous import common_factor
from learnact.compiler.resolve.language import UnknownSymbol, parse, parse_constant
from learnact.compiler.resolve.parameters import Given, Number, given
from learnact.compiler.resolve.sound import check
from learnact.errors import BadExpression, BadLaw, UnknownName

__all__ = ["from_expression", "parse", "parse_law", "parse_params", "reference"]

MAX_PARAMETERS = 64  # each is a tensor of its own; more belong into one vector of a family file


def from_expression(text: str, params: Mapping[str, Number], name: str, law: Law | None = None) -> Activation:
    """Build the activation that `text` writes in `x` and the scalar parameters `params` (name -> start value).

    A key of `params` may give a range, `b>0` or `0<b<1`, in which the parameter stays: the module then stores log b, or
    the logit of b. The starts are `declared` (the given values) and, before it, the one that a common factor of some
    parameters allows: `balanced` (E[F^2] = E[F'^2] = 1) with an added constant among them, else `forward`
    (E[F^2] = 1). Raises BadExpression, BadName and BadDeclaration.
    """
    slug = Names.of(snake_case(name), None, name).slug
    law = law or Normal()
    _check_count(params)
    parameters = given(params, slug)
    symbols = {name: p.symbol for name, p in parameters.items()}
    values = {p.symbol: p.value for p in parameters.values()}
    try:
        function = parse(text, {"x": x, **symbols})
    except UnknownSymbol as err:
        options = " ".join(f"--param {name}=1" for name in _undeclared(text, symbols))
        if not params:
            raise BadExpression(f"every parameter of the expression needs a start value: add {options}") from err
        raise BadExpression(f"{err}; or give it a start value: add {options}") from err

    def declared(_: object, __: Law) -> Values:
        return {s.name: v for s, v in values.items()}

    starts = {"declared": Start(declared, note="the values as given")}
    family = Family(
        name=slug,
        title="Declared by an expression",
        formula=text.strip(),
        parameters={name: p.declared for name, p in parameters.items()},
        function=lambda _p, _n: function,
        starts={**_scaled_start(function, values, parameters.values()), **starts},
        degrees=None,
        law=law,
    )
    activation = check(Activation(family, None, class_name=name))
    _check_values(function, values)
    return activation


def reference(text: str, params: Mapping[str, Number]) -> Activation:
    """What `text` writes in `x` and `params` (name -> value), to compare code with: nothing need learn in it.

    Its one start is `declared`. Raises BadExpression, BadName and BadDeclaration.
    """
    _check_count(params)
    parameters = given(params, "reference")
    if ranged := [name for name, p in parameters.items() if p.constraint]:
        raise BadExpression(
            f"code is compared at one value of {ranged[0]}, so it has no range; write {ranged[0]}=VALUE"
        )
    symbols = {name: p.symbol for name, p in parameters.items()}
    values = {name: p.value for name, p in parameters.items()}
    try:
        function = parse(text, {"x": x, **symbols})
    except UnknownSymbol as err:
        options = " ".join(f"--param {name}=1" for name in _undeclared(text, symbols))
        raise BadExpression(f"{err}; a parameter needs a value: add {options}") from err
    for name, symbol in symbols.items():
        if not function.has(symbol):
            raise BadExpression(f"the parameter {name!r} does not occur in {text.strip()!r}; leave it out")
    if not function.has(x):
        raise BadExpression(f"{text.strip()!r} does not depend on x; an activation is a function of x")
    family = Family(
        name="reference",
        title="Declared by an expression",
        formula=text.strip(),
        parameters=dict.fromkeys(parameters, 1),
        function=lambda _p, _n: function,
        starts={"declared": Start(lambda _n, _law: dict(values), note="the values as given")},
        degrees=None,
    )
    return Activation(family, None)


def parse_params(pairs: Sequence[str]) -> dict[str, str]:
    """Parse NAME=VALUE pairs, in order. Raises BadExpression on another form and on a repeated name."""
    params: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise BadExpression(f"--param takes NAME=VALUE, found {pair!r}; write e.g. --param a=1")
        if name in params:
            raise BadExpression(f"the parameter {name!r} is given twice; give one value")
        params[name] = value
    return params


def parse_law(text: str) -> Law:
    """Parse a law and its parameter: `normal`, `normal:1/2`, `uniform:pi`, `arcsine:2`, `exponential:1`.

    Raises UnknownName, BadLaw, and BadExpression for a parameter that is no number.
    """
    name, colon, value = text.partition(":")
    if name not in LAWS:
        raise UnknownName("law", name, LAWS)
    if not colon:
        return LAWS[name]()
    number = parse_constant(value, f"the parameter of the law {text!r}")
    if not number.is_positive:
        raise BadLaw(f"the law {text!r} needs a positive parameter, found {number}")
    law = LAWS[name]()
    return replace(law, **{fields(law)[0].name: number})


def _undeclared(text: str, symbols: Mapping[str, sp.Symbol]) -> list[str]:
    """Every bare name in the text that is neither given nor a constant, in the order in which they are read."""
    found: list[str] = []
    while True:
        try:
            parse(text, {"x": x, **symbols, **{name: sp.Symbol(name, real=True) for name in found}})
        except UnknownSymbol as err:
            found.append(err.symbol)
        except BadExpression:
            return found
        else:
            return found


def _check_count(params: Mapping[str, Number]) -> None:
    if len(params) > MAX_PARAMETERS:
        raise BadExpression(f"{len(params)} parameters, an expression takes {MAX_PARAMETERS}; write a family file")


def _check_values(function: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> None:
    """With the given values the expression must still be a real function of x."""
    try:
        at_start = put(function, values)
    except (TypeError, ValueError) as err:  # SymPy's answers to a comparison of numbers that are not real
        raise BadExpression(f"with the given values a comparison in {function} is of no real numbers") from err
    if at_start.has(*NOT_REAL):
        raise BadExpression(f"with the given values the expression is {at_start}, not finite and real; give others")
    if not at_start.has(x):
        raise BadExpression(f"with the given values the expression is the constant {at_start}; give other values")


def _scaled_start(
    function: sp.Expr, values: Mapping[sp.Symbol, sp.Expr], parameters: Iterable[Given]
) -> dict[str, Start]:
    """The start that solves for the common factor of the largest set of parameters that has one; {} if none has."""
    parameters = list(parameters)
    free = {p.symbol for p in parameters if p.constraint is None}
    scaled = common_factor(function, [p.symbol for p in parameters if p.constraint is None or p.constraint.scales])
    if scaled is None:
        return {}
    offset = next((s for s in values if s in scaled & free and sp.diff(function, s) == 1), None)

    def start(_: object, __: Law) -> Values:
        solved = {s: gain * v if s in scaled else v for s, v in values.items()}
        if offset is not None:
            solved[offset] = gain * (values[offset] + shift)
        return {s.name: v for s, v in solved.items()}

    factors = ", ".join(s.name for s in values if s in scaled)
    if offset is None:
        return {"forward": Start(start, note=f"the given values, {factors} scaled")}
    return {"balanced": Start(start, note=f"the given values, {factors} scaled and {offset} shifted")}
