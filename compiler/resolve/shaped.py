"""The starts `shaped` and `curved` of an activation: conditions on curvature, and one more unknown to meet them.

The bends are those of the first start that solves for a gain and a shift. The further unknown is a line added to them,
where a parameter adds one, F = gain (g + tilt x + shift): then every value is a closed form. Where parameters stretch x
it is the scale of the input, F = gain (g(input_scale x) + shift).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from learnact.compiler.declare.basis import Values
from learnact.compiler.declare.dimensions import stretches
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.shape import Shape
from learnact.compiler.declare.spec import Activation, Start
from learnact.compiler.declare.symbols import gain, input_scale, put, shift, tilt, x
from learnact.compiler.resolve.leaky import kappa_of
from learnact.compiler.resolve.number import Number, exact
from learnact.errors import BadDeclaration, BadExpression, NoStart, UnknownName

NAMES = ("shaped", "curved")
"""What starts with a `Shape` are called."""

WORDS = ("curvature", "kappa", "slope", "depth", "tau", "eta")
"""The words of conditions, as in `shaped,curvature=0.05`."""


def start_conditions() -> tuple[str, ...]:
    """The words in which `shaped` and `curved` starts take conditions: `shaped,curvature=0.05`."""
    return WORDS


@dataclass(frozen=True)
class Wanted:
    """A start by its name; for `shaped` and `curved` with the conditions."""

    name: str
    shape: Shape | None = None

    @classmethod
    def read(cls, text: str) -> Wanted:
        """Parse `balanced`, `shaped,curvature=0.05`, `curved,kappa=0.2,slope=1`. Raises BadExpression, and as `of`."""
        name, *pairs = text.split(",")
        conditions: dict[str, Number] = {}
        for pair in pairs:
            word, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not value:
                raise BadExpression(f"conditions of a start are NAME=VALUE, found {pair!r} in {text!r}")
            if word in conditions:
                raise BadExpression(f"{word} is given twice in {text!r}; give one value")
            conditions[word] = value
        return cls.of(name.strip(), **conditions)

    @classmethod
    def of(cls, name: str, **conditions: Number) -> Wanted:
        """The start `name` with `conditions`. Raises BadExpression for a start without any, and as `shape_of`."""
        if not conditions:
            return cls(name)
        if name not in NAMES:
            taken = ", ".join(conditions)
            raise BadExpression(f"the start {name!r} takes no {taken}; those that do: {', '.join(NAMES)}")
        return cls(name, shape_of(name, conditions))

    def on(self, activation: Activation) -> Activation:
        """The activation, with this start if it is none of those that it has. Raises NoStart."""
        if self.shape is not None:
            return with_shape(activation, self.shape)
        if self.name in NAMES and self.name not in activation.family.starts:
            raise NoStart(f"the start {self.name!r} needs its conditions, as in {self.name},curvature=0.1")
        return activation


def shape_of(name: str, conditions: dict[str, Number]) -> Shape:
    """The conditions of `shaped` or `curved`: curvature, kappa, or of a depth tau or eta; and slope.

    `depth` with `tau` is a curvature of tau/depth, with `eta` the kappa that `leaky.kappa_of` gives.

    Raises UnknownName for another word, BadExpression for words that exclude each other or lack another, and
    BadDeclaration for a number that is not positive.
    """
    for word in conditions:
        if word not in WORDS:
            raise UnknownName(f"condition of a {name} start", word, WORDS)
    numbers = {word: exact(value, word) for word, value in conditions.items()}
    measures = numbers.keys() & {"curvature", "kappa", "tau", "eta"}
    if len(measures) != 1 or ("depth" in numbers) != bool(measures & {"tau", "eta"}):
        raise BadExpression(
            f"a {name} start takes one of curvature=C, kappa=K, depth=L with tau=T, or depth=L with eta=E; "
            f"found {', '.join(conditions)}"
        )
    for word, number in numbers.items():
        if not (number.is_number and number.is_positive):
            raise BadDeclaration(f"{word} of a {name} start must be a positive number, found {number}")
    slope = numbers.get("slope", sp.S.One)
    if "eta" in numbers:
        return Shape("kappa", kappa_of(numbers["depth"], numbers["eta"]), slope, name == "curved")
    if "kappa" in numbers:
        return Shape("kappa", numbers["kappa"], slope, name == "curved")
    amount = numbers["tau"] / numbers["depth"] if "tau" in numbers else numbers["curvature"]
    return Shape("curvature", amount, slope, name == "curved")


def with_shape(activation: Activation, shape: Shape) -> Activation:
    """The activation with the start `shape.name` before its own. Raises NoStart where none has an offset to solve."""
    family = activation.family
    base = next((name for name in family.starts if _solves(activation, name)), None)
    if base is None:
        raise NoStart(
            f"{activation.names.spec} has no start that solves for a gain and an offset, so E[F^2], E[F'^2] and "
            f"{shape.label} cannot be set together; scaled_{family.name} may have one, or add a learned offset"
        )
    values, words = _values(activation, family.starts[base])
    start = Start(values, note=f"{shape}; {words} the bends of {base!r}", shape=shape)
    return replace(activation, family=replace(family, starts={shape.name: start, **family.starts}))


def _solves(activation: Activation, name: str) -> bool:
    held = {s for v in activation.start_values(name).values() for s in v.free_symbols}
    return {gain, shift} <= held and activation.start(name).shape is None


def _values(activation: Activation, base: Start) -> tuple[Callable[[Any, Law], Values], str]:
    """The values with a further unknown, and what it does in words."""
    if (entry := _line(activation, base)) is not None:

        def tilted(n: Any, law: Law) -> Values:
            entries = _entries(activation, base, law)
            ratio = put(sp.diff(activation.written, entry), entries) / x
            return _named(activation, entries | {entry: entries[entry] + gain * tilt / ratio})

        return tilted, "a line added to"
    powers = stretches(activation) or {}
    if any(powers.values()):

        def stretched(n: Any, law: Law) -> Values:
            entries = _entries(activation, base, law)
            return _named(activation, {e: v * input_scale ** -powers[e] for e, v in entries.items()})

        return stretched, "x stretched under"
    return base.values, "no line and no stretch for"


def _line(activation: Activation, base: Start) -> sp.Symbol | None:
    """A parameter's entry that adds a multiple of x to F, and nothing else, at the values of `base`."""
    entries = _entries(activation, base, activation.family.law)
    for vector in activation.parameters:
        for entry in vector.values:
            if vector.constraint is not None or vector.fixed:
                continue
            slope = sp.diff(activation.written, entry)
            if not slope.has(entry) and not (put(slope, entries) / x).has(x, shift):
                return entry
    return None


def _entries(activation: Activation, base: Start, law: Law) -> dict[sp.Symbol, sp.Expr]:
    """Entry of a parameter -> value at the start `base`, with gain and shift."""
    found: dict[sp.Symbol, sp.Expr] = {}
    given = base.values(activation.degree, law)
    for vector in activation.parameters:
        own = given[vector.declared]
        several = list(own) if isinstance(own, (list, tuple)) else [own]
        found |= {entry: sp.sympify(v) for entry, v in zip(vector.values, several, strict=True)}
    return found


def _named(activation: Activation, entries: dict[sp.Symbol, sp.Expr]) -> Values:
    return {
        v.declared: entries[v.values[0]] if v.scalar else [entries[e] for e in v.values] for v in activation.parameters
    }
