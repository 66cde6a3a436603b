"""The families: each declares the function it is named for, by the formula and by the basis, at every degree."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from plain_numpy import DEGREES, FAMILIES, SOME_DEGREES, SPECS, WITH_DEGREE, shape

from learnact.compiler.declare.basis import Feature
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.families import gegenbauer
from learnact.compiler.resolve import registry
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadDegree

POINTS = np.linspace(-3.1, 3.3, 41)  # none of them a kink of the values drawn below
VALUE = 1e-11  # relative to the sum of all terms' sizes: degree 12 in powers of x loses four digits of sixteen
SLOPE = 1e-10  # one factor x^-1 and twelve more

POLYNOMIALS = ["chebyshev", "hermite", "legendre"]
WITH_BASIS = [*POLYNOMIALS, "fourier"]
SHORT_BASIS = [(f, n) for f in ("even", "gegenbauer", "laguerre") for n in SOME_DEGREES[f]]


def drawn(activation: Activation) -> dict[str, np.ndarray]:
    """Parameter values of size 1, the same in every run."""
    rng = np.random.default_rng(7)
    return {v.name: rng.normal(size=len(v.symbols)) for v in activation.parameters}


def at(activation: Activation, values: dict[str, np.ndarray], expr: sp.Expr) -> np.ndarray:
    """An expression of the declaration at the points, by SymPy's own translation."""
    own = {"softplus": lambda u: np.logaddexp(0, u), "sigmoid": lambda u: 1 / (1 + np.exp(-u))}
    own["erf"] = np.vectorize(math.erf)
    function = sp.lambdify([x, *activation.symbols], expr, [own, "numpy"])
    return np.broadcast_to(function(POINTS, *np.concatenate(list(values.values()))), POINTS.shape)


def size_of(activation: Activation, values: dict[str, np.ndarray]) -> float:
    return 1 + sum(float(np.abs(v).sum()) for v in values.values())


def expanded(features: tuple[Feature, ...]) -> dict[sp.Symbol, sp.Expr]:
    """Each feature as an expression in x alone, and its slope by the declared rule."""
    known: dict[sp.Symbol, sp.Expr] = {}
    for f in features:
        known[f.symbol] = sp.expand(f.value.xreplace(known))
    for f in features:
        known[f.slope_symbol] = sp.expand(f.slope.xreplace(known))
    return known


def basis_mismatches(activation: Activation) -> list[str]:
    """Features whose declared slope is not their derivative, and the function if the weighted sum is not F."""
    known = expanded(activation.features)
    points = [sp.Rational(k, 3) for k in range(-5, 6)]

    def differ(a: sp.Expr, b: sp.Expr) -> bool:
        difference = sp.expand(a - b)
        return difference != 0 and any(abs(sp.N(difference.xreplace({x: p}), 30)) > 1e-20 for p in points)

    wrong = [str(f.symbol) for f in activation.features if differ(known[f.slope_symbol], sp.diff(known[f.symbol], x))]
    weighted = [known[f.symbol] for f in activation.features if f.weighted]
    values = {s: sp.Rational(k + 2, 7) for k, s in enumerate(activation.symbols)}
    total = sp.Add(*(w.xreplace(values) * f for w, f in zip(activation.weights, weighted, strict=True)))
    return wrong + (["F"] if differ(total, activation.function.xreplace(values)) else [])


def test_every_family_is_covered() -> None:
    assert sorted(registry.family_names()) == FAMILIES


@pytest.mark.parametrize("spec", SPECS)
def test_the_function_is_what_its_name_says(spec: str) -> None:
    activation = resolve(spec)
    values = drawn(activation)
    size = size_of(activation, values)
    largest = 1 + np.abs(shape(spec, values).value(POINTS)).max()
    found = at(activation, values, activation.function)
    assert np.abs(found - shape(spec, values).value(POINTS)).max() <= VALUE * size * largest


@pytest.mark.parametrize("spec", [s for s in SPECS if not s.startswith(("tropical", "polyrelu"))])
def test_its_derivative_is_what_its_name_says(spec: str) -> None:
    activation = resolve(spec)
    values = drawn(activation)
    wanted = shape(spec, values).slope(POINTS)
    found = at(activation, values, sp.diff(activation.function, x))
    assert np.abs(found - wanted).max() <= SLOPE * size_of(activation, values) * (1 + np.abs(wanted).max())


@pytest.mark.parametrize("degree", DEGREES)
def test_single_coefficients_give_the_classical_polynomials(degree: int) -> None:
    """By their definitions: T_n(cos t) = cos(n t), Rodrigues' formulas for He_n and P_n."""
    t = np.linspace(0.1, 3.0, 23)
    unit = {"coefficients": [0.0] * degree + [1.0]}
    assert np.abs(shape("chebyshev", unit).value(2 * np.cos(t)) - np.cos(degree * t)).max() <= VALUE
    u = sp.Symbol("u")
    hermite = sp.expand((-1) ** degree * sp.exp(u**2 / 2) * sp.diff(sp.exp(-(u**2) / 2), u, degree))
    legendre = sp.diff((u**2 - 1) ** degree, u, degree) / (2**degree * math.factorial(degree))
    for name, wanted, scale in (("hermite", hermite / math.factorial(degree), 1), ("legendre", legendre, 2)):
        declared = resolve(f"{name}:{degree}")
        only = dict.fromkeys(declared.symbols, 0) | {declared.symbols[-1]: 1}
        assert sp.expand(sp.simplify(declared.function.xreplace(only) - wanted.subs(u, x / scale))) == 0


@pytest.mark.parametrize(("name", "degree"), [*((f, n) for f in WITH_BASIS for n in DEGREES), *SHORT_BASIS])
def test_the_basis_is_the_function(name: str, degree: int) -> None:
    assert basis_mismatches(resolve(f"{name}:{degree}")) == []


@pytest.mark.parametrize("name", [*WITH_BASIS, "even", "gegenbauer", "laguerre"])
def test_a_wrong_basis_is_seen(name: str) -> None:
    activation = resolve(f"{name}:4")
    *features, last = activation.features
    wrong_slope = Feature(last.symbol, last.value, last.slope + x)
    wrong_value = Feature(last.symbol, 2 * last.value, 2 * last.slope)
    for fault, seen in ((wrong_slope, str(last.symbol)), (wrong_value, "F")):
        planted = resolve(f"{name}:4")
        planted.__dict__["features"] = (*features, fault)
        assert seen in basis_mismatches(planted)


def test_gegenbauer_polynomials_of_any_order() -> None:
    """Legendre at order 1/2; at 3/2 the basis is the function too, and C_k(1) = (k + 1)(k + 2)/2."""
    half, other = (
        gegenbauer.of_order(sp.Rational(1, 2), "half").at(5),
        gegenbauer.of_order(sp.Rational(3, 2), "o").at(5),
    )
    assert sp.expand(half.function - resolve("legendre:5").function) == 0
    assert basis_mismatches(other) == []
    ends = [sp.diff(other.function, a).xreplace({x: sp.S(2)}) for a in other.symbols]
    assert ends == [sp.Rational((k + 1) * (k + 2), 2) for k in range(6)]


@pytest.mark.parametrize("name", WITH_DEGREE)
@pytest.mark.parametrize("degree", [None, -1, 0, 33])
def test_degrees_outside_the_declared_range_are_refused(name: str, degree: int | None) -> None:
    with pytest.raises(BadDegree, match=name):
        registry.family(name).at(degree)


def test_the_sinusoid_takes_no_degree() -> None:
    with pytest.raises(BadDegree, match="has no degree"):
        registry.family("sinusoid").at(3)


@pytest.mark.parametrize("spec", SPECS)
def test_every_declared_start_names_every_parameter(spec: str) -> None:
    activation = resolve(spec)
    for name in activation.family.starts:
        assert len(activation.stored(activation.start(name).values(activation.degree, activation.family.law))) == len(
            activation.symbols
        )
