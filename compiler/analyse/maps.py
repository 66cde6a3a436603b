"""What a wide random network does to lengths and angles: the maps of one layer of a fixed function.

For u, v ~ N(0, sigma^2) of correlation c the correlation map is C(c) = E[F(u) F(v)]/E[F^2] (Poole et al. 2016; the dual
activation of Daniely et al. 2016), the length map q -> E[F(x)^2] with x ~ N(0, q).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, pairwise

import numpy as np
import sympy as sp

from learnact.compiler.analyse.double import Array, in_double
from learnact.compiler.analyse.dual import hermite_polynomial
from learnact.compiler.analyse.fixed_points import FixedPoint, bisected, judged
from learnact.compiler.analyse.gains import Gains, worked_out
from learnact.compiler.analyse.length import Length
from learnact.compiler.analyse.paired import paired
from learnact.compiler.analyse.slopes import around_kinks, jumps, slopes
from learnact.compiler.analyse.tangent import Slope, kernels, slope_of
from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.symbols import put, x
from learnact.compiler.derive.expectation.expect import derivative, expect, kinks
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import Divergent, NoClosedForm

COEFFICIENTS = 9
"""Hermite coefficients that are worked out."""

DEPTHS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Layers after which the correlation is given."""

GRID = 4001
"""Correlations between which fixed points are looked for."""

FAR = 10_000
"""A kink where the density is below exp(-FAR) does nothing."""


@dataclass(frozen=True)
class Maps:
    """The maps of F under x ~ N(0, sigma^2). What does not exist is None, and `missing` says why."""

    name: str  # what F was named by
    formula: str  # F(x), for people
    law: Normal  # of x
    second: Quantity  # E[F^2], what the correlation map is divided by
    closed: sp.Expr | None  # C(c) in the symbol `c`; None where it is computed
    error: float  # of values of C
    at_zero: Quantity  # C(0) = E[F]^2/E[F^2]
    slope_at_one: Quantity | None  # C'(1) = sigma^2 E[F'^2]/E[F^2]
    bend_at_one: Quantity | None  # C''(1) = sigma^4 E[F''^2]/E[F^2]
    kappa: Quantity | None  # with kinks C(1 - d) = 1 - C'(1) d + kappa d^(3/2) + ...; 0 without
    hermite: tuple[Quantity, ...]  # a_k with F(sigma z) = sum_k a_k He_k(z)/sqrt(k!): C(c) = sum_k a_k^2 c^k/E[F^2]
    fixed_points: tuple[FixedPoint, ...] | None  # of C on [-1, 1]; None: every c
    iterates: Mapping[int, float]  # depth -> correlation, from inputs at right angles
    lengths: tuple[FixedPoint, ...] | None  # fixed points of the length map; None: every q
    lipschitz: Quantity | None  # sup |F'|
    trend: str  # "increasing", "decreasing", "neither", or "unknown"
    missing: Mapping[str, str] = field(default_factory=dict)  # attribute that is None -> why
    _correlation: Callable[[Array], Array] = field(repr=False, compare=False, default=np.asarray)  # C
    _length: Callable[[float], float] = field(repr=False, compare=False, default=float)  # the length map
    _slope: Callable[[], Slope] | None = field(repr=False, compare=False, default=None)  # C', worked out when asked

    def correlation(self, of: float | Array) -> Array:
        """C at correlations `of`, an array of any shape or a number, in [-1, 1]."""
        return np.asarray(self._correlation(np.asarray(of, float)))

    def after(self, layers: int, correlation: float = 0.0) -> float:
        """The correlation after so many `layers` of this length, from inputs of `correlation`."""
        at = correlation
        for _ in range(layers):
            at = float(np.clip(self._correlation(np.array(at)), -1, 1))
        return at

    def tangent(self, layers: int, correlation: float = 1.0) -> float:
        """The neural tangent kernel Theta in units of sigma^2, of inputs of `correlation`.

        It is that of so many hidden `layers`, 0 or more, and a linear one behind them, with the weights' variance that
        keeps the length sigma^2, in NTK parametrization and without biases: `tangent(layers)` is Theta of an input
        itself, `tangent(layers, c)/tangent(layers)` the kernel as a correlation.

        Raises Divergent where F' has no second moment, NoClosedForm where its kinks are not known.
        """
        return correlation if layers == 0 else next(islice(self._kernels(correlation), layers - 1, None))

    def tangents(self, correlation: float = 1.0) -> dict[int, float]:
        """Depth, of DEPTHS, -> `tangent(depth, correlation)`. Raises as `tangent`."""
        by_layer = enumerate(islice(self._kernels(correlation), DEPTHS[-1]), start=1)
        return {depth: theta for depth, theta in by_layer if depth in DEPTHS}

    @property
    def tangent_error(self) -> float:
        """Of the values of C' that go into the tangent kernel. Raises as `tangent`."""
        return self._rise().error

    def _kernels(self, begin: float) -> Iterator[float]:
        return kernels(self._correlation, self._rise(), begin)

    def _rise(self) -> Slope:
        if self.slope_at_one is None or self._slope is None:
            raise Divergent(f"{self.name} has no neural tangent kernel: {self.missing['slope_at_one']}")
        return self._slope()

    def length(self, q: float) -> float:
        """E[F(x)^2] for x ~ N(0, q), q > 0; inf where it overflows."""
        return self._length(q)


def maps_of(gains: Gains, function: sp.Expr, law: Normal) -> Maps:
    """The maps of the expression `function` in x, whose `gains` under the `law` are known.

    Raises Divergent where E[F^2] does not exist, NoClosedForm where the kinks of F are not known or its correlation map
    is not resolved, Contradiction where a closed form and quadrature differ.
    """
    if gains.second is None or gains.mean is None:
        raise Divergent(f"{gains.name} has no maps: {gains.missing.get('second') or gains.missing.get('mean')}")
    second, sigma = gains.second, law.std
    value = in_double(function)
    breaks = _kinks(function)
    missing: dict[str, str] = {}
    mapped = paired(function, law, breaks, second)
    slope_at_one = _scaled(gains.slope_second, sigma**2, second)
    if slope_at_one is None:
        missing["slope_at_one"] = gains.missing["slope_second"]
    bend, kappa = curvature(function, law, gains, missing)
    length = Length(value, breaks)
    try:
        trend = slopes(function).trend
    except NoClosedForm:
        trend = "unknown"
    if gains.lipschitz is None:
        missing["lipschitz"] = gains.missing["lipschitz"]
    return Maps(
        name=gains.name,
        formula=gains.formula,
        law=law,
        second=second,
        closed=mapped.closed,
        error=mapped.error,
        at_zero=_ratio(_squared(gains.mean), second),
        slope_at_one=slope_at_one,
        bend_at_one=bend,
        kappa=kappa,
        hermite=tuple(worked_out(expect(function * hermite_polynomial(k, sigma), law)) for k in range(COEFFICIENTS)),
        fixed_points=_fixed_points(mapped, mapped.error, slope_at_one),
        iterates=_iterates(mapped),
        lengths=length.fixed_points(),
        lipschitz=gains.lipschitz,
        trend=trend,
        missing=missing,
        _correlation=mapped,
        _length=length,
        _slope=cache(lambda: slope_of(function, law, mapped, gains, bend is not None)),
    )


def curvature(
    function: sp.Expr, law: Normal, gains: Gains, missing: dict[str, str]
) -> tuple[Quantity | None, Quantity | None]:
    """C''(1) of a function without kinks, kappa of one with them; the other is None or 0. `missing` takes why.

    Raises Divergent where E[F^2] does not exist.
    """
    if (second := gains.second) is None:
        raise Divergent(f"{gains.name} has no maps: {gains.missing['second']}")
    if gains.slope_second is None:
        missing["bend_at_one"] = missing["kappa"] = gains.missing["slope_second"]
        return None, None
    slope = derivative(function)
    try:
        jumping = jumps(slope)
        beside = around_kinks(function) if jumping else ()
    except NoClosedForm as err:
        missing["bend_at_one"] = missing["kappa"] = str(err)
        return None, None
    if not jumping:
        try:
            return _scaled(worked_out(expect(derivative(slope) ** 2, law)), law.std**4, second), Quantity(sp.S.Zero)
        except (Divergent, NoClosedForm) as err:
            missing["bend_at_one"] = str(err)
            return None, Quantity(sp.S.Zero)
    missing["bend_at_one"] = f"F' jumps at x = {jumping[0]}, so C''(c) grows like 1/sqrt(1 - c)"
    steps = [(at, put(sp.diff(after - before, x), {x: at})) for at, before, after in beside]
    exponents = [(-((at / law.std) ** 2) / 2, w) for at, w in steps]
    total = sp.Add(*(w**2 * sp.exp(e) for e, w in exponents if e > -FAR)) / sp.sqrt(2 * sp.pi)
    return None, _scaled(Quantity(total), 2 * law.std**2 / (3 * sp.sqrt(sp.pi)), second)


def _kinks(function: sp.Expr) -> tuple[float, ...]:
    try:
        return tuple(float(k.evalf(DIGITS)) for k in kinks(function))
    except NoClosedForm as err:
        raise NoClosedForm(f"maps need the places of F's kinks: {err}") from err


def _scaled(q: Quantity | None, factor: sp.Expr, second: Quantity) -> Quantity | None:
    return None if q is None else _ratio(q.times(factor), second)


def _squared(q: Quantity) -> Quantity:
    return Quantity(q.value**2, q.exact, 2 * abs(float(q)) * q.error, q.route)


def _ratio(q: Quantity, second: Quantity) -> Quantity:
    value = q.value / second.value
    if q.exact and second.exact:
        return Quantity(value)
    error = (q.error + abs(float(value)) * second.error) / float(second)
    return Quantity(evaluate(value), False, error, second.route if q.exact else q.route)


def _iterates(mapped: Callable[[Array], Array]) -> dict[int, float]:
    found, at = {}, 0.0
    for depth in range(1, DEPTHS[-1] + 1):
        at = float(np.clip(mapped(np.array(at)), -1, 1))
        if depth in DEPTHS:
            found[depth] = at
    return found


def _fixed_points(
    mapped: Callable[[Array], Array], error: float, slope_at_one: Quantity | None
) -> tuple[FixedPoint, ...] | None:
    """Where C(c) = c; a zero of C(c) - c of even order inside (-1, 1), at which no sign changes, is not looked for."""

    def off(at: float) -> float:
        return float(mapped(np.array(at))) - at

    grid = np.linspace(-1, 1, GRID)  # 0 among them
    left = mapped(grid) - grid
    still = 100 * error
    if np.abs(left).max() < still:
        return None
    end = float("inf") if slope_at_one is None else float(slope_at_one)
    found = [judged(-1.0, end)] if abs(left[0]) < still else []
    clear = [k for k in range(1, GRID - 1) if abs(left[k]) >= still]
    changes = [(a, b) for a, b in pairwise(clear) if left[a] * left[b] < 0]
    places = [bisected(off, float(grid[a]), float(grid[b])) for a, b in changes]
    for at in sorted(0.0 if abs(at) < still else at for at in places):
        step = 1e-5 * min(1 - at, 1 + at)
        found.append(judged(at, float(mapped(np.array(at + step)) - mapped(np.array(at - step))) / (2 * step)))
    return (*found, judged(1.0, end))
