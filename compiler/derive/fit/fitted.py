"""Fitted starts: the parameter values at which an activation is closest to a classical one, in value and slope.

Closest means the least E[(F - T)^2] + E[(F' - T')^2] under the input law: slopes are what backpropagation sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.declare.basis import LinearFit, Values
from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import put
from learnact.compiler.derive.derivation import FitErrors, Moments, StartDerivation
from learnact.compiler.derive.expectation.pieces import derivative
from learnact.compiler.derive.expectation.values import Array, InDouble
from learnact.compiler.derive.fit.hinge import HingeSum, fit_hinges
from learnact.compiler.derive.fit.linear import fit_linear
from learnact.compiler.derive.fit.panels import Panels
from learnact.compiler.derive.fit.polynomial import project, spans_polynomials
from learnact.compiler.derive.fit.target import Target, target
from learnact.errors import BadDeclaration, NoStart, declared_code

CENTRAL = 4
"""The largest error is taken over this many standard deviations, or over the support if that is narrower."""

GRID = 4001
"""Grid points for the largest error, besides kinks and knots."""

PROBES = np.array([2 / 7, -13 / 11])
"""Points, in standard deviations, at which F at the fitted values is compared with the fitted function."""

LOST = 1e-6
"""Largest rounding error of F in doubles over the central interval, relative to the root mean square of F."""

NOTHING = 1e-14
"""Relative errors below this are rounding, and reported as 0: the fit is the target."""

SAME = 1e-6
"""Relative tolerance of that comparison: values have at least 10 digits, and a wrong formula differs by far more."""

Curve = Callable[[Array], Sequence[Array]]
"""F and F' at an array of points."""


@dataclass(frozen=True)
class Fit:
    """An activation fitted to a target."""

    values: Mapping[str, tuple[sp.Expr, ...]]  # parameter name -> values
    exact: bool  # whether they are closed forms
    moments: Moments
    errors: FitErrors
    note: str  # how they were found


def fit(activation: Activation, name: str, law: Law, scale: sp.Expr = sp.S.One) -> Fit:
    """Minimize E[(F - T_s)^2] + E[(F' - T_s')^2], T_s(x) = scale * T(x/scale), T the classical function `name`.

    Raises UnknownName without such a target, NoStart where the family declares no fit, the law has symbols or the fit
    does not exist, and BadDeclaration where the declared `values` do not give the fitted function.
    """
    goal = target(name, scale)
    declared = activation.family.fit
    knots: tuple[float, ...] = ()
    if declared is None:
        raise NoStart(f"{activation.names.spec} has no start {name!r}: the family declares no fit")
    if law.parameter.free_symbols:
        raise NoStart(
            f"{activation.names.spec} is fitted to {name} by numbers; give {law.parameter} one, found a symbol"
        )
    if isinstance(declared, LinearFit):
        with declared_code(f"{activation.names.spec}: the fit's features() fail"):
            features = [sp.sympify(f) for f in declared.features(activation.degree, law)]
        solve = project if isinstance(law, Normal) and spans_polynomials(features) else fit_linear
        weights, moments, note = solve(features, goal, law)  # type: ignore[arg-type]
        with declared_code(f"{activation.names.spec}: the fit's values() fail"):
            values = _by_name(activation, declared.values(activation.degree, law, weights))
        shape, size = _of_features(features, weights), _size_of_features(features, weights)
        exact = not any(w.has(sp.Float) for w in weights)
    else:
        hinges, moments, note = fit_hinges(declared.knots(activation.degree), target(name), law.over(scale))
        hinges, moments = hinges.at(scale), moments.at(scale)
        parts = (hinges.level, hinges.tilt, hinges.ups, hinges.rises, hinges.downs, hinges.falls)
        with declared_code(f"{activation.names.spec}: the fit's values() fail"):
            values = _by_name(activation, declared.values(activation.degree, *parts))
        shape, size, knots = _of_hinges(hinges), _size_of_hinges(hinges), _numbers(hinges.ups + hinges.downs)
        exact = not any(v.has(sp.Float) for vector in values.values() for v in vector)
    _require_digits(size, moments, law)
    _check(activation, values, shape, law)
    return Fit(values, exact, moments, measure(shape, goal, law, knots), note)


def fitted_start(activation: Activation, name: str, law: Law, scale: sp.Expr = sp.S.One) -> StartDerivation:
    """The start `name`, fitted to the classical function of that name. Raises as `fit` does."""
    found = fit(activation, name, law, scale)
    return StartDerivation(name, "fit", found.values, found.exact, found.moments, note=found.note, errors=found.errors)


def measure(fitted: Curve, goal: Target, law: Law, knots: tuple[float, ...] = ()) -> FitErrors:
    """Errors of a fit against its target under the law, in double precision; F' may jump at the knots."""
    breaks = (*_numbers(goal.kinks), *knots)
    panels = Panels(law, breaks)
    points, weights = panels.nodes
    value, slope, _ = goal.in_double(points)
    fitted_value, fitted_slope = fitted(points)

    def relative(difference: Array, of: Array) -> float:
        error = math.sqrt((weights * difference**2).sum() / (weights * of**2).sum())
        return error if error > NOTHING else 0.0

    reach = CENTRAL * float(law.sigma)
    interval = (max(panels.ends[0], -reach), min(panels.ends[1], reach))
    grid = np.array([*np.linspace(*interval, GRID), *(b for b in breaks if interval[0] < b < interval[1])])
    wanted = goal.in_double(grid)[0]
    sup = float(np.abs(fitted(grid)[0] - wanted).max())
    return FitErrors(
        value=relative(fitted_value - value, value),
        slope=relative(fitted_slope - slope, slope),
        sup=sup if sup > NOTHING * np.abs(wanted).max() else 0.0,
        interval=interval,
    )


def _by_name(activation: Activation, values: Values) -> dict[str, tuple[sp.Expr, ...]]:
    """Values as declared, evaluated where a number of the fit went in. Raises NoStart for what is no number."""
    try:
        assigned = activation.stored(values)
    except BadDeclaration as err:
        raise NoStart(f"the fit: {err}") from err
    numbers = {s: sp.N(v, DIGITS) if v.has(sp.Float) and not v.is_Float else v for s, v in assigned.items()}
    undefined = [str(s) for s, v in numbers.items() if v.has(sp.nan, sp.oo, sp.zoo)]
    if undefined:
        raise NoStart(f"the fit leaves {', '.join(undefined)} of {activation.names.spec} undefined; check its values()")
    return {p.name: tuple(numbers[s] for s in p.symbols) for p in activation.parameters}


def _require_digits(size: Callable[[Array], Array], moments: Moments, law: Law) -> None:
    """Raise NoStart where the terms of F, whose absolute values add up to `size`, cancel beyond double precision."""
    reach = CENTRAL * float(law.sigma)
    largest, root = float(size(np.linspace(-reach, reach, GRID)).max()), math.sqrt(float(moments.second))
    if largest * np.finfo(float).eps > LOST * root:
        raise NoStart(
            f"the terms of the fit under {law} are {largest / root:.0e} times as large as their sum and cancel beyond "
            "double precision; choose a lower degree or a larger sigma"
        )


def _check(activation: Activation, values: Mapping[str, tuple[sp.Expr, ...]], shape: Curve, law: Law) -> None:
    """Raise BadDeclaration unless the activation at these values is the function that was fitted."""
    numbers = {s: evaluate(v) for s, v in activation.assign(values).items()}
    points = PROBES * float(law.sigma)
    function = InDouble(points)(put(activation.function, numbers))
    for at, left, right in zip(points, function, shape(points)[0], strict=True):
        if abs(left - right) > SAME * (1 + abs(right)):
            raise BadDeclaration(
                f"{activation.names.spec}: the fit's values() must make F what was fitted; at x = {at:.8g} "
                f"F is {left:.8g} instead of {right:.8g}"
            )


def _size_of_features(features: Sequence[sp.Expr], weights: Sequence[sp.Expr]) -> Callable[[Array], Array]:
    numbers = _numbers(abs(evaluate(w)) for w in weights)

    def total(points: Array) -> Array:
        at = InDouble(points)
        return sum(w * np.abs(at(f)) for w, f in zip(numbers, features, strict=True))

    return total


def _size_of_hinges(hinges: HingeSum) -> Callable[[Array], Array]:
    knots = np.array(_numbers(hinges.ups + hinges.downs))
    bends = np.array(_numbers([*hinges.rises, *hinges.falls]))
    level, tilt = abs(float(hinges.level)), abs(float(hinges.tilt))
    return lambda points: level + tilt * np.abs(points) + np.abs(points[..., None] - knots) @ bends


def _of_features(features: Sequence[sp.Expr], weights: Sequence[sp.Expr]) -> Curve:
    numbers, slopes = _numbers(map(evaluate, weights)), [derivative(f) for f in features]

    def both(points: Array) -> list[Array]:
        at = InDouble(points)
        return [sum(w * at(f) for w, f in zip(numbers, of, strict=True)) for of in (features, slopes)]  # type: ignore[misc]

    return both


def _of_hinges(hinges: HingeSum) -> Curve:
    knots = np.array(_numbers(hinges.ups + hinges.downs))
    bends = np.array(_numbers([*hinges.rises, *(-f for f in hinges.falls)]))
    level, tilt = float(hinges.level), float(hinges.tilt)

    def both(points: Array) -> list[Array]:
        beyond = points[..., None] - knots
        return [level + tilt * points + np.maximum(beyond, 0) @ bends, tilt + (beyond > 0) @ bends]

    return both


def _numbers(expressions: Iterable[sp.Expr]) -> tuple[float, ...]:
    return tuple(float(e) for e in expressions)
