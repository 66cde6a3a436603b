"""What starts and fits are measured with: families, targets and quadrature in plain NumPy, nothing derived."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.polynomial import chebyshev as cheb
from numpy.polynomial import hermite_e
from numpy.polynomial import laguerre as lag
from numpy.polynomial import legendre as leg
from numpy.typing import NDArray

from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform

Array = NDArray[np.float64]
Values = Mapping[str, Sequence[float]]

DEGREES = range(1, 13)
EVERY_DEGREE = "chebyshev fourier fourier_free hermite legendre tropical tropical_rational".split()
SOME_DEGREES = {
    "bspline": (2, 5),
    "even": (1, 3, 6),
    "gegenbauer": (1, 5, 12),
    "hermite_function": (1, 4, 8),
    "laguerre": (1, 5, 12),
    "polyrelu": (1, 3, 6),
    "pwlu": (3, 16),
    "rational": (2, 5, 7),
    "rbf": (2, 5, 12),
}
NO_DEGREE = "prelu sinusoid snake snake_beta swish threshold xielu".split()
WITH_DEGREE = [*EVERY_DEGREE, *SOME_DEGREES]
FAMILIES = sorted([*WITH_DEGREE, *NO_DEGREE])
SPECS = [
    *NO_DEGREE,
    *(f"{f}:{n}" for f in EVERY_DEGREE for n in DEGREES),
    *(f"{f}:{n}" for f, degrees in SOME_DEGREES.items() for n in degrees),
]

REACH = 16.0  # standard deviations: x^24 times the normal density is below 1e-30 beyond
REACH_OF_EXPONENTIAL = 80.0  # standard deviations: likewise for x^6, all that is asked of this law
PANEL = 0.25  # standard deviations
NODES = 24  # Gauss-Legendre, in each panel


@dataclass(frozen=True)
class Shape:
    """A function, its slope, and where the slope may jump."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    breaks: tuple[float, ...] = ()


def shape(spec: str, values: Values) -> Shape:
    """The activation of a spec at parameter values, written down again by hand."""
    return _SHAPES[spec.partition(":")[0]](**{name: np.asarray(v, float) for name, v in values.items()})


def _series(value: Callable, derivative: Callable, unit: float, factorials: bool) -> Callable[[Array], Shape]:
    def of(coefficients: Array) -> Shape:
        c = coefficients / _factorials(len(coefficients)) if factorials else coefficients
        return Shape(lambda x: value(x * unit, c), lambda x: unit * value(x * unit, derivative(c)))

    return of


def _factorials(count: int, first: int = 0) -> Array:
    return np.array([math.factorial(k) for k in range(first, first + count)], float)


def _fourier(offset: Array, coefficients: Array, phases: Array, frequencies: Array | None = None) -> Shape:
    n = len(coefficients)
    w = np.arange(1, n + 1) if frequencies is None else frequencies
    a = coefficients / _factorials(n, first=1)
    return Shape(
        lambda x: offset[0] + np.cos(x[..., None] * w - phases) @ a,
        lambda x: -np.sin(x[..., None] * w - phases) @ (a * w),
    )


def _sinusoid(amplitude: Array, frequency: Array, phase: Array) -> Shape:
    (a,), (w,), (phi,) = amplitude, frequency, phase
    return Shape(lambda x: a * np.sin(w * x + phi), lambda x: a * w * np.cos(w * x + phi))


def _lines(slopes: Array, offsets: Array) -> Shape:
    """The maximum of lines; where any two of them meet there may be a kink."""
    pairs = [(i, j) for i, j in combinations(range(len(slopes)), 2) if slopes[i] != slopes[j]]
    return Shape(
        lambda x: (x[..., None] * slopes + offsets).max(-1),
        lambda x: slopes[(x[..., None] * slopes + offsets).argmax(-1)],
        tuple((offsets[i] - offsets[j]) / (slopes[j] - slopes[i]) for i, j in pairs),
    )


def _tropical(scale: Array, offsets: Array) -> Shape:
    top = _lines(np.arange(len(offsets), dtype=float), offsets)
    return Shape(lambda x: scale[0] * top.value(x), lambda x: scale[0] * top.slope(x), top.breaks)


def _tropical_rational(
    numerator_slopes: Array, numerator_offsets: Array, denominator_slopes: Array, denominator_offsets: Array
) -> Shape:
    up, down = _lines(numerator_slopes, numerator_offsets), _lines(denominator_slopes, denominator_offsets)
    return Shape(lambda x: up.value(x) - down.value(x), lambda x: up.slope(x) - down.slope(x), up.breaks + down.breaks)


def _even(coefficients: Array) -> Shape:
    c = np.zeros(2 * len(coefficients) - 1)
    c[::2] = coefficients / _factorials(2 * len(coefficients))[::2]
    return Shape(lambda x: hermite_e.hermeval(x, c), lambda x: hermite_e.hermeval(x, hermite_e.hermeder(c)))


def _second_kind(coefficients: Array) -> Shape:
    """Of U_k(x/2) = T_{k+1}'(x/2)/(k + 1)."""
    c = cheb.chebder(np.concatenate([[0.0], coefficients / np.arange(1, len(coefficients) + 1)]))
    return Shape(lambda x: cheb.chebval(x / 2, c), lambda x: cheb.chebval(x / 2, cheb.chebder(c)) / 2)


def _threshold(location: Array, log_width: Array) -> Shape:
    (t,), (w,) = location, np.exp(log_width)
    return Shape(
        lambda x: x * _normal_cdf((x - t) / w),
        lambda x: _normal_cdf((x - t) / w) + x / w * _normal_pdf((x - t) / w),
    )


def _pwlu(log_stretch: Array, left: Array, right: Array, heights: Array) -> Shape:
    """numpy.interp between the nodes, lines outside."""
    (s,), (a,), (b,), nodes = np.exp(log_stretch), left, right, np.linspace(-3, 3, len(heights))
    slopes = np.concatenate([[a], np.diff(heights) / np.diff(nodes), [b]])
    return Shape(
        lambda x: np.interp(s * x, nodes, heights) + a * np.minimum(0, s * x + 3) + b * np.maximum(0, s * x - 3),
        lambda x: s * slopes[np.searchsorted(nodes, s * x)],
        tuple(nodes / s),
    )


def _bspline(log_stretch: Array, coefficients: Array) -> Shape:
    """de Boor's recursion on knots that go on beyond the ends; tangents outside of [-3, 3]."""
    (s,), n = np.exp(log_stretch), len(coefficients) - 3
    knots = np.linspace(-3, 3, n + 1)[0] + 6 / n * np.arange(-3, n + 4)

    def spline(u: Array, c: Array, degree: int) -> Array:
        t = knots[3 - degree : len(knots) - 3 + degree]
        span = np.clip(np.searchsorted(t, u, side="right") - 1, degree, len(t) - degree - 2)
        d = [c[span - degree + j] for j in range(degree + 1)]
        for r in range(1, degree + 1):
            for j in range(degree, r - 1, -1):
                low, high = t[span - degree + j], t[span + 1 + j - r]
                d[j] = ((high - u) * d[j - 1] + (u - low) * d[j]) / (high - low)
        return d[degree]

    def slope(u: Array) -> Array:
        return spline(np.clip(u, -3, 3), np.diff(coefficients) * n / 6, 2)

    return Shape(
        lambda x: spline(np.clip(s * x, -3, 3), coefficients, 3) + slope(s * x) * (s * x - np.clip(s * x, -3, 3)),
        lambda x: s * slope(s * x),
        tuple(np.linspace(-3, 3, n + 1) / s),
    )


def _prelu(negative_slope: Array) -> Shape:
    (a,) = negative_slope
    return Shape(lambda x: np.where(x > 0, x, a * x), lambda x: np.where(x > 0, 1.0, a), (0.0,))


def _swish(rate: Array) -> Shape:
    (b,) = rate
    return Shape(lambda x: x * _sigmoid(b * x), lambda x: _sigmoid(b * x) * (1 + b * x * _sigmoid(-b * x)))


def _xielu(raw_rise: Array, raw_fall: Array) -> Shape:
    (p,), (n,) = np.logaddexp(0, raw_rise), 0.5 + np.logaddexp(0, raw_fall)
    return Shape(
        lambda x: np.where(x > 0, p * x**2, n * (np.expm1(np.minimum(x, 0)) - x)) + x / 2,
        lambda x: np.where(x > 0, 2 * p * x, n * np.expm1(np.minimum(x, 0))) + 0.5,
        (0.0,),
    )


def _snake(log_frequency: Array, log_damping: Array | None = None) -> Shape:
    (w,), (d,) = np.exp(log_frequency), np.exp(log_frequency if log_damping is None else log_damping)
    return Shape(lambda x: x + (1 - np.cos(2 * w * x)) / (2 * d), lambda x: 1 + w * np.sin(2 * w * x) / d)


def _polyrelu(coefficients: Array) -> Shape:
    c, d = coefficients, np.polynomial.polynomial.polyder(coefficients)
    return Shape(
        lambda x: np.polynomial.polynomial.polyval(np.maximum(x, 0), c),
        lambda x: np.where(x > 0, np.polynomial.polynomial.polyval(np.maximum(x, 0), d), 0.0),
        (0.0,),
    )


def _rational(numerator: Array, denominator: Array) -> Shape:
    even = np.zeros(2 * len(denominator) + 1)
    even[0], even[2::2] = 1, denominator**2
    top, bottom = np.polynomial.Polynomial(numerator), np.polynomial.Polynomial(even)
    return Shape(
        lambda x: top(x) / bottom(x), lambda x: (top.deriv()(x) - top(x) / bottom(x) * bottom.deriv()(x)) / bottom(x)
    )


def _rbf(stretch: Array, offset: Array, heights: Array) -> Shape:
    (t,), centres = stretch, np.linspace(-3, 3, len(heights))
    width = centres[1] - centres[0]

    def bump(u: Array) -> Array:
        return heights * np.exp(-(((u[..., None] - centres) / width) ** 2) / 2)

    return Shape(
        lambda x: offset[0] + bump(t * x).sum(-1),
        lambda x: t * ((centres - t * x[..., None]) / width**2 * bump(t * x)).sum(-1),
    )


def _hermite_function(stretch: Array, offset: Array, coefficients: Array) -> Shape:
    (t,), c = stretch, coefficients / np.sqrt(_factorials(len(coefficients)))
    d = hermite_e.hermeder(c)

    def slope(u: Array) -> Array:
        return np.exp(-(u**2) / 4) * (hermite_e.hermeval(u, d) - u / 2 * hermite_e.hermeval(u, c))

    return Shape(
        lambda x: offset[0] + np.exp(-((t * x) ** 2) / 4) * hermite_e.hermeval(t * x, c), lambda x: t * slope(t * x)
    )


_SHAPES: dict[str, Callable[..., Shape]] = {
    "bspline": _bspline,
    "chebyshev": _series(cheb.chebval, cheb.chebder, 0.5, factorials=False),
    "even": _even,
    "fourier": _fourier,
    "fourier_free": _fourier,
    "gegenbauer": _second_kind,
    "hermite": _series(hermite_e.hermeval, hermite_e.hermeder, 1.0, factorials=True),
    "hermite_function": _hermite_function,
    "laguerre": _series(lag.lagval, lag.lagder, 1.0, factorials=False),
    "legendre": _series(leg.legval, leg.legder, 0.5, factorials=False),
    "polyrelu": _polyrelu,
    "prelu": _prelu,
    "pwlu": _pwlu,
    "rational": _rational,
    "rbf": _rbf,
    "sinusoid": _sinusoid,
    "snake": _snake,
    "snake_beta": _snake,
    "swish": _swish,
    "threshold": _threshold,
    "tropical": _tropical,
    "tropical_rational": _tropical_rational,
    "xielu": _xielu,
}


def _normal_cdf(x: Array) -> Array:
    return np.array([math.erfc(-t / math.sqrt(2)) / 2 for t in x.ravel()]).reshape(x.shape)


def _normal_pdf(x: Array) -> Array:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


TARGETS = {
    "gelu": Shape(lambda x: x * _normal_cdf(x), lambda x: _normal_cdf(x) + x * _normal_pdf(x)),
    "relu": Shape(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float), (0.0,)),
    "silu": Shape(lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * _sigmoid(-x))),
    "tanh": Shape(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def nodes(law: Law, breaks: Sequence[float] = ()) -> tuple[Array, Array]:
    """Points and weights, smooth between the breaks: (weights * f(points)).sum() is E[f(x)]."""
    if isinstance(law, Arcsine):
        raise NotImplementedError("no start or fit is measured under the arcsine law")
    sigma = float(law.sigma)
    low, high = (float(end) for end in law.support)
    reach = sigma * (REACH_OF_EXPONENTIAL if isinstance(law, Exponential) else REACH)
    low, high = max(low, -reach), min(high, reach)
    width = PANEL * min(sigma, 1.0)
    regular = np.linspace(low, high, math.ceil((high - low) / width) + 1)
    ends = np.unique([*regular, *(b for b in breaks if low < b < high)])
    unit, weight = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(ends)[:, None] / 2
    points = (ends[:-1] + ends[1:])[:, None] / 2 + half * unit
    return points.ravel(), (half * weight).ravel() * _density(law, points.ravel())


def _density(law: Law, points: Array) -> Array:
    sigma = float(law.sigma)
    if isinstance(law, Normal):
        return _normal_pdf(points / sigma) / sigma
    if isinstance(law, Uniform):
        return np.full(points.shape, 1 / (2 * float(law.limit)))
    return np.where(points > 0, np.exp(-points / sigma) / sigma, 0.0)


@dataclass(frozen=True)
class Measured:
    """Second moments by quadrature."""

    mean: float
    second: float
    slope_second: float
    q_slope: float


def moments(f: Shape, law: Law, shift: float = 0.0) -> Measured:
    """Moments of F + shift."""
    points, weights = nodes(law, f.breaks)
    value, slope = f.value(points) + shift, f.slope(points)
    second = float(weights @ value**2)
    return Measured(
        float(weights @ value), second, float(weights @ slope**2), float(weights @ (points * value * slope)) / second
    )


def distances(f: Shape, target: str, law: Law) -> tuple[float, float]:
    """E[(F - T)^2] / E[T^2] and E[(F' - T')^2] / E[T'^2]."""
    goal = TARGETS[target]
    points, weights = nodes(law, f.breaks + goal.breaks)
    parts = [(f.value(points), goal.value(points)), (f.slope(points), goal.slope(points))]
    value, slope = (float(weights @ (a - b) ** 2) / float(weights @ b**2) for a, b in parts)
    return value, slope


def objective(f: Shape, target: str, law: Law) -> float:
    """(E[(F - T)^2] + E[(F' - T')^2]) / (E[T^2] + E[T'^2])."""
    goal = TARGETS[target]
    points, weights = nodes(law, f.breaks + goal.breaks)
    parts = [(f.value(points), goal.value(points)), (f.slope(points), goal.slope(points))]
    return sum(float(weights @ (a - b) ** 2) for a, b in parts) / sum(float(weights @ b**2) for _, b in parts)
