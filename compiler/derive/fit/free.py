"""Fits of any activation to any function, all parameters free: from the declaration alone, on request.

Closest means what it means in `fitted`. The objective may have several minima; the least that is found from a fixed set
of starting points is taken, the declared starts and the declared fit among them. Nothing is random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import sympy as sp

from learnact.compiler.declare.classical import CLASSICAL_FUNCTIONS
from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import PLAIN, put, x
from learnact.compiler.derive.derivation import Moments, StartDerivation
from learnact.compiler.derive.expectation.pieces import NONSMOOTH, STEPS, derivative, kinks
from learnact.compiler.derive.expectation.values import Array, InDouble
from learnact.compiler.derive.fit.fitted import Curve, fit, measure
from learnact.compiler.derive.fit.panels import Panels
from learnact.compiler.derive.fit.separable import ZERO, Point, Separable
from learnact.compiler.derive.fit.target import Target
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import BadDeclaration, NoClosedForm, NoStart, UnknownName

FREE = "free_"
"""What these starts' names begin with; the classical function's name follows."""

PLACES = 8
"""Significant digits that are kept. Where the objective is nearly level, machines may agree on fewer."""

SPREAD = 16
"""Starting points around each declared start."""

ROUNDING = 1e-12
"""Least error of a moment that is claimed, relative to 1 and its size."""

BETTER = 1e-3
"""Part of the best constant's objective by which a fit must be lower to be one."""

FIRST, KEPT, MOST = 25, 6, 200
"""Steps from every starting point, how many of the best go on, and the most steps that those make."""

WORSE = 4.0
"""Largest factor of the objective at which a minimum is taken before a limit: twice the error."""

MOST_NODES = 10_000
"""Of the quadrature: under N(0, 11^2) there are as many."""

FARTHEST = 75
"""Largest parameter, in units of its largest at a start, or of 1; beyond, the fit is a limit."""

EDGE = math.log(30)
"""The same for what is stored of one with a range, as a difference."""

SAME = 1e-9
"""Relative difference of objectives that says nothing about which is less."""

KINKED = (*NONSMOOTH, *STEPS)


def free_fit(activation: Activation, name: str, law: Law, scale: sp.Expr = sp.S.One) -> StartDerivation:
    """Minimize E[(F - T_s)^2] + E[(F' - T_s')^2] over all parameters, T_s(x) = scale T(x/scale).

    T is the classical function `name`. Raises UnknownName where there is none, NoStart where the law has symbols,
    F has kinks that parameters move, or no minimum is found that is closer than a constant.
    """
    goal = _goal(name, scale)
    if law.parameter.free_symbols:
        raise NoStart(f"{activation.names.spec} is fitted by numbers; give {law.parameter} one, found a symbol")
    if not activation.symbols:
        raise NoStart(
            f"{activation.names.spec} has no parameters, so nothing can be fitted; scaled_{activation.names.spec} has"
        )
    declared = _declared_points(activation, goal, law)
    spread = 2 * _even_points(SPREAD, len(activation.symbols)) - 1
    starts = [*declared, *(p + u * np.maximum(1, np.abs(p)) for p in declared[:2] for u in spread)]
    cuts = _fixed_kinks(activation, declared[0])
    panels = Panels(law, tuple(float(k) for k in {*cuts, *goal.kinks}))
    if panels.nodes[0].size > MOST_NODES:
        raise NoStart(
            f"a fit under {law} takes {panels.nodes[0].size:,} nodes, more than {MOST_NODES:,}; choose a smaller sigma"
        )
    at_nodes = goal.in_double(panels.nodes[0])
    problem = Separable(activation.function, activation.symbols, panels.nodes, at_nodes, declared[0])
    usual = np.maximum(1, np.abs(declared).max(axis=0))
    best = _best(problem, starts, lambda p: not _runaway(activation, p.values, usual))
    _require_fit(activation, name, best, usual, _of_constant(goal, panels))
    values = {s: _rounded(v, u) for s, v, u in zip(activation.symbols, best.values, usual, strict=True)}
    shape = put(activation.function, values)
    slope = derivative(shape)

    def curve(points: Array) -> list[Array]:
        at = InDouble(points)
        return [at(shape), at(slope)]

    knots = tuple(float(k) for k in cuts)
    errors = measure(curve, goal, law, knots)
    return StartDerivation(
        f"{FREE}{name}",
        "fit",
        {v.name: tuple(values[s] for s in v.symbols) for v in activation.parameters},
        False,
        _moments(curve, panels),
        note=f"all parameters free, least squares in value and slope; the best of {len(starts)} descents",
        errors=errors,
    )


def _goal(name: str, scale: sp.Expr) -> Target:
    if name not in CLASSICAL_FUNCTIONS:
        raise UnknownName("fit target", name, CLASSICAL_FUNCTIONS)
    return Target(name, scale * CLASSICAL_FUNCTIONS[name].function(x / scale), scale)


def _declared_points(activation: Activation, goal: Target, law: Law) -> list[Array]:
    """The declared fit, if there is one, and the declared starts with gain 1 and shift 0. Raises NoStart."""
    found: list[Array] = []
    if activation.family.fit is not None and goal.name in CLASSICAL:
        try:
            declared = fit(activation, goal.name, law, goal.scale).values
            found.append(_numbers(activation.assign(declared), activation))
        except NoStart:
            pass  # the others remain
    for name in activation.family.starts:
        try:
            values = activation.start_values(name, law)
        except BadDeclaration:
            continue  # this start alone does not exist under this law
        found.append(_numbers({s: put(v, PLAIN) for s, v in values.items()}, activation))
    if not found:
        raise NoStart(f"{activation.names.spec} has no start under {law} from which a fit could begin")
    return found


def _numbers(values: Mapping[sp.Symbol, sp.Expr], activation: Activation) -> Array:
    return np.array([float(evaluate(values[s])) for s in activation.symbols])


def _even_points(count: int, dimensions: int) -> Array:
    """Points that fill a cube evenly: the additive recurrence of the root of g^(d+1) = g + 1 (Roberts 2018)."""
    g = 2.0
    for _ in range(60):
        g = (1 + g) ** (1 / (dimensions + 1))
    steps = g ** -np.arange(1.0, dimensions + 1)
    return (0.5 + np.arange(1, count + 1)[:, None] * steps) % 1


def _fixed_kinks(activation: Activation, values: Array) -> tuple[sp.Expr, ...]:
    """Kinks of F, whatever the parameters are. Raises NoStart where parameters move them."""
    symbols = set(activation.symbols)
    for atom in activation.function.atoms(*KINKED):
        held = atom.args if not isinstance(atom, sp.Piecewise) else [condition for _, condition in atom.args]
        if atom.has(x) and (isinstance(atom, STEPS) or any(a.free_symbols & symbols for a in held)):
            raise NoStart(
                f"F of {activation.names.spec} bends where its parameters say, and steps of least squares do not see "
                "bends move; a family may declare a HingeFit"
            )
    numbers = dict(zip(activation.symbols, map(sp.Float, values), strict=True))
    try:
        return kinks(put(activation.function, numbers))
    except NoClosedForm as err:
        raise NoStart(f"the kinks of {activation.names.spec} are not known: {err}") from err


def _of_constant(goal: Target, panels: Panels) -> float:
    """The objective of the best constant, in units of E[T^2] + E[T'^2]."""
    points, weights = panels.nodes
    value, slope, _ = goal.in_double(points)
    second = (weights * value**2).sum() + (weights * slope**2).sum()
    return float(1 - (weights * value).sum() ** 2 / second)


def _best(problem: Separable, starts: list[Array], near: Callable[[Point], bool]) -> Point:
    """The least objective; rather a minimum that is `near`, if not much worse; of equal ones the smallest values."""
    tried = sorted((problem.descend(s, FIRST) for s in starts), key=lambda p: p.objective)
    found = [p if p.converged else problem.descend(p.values, MOST) for p in tried[:KEPT]]
    least = min(p.objective for p in found)
    minima = [p for p in found if p.converged and near(p) and p.objective <= WORSE * least + ZERO]
    least = min((p.objective for p in minima), default=least)
    equal = [p for p in minima or found if p.objective <= least * (1 + SAME) + ZERO]
    return min(equal, key=lambda p: round(float(np.abs(p.values).sum()), 6))


def _rounded(value: float, usual: float) -> sp.Expr:
    if abs(value) < usual * 10.0**-PLACES:
        return sp.S.Zero
    return sp.Float(f"{value:.{PLACES - 1}e}", DIGITS)


def _runaway(activation: Activation, values: Array, usual: Array) -> dict[sp.Symbol, float]:
    """The parameters whose values are far from those of all starts."""
    bounded = {s for v in activation.parameters if v.constraint is not None for s in v.symbols}
    pairs = zip(activation.symbols, values, usual, strict=True)
    return {s: v for s, v, u in pairs if abs(v) > (u + EDGE if s in bounded else FARTHEST * u)}


def _require_fit(activation: Activation, name: str, best: Point, usual: Array, constant: float) -> None:
    """Raise NoStart unless the best point is a minimum, at parameters of some size, and better than a constant."""
    spec = activation.names.spec
    if not best.objective < (1 - BETTER) * constant:
        raise NoStart(f"no values of {spec} bring it closer to {name} than a constant is")
    for s, value in _runaway(activation, best.values, usual).items():
        raise NoStart(
            f"{spec} comes ever closer to {name} as {s} runs off, here to {value:.2g}: the fit is a limit of the "
            "family and no member of it"
        )
    if not best.converged:
        raise NoStart(f"the fit of {spec} to {name} does not converge; no minimum was found")


def _moments(curve: Curve, panels: Panels) -> Moments:
    """By two quadratures, whose difference is the error."""
    finer = Panels(panels.law, (*panels.breaks, *panels.nodes[0].mean(axis=1)))
    coarse, fine = (np.array(_sums(curve, p)) for p in (panels, finer))
    errors = 2 * np.abs(fine - coarse) + ROUNDING * (1 + np.abs(fine))
    route = "quadrature in double precision"
    return Moments(*(Quantity(sp.Float(v), False, float(e), route) for v, e in zip(fine, errors, strict=True)))


def _sums(curve: Curve, panels: Panels) -> tuple[float, ...]:
    points, weights = panels.nodes
    value, slope = curve(points)
    mean, second, slopes, tilt = ((weights * f).sum() for f in (value, value**2, slope**2, points * value * slope))
    return float(mean), float(second), float(slopes), float(tilt / second)
