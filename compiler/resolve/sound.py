"""Whether a declared F is an activation: it depends on x, every parameter has a gradient, values are finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.derivatives import PASSES
from learnact.compiler.declare.doubles import with_doubles
from learnact.compiler.declare.kinks import Select, is_indicator
from learnact.compiler.declare.one_sided import LeftLimit
from learnact.compiler.declare.sizes import nodes
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import NOT_REAL, PLAIN, x
from learnact.errors import BadDeclaration

PROBES = (sp.Rational(1, 50), sp.Rational(3, 10), sp.Rational(7, 10), sp.Rational(49, 50))
"""Quantiles of the law at which F and its derivatives must be real and finite; no kink lies there by chance."""

MOST_NODES = 100_000
"""Of F and its derivatives together; each pass over more takes seconds."""

FAR_OUT = [side * np.logspace(1.2, 12, 200) for side in (-1, 1)]
"""Standard deviations at which an argument of tan is looked at besides those up to 16."""


def _first_ranked(values: Sequence[Any], way: int) -> int:
    """The index of the largest (way 1) or smallest (way -1) of the first half; the second half has their slopes."""
    half = len(values) // 2
    return max(range(half), key=lambda k: (way * values[k], -way * values[half + k]))


NUMERIC: dict[str, Callable[..., Any]] = {
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
    "sigmoid": lambda u: 0.5 * (1 + np.tanh(u / 2)),
    "softplus": lambda u: np.logaddexp(0.0, u),
    "Sign": np.sign,
    "Step": np.heaviside,
    "Floor": np.floor,
    "Magnitude": np.abs,
    "Largest": lambda *values: np.max(values),
    "Smallest": lambda *values: np.min(values),
    "IndexOfLargest": lambda *values: np.argmax(values),
    "IndexOfSmallest": lambda *values: np.argmin(values),
    "RankedLargest": lambda *values: _first_ranked(values, 1),
    "RankedSmallest": lambda *values: _first_ranked(values, -1),
    "Select": lambda winner, *entries: entries[int(winner)],
}


def check(activation: Activation) -> Activation:
    """Return the activation unchanged if F, F' and every dF/dparameter pass the checks.

    Raises BadDeclaration for a function without x or with slope 0, with a parameter that gets no gradient, or with
    values that are not real and finite.
    """
    spec, function = activation.names.spec, activation.function
    if not function.has(x):
        raise BadDeclaration(f"{spec}: the function {function} does not depend on x; an activation is a function of x")
    if function.has(*NOT_REAL):
        raise BadDeclaration(f"{spec}: the function {function} is not real and finite; write one that is")
    if unknown := sorted(map(str, function.atoms(AppliedUndef))):
        raise BadDeclaration(f"{spec}: {unknown[0]} is a function without a definition; write out what it is")
    for symbol in activation.symbols:
        if not function.has(symbol):
            raise BadDeclaration(
                f"{spec}: the parameter {symbol} does not occur in the function (or cancels); leave it out"
            )
    _, slope, *partials = _derivatives(function, activation.symbols)
    if slope == 0:
        raise BadDeclaration(
            f"{spec}: the function {function} has the slope 0 wherever it has one, so no gradient reaches what lies "
            "before it; let it change smoothly, with tanh or sigmoid in place of a jump"
        )
    for symbol, derivative in zip((x, *activation.symbols), (slope, *partials), strict=True):
        if derivative.has(sp.I):
            raise BadDeclaration(
                f"{spec}: the derivative by {symbol} of the function {function} is complex, for a power of a negative "
                "number is real at integers alone; keep the base above 0"
            )
    for symbol, partial in zip(activation.symbols, partials, strict=True):
        if partial == 0:
            raise BadDeclaration(
                f"{spec}: {symbol} gets no gradient, for the function only jumps when it changes; put a number in its "
                "place, or let the function change smoothly, with sigmoid in place of a step"
            )
    if not activation.family.law.parameter.free_symbols:
        for name in activation.family.starts:
            _check_start(activation, name)
    return activation


def _check_start(activation: Activation, name: str) -> None:
    """Require finite F, F' and dF/dparameter at PROBES, at a start's values with gain 1 and shift 0."""
    law = activation.family.law
    parameters = [float(evaluate(v.xreplace(PLAIN))) for v in activation.start_values(name).values()]
    _require_no_pole(activation, name, parameters)
    labels = ["F", "F'", *(f"dF/d{symbol}" for symbol in activation.symbols)]
    for point in (float(evaluate(law.quantile(p))) for p in PROBES):
        for label, value in zip(labels, _values(activation, point, parameters), strict=False):
            if not math.isfinite(value):
                lack = "real" if label == "F" and math.isnan(value) else "finite"
                raise BadDeclaration(
                    f"{activation.names.spec}: at the start {name!r} {label} is not {lack} at x = {point:.3g}, where "
                    f"the law {law} puts x; {_remedy(activation.function)}"
                )


def _require_no_pole(activation: Activation, name: str, parameters: Sequence[float]) -> None:
    """A tangent whose argument passes pi/2 + k pi where the law puts x has no moments."""
    law = activation.family.law
    inside = sorted({t.args[0] for t in activation.function.atoms(sp.tan)}, key=sp.default_sort_key)
    if not inside:
        return
    points = float(evaluate(law.sigma)) * np.concatenate([np.linspace(-16, 16, 4097), *FAR_OUT])
    low, high = (float(end) for end in law.support)
    points = np.sort(points[(points >= low) & (points <= high)])
    values = _called(_compiled(inside, activation.symbols), points, parameters)
    with np.errstate(all="ignore"):
        turns = [np.diff(np.broadcast_to(np.floor(v / np.pi + 0.5), points.shape)) for v in values]
    for argument, steps in zip(inside, turns, strict=False):
        crossed = np.flatnonzero(np.isfinite(steps) & (steps != 0))
        if crossed.size:
            nearest = crossed[np.argmin(np.abs(points[crossed]))]
            raise BadDeclaration(
                f"{activation.names.spec}: at the start {name!r} tan({argument}) has a pole near x = "
                f"{points[nearest]:.3g}, where the law {law} puts x, so F has no moments; keep its argument within "
                "(-pi/2, pi/2), as in tan(tanh(x)), or take a law on a shorter interval"
            )


def _remedy(function: sp.Expr) -> str:
    if function.has(sp.log) or any(not p.exp.is_Integer for p in function.atoms(sp.Pow)):
        return "keep above 0 what is under a power, root or log, as in softplus(x)**b or Max(x, 0.001)**b"
    return "give other values or another law"


@lru_cache(maxsize=128)
def _derivatives(function: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, ...]:
    """F, F' and every dF/dparameter as they are emitted, with the stated derivatives at kinks and jumps."""
    exprs: tuple[sp.Expr, ...] = (function,)
    limit = LeftLimit(symbols)
    for step in PASSES:
        exprs = step(exprs, limit)
        known: dict[sp.Basic, int] = {}
        if (size := sum(nodes(e, known) for e in exprs)) > MOST_NODES:
            raise BadDeclaration(
                f"the derivatives of the function are {size} numbers, names and operations long when they are written "
                f"out, at most {MOST_NODES} are compiled; nest fewer functions"
            )
    return exprs


@lru_cache(maxsize=128)
def _numeric(function: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Callable[..., list[float]] | None:
    """The same as one NumPy function of x and the parameters; None if it holds a function without a NumPy form."""
    return _compiled([_masked(e) for e in _derivatives(function, symbols)], symbols)


def _compiled(exprs: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> Callable[..., list[Any]] | None:
    """Expressions as a NumPy function of x and the parameters; None if one holds a function without a NumPy form."""
    try:
        return sp.lambdify([x, *symbols], [with_doubles(e) for e in exprs], [NUMERIC, "numpy"], cse=True, dummify=True)
    except (NotImplementedError, AttributeError, SyntaxError):
        return None


def _masked(e: sp.Expr) -> sp.Expr:
    """Factors moved into a Select with one nonzero entry: emitted code is 0 elsewhere, even where a factor is NaN."""
    if not e.has(Select):
        return e
    for indicator in (f for f in e.args if e.is_Mul and is_indicator(f)):
        winner, *entries = indicator.args
        factor = e / indicator
        return Select(_masked(winner), *(_masked(entry * factor) if entry != 0 else entry for entry in entries))
    return e.func(*map(_masked, e.args))


def _values(activation: Activation, point: float, parameters: Sequence[float]) -> list[float]:
    """F, F' and every dF/dparameter at a point, infinite or NaN where emitted code is; [] without a NumPy form."""
    return [float(v) for v in _called(_numeric(activation.function, activation.symbols), np.float64(point), parameters)]


def _called(function: Callable[..., list[Any]] | None, points: Any, parameters: Sequence[float]) -> list[Any]:
    """The values of compiled expressions, a root of a negative number nan; [] without a NumPy form."""
    try:
        with np.errstate(all="ignore"):  # a root of a negative number of Python's would be complex
            return function(points, *map(np.float64, parameters)) if function else []
    except NameError:  # a function that NumPy does not know, of which a printer says so
        return []
