"""Fitted starts: nothing near them is closer to their target, and what is said of them is so."""

from __future__ import annotations

import math
from functools import cache

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from plain_numpy import TARGETS, distances, moments, nodes, objective, shape

from learnact.compiler.declare.basis import HingeFit, LinearFit
from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.functions import CLASSICAL, sigmoid
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import StartDerivation, derive, start, start_names
from learnact.compiler.derive.expectation.values import InDouble, InFixedPoint, from_fixed, to_fixed
from learnact.compiler.derive.fit.linear import cholesky_solve
from learnact.compiler.derive.fit.nodes import BITS, Rule, refined
from learnact.compiler.derive.fit.panels import Panels
from learnact.compiler.families.fourier import polar
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadDeclaration, NoStart, UnknownName

STEP = 1e-3  # of a parameter: the objective rises by about STEP^2 = 1e-6
NOISE = 1e-12  # of the objective: values of free knots are kept to 10 decimals, so the minimum is off by 1e-20
CLAIM = 1e-9  # claimed errors and moments: double precision, or 10 decimals of the knots
CLOSED = 1e-13  # closed forms, integrated in double precision

STANDARD = Normal()
LAWS = [STANDARD, Normal(sp.Rational(11, 20)), Uniform(2)]
SPECS = "chebyshev:4 fourier:3 fourier_free:2 hermite:2 hermite:5 legendre:6 tropical_rational:3".split()
FIXED = {"frequencies"}  # the fit of fourier_free keeps them

cases = pytest.mark.parametrize("name", CLASSICAL)
laws = pytest.mark.parametrize("law", LAWS, ids=str)
specs = pytest.mark.parametrize("spec", SPECS)


@cache
def fitted(spec: str, name: str, law: Law = STANDARD) -> StartDerivation:
    return start(resolve(spec), name, law)


def values_of(found: StartDerivation) -> dict[str, list[float]]:
    return {name: [float(evaluate(v)) for v in values] for name, values in found.values.items()}


def closer(spec: str, values: dict[str, list[float]], name: str, law: Law, *, keep_ends: bool = False) -> list[str]:
    """Parameters whose move by one step, forth or back, brings the activation closer to its target.

    With `keep_ends` the outermost lines of a maximum, which are its asymptotes, stay.
    """
    here = objective(shape(spec, values), name, law)
    found = []
    for parameter in values.keys() - FIXED:
        inner = range(len(values[parameter]))
        for k in inner[1:-1] if keep_ends else inner:
            for step in (STEP, -STEP):
                moved = {**values, parameter: list(values[parameter])}
                moved[parameter][k] += step
                if objective(shape(spec, moved), name, law) < here - NOISE:
                    found.append(f"{parameter}[{k}]")
    return found


@specs
@laws
@cases
def test_no_parameter_can_be_moved_closer(spec: str, name: str, law: Law) -> None:
    found = fitted(spec, name, law)
    assert closer(spec, values_of(found), name, law, keep_ends="exact asymptotes" in found.note) == []


@specs
def test_a_fit_with_a_fault_can_be_moved_closer(spec: str) -> None:
    values = values_of(fitted(spec, "gelu"))
    parameter = next(iter(values.keys() - FIXED - {"offset"}))
    largest = int(np.argmax(np.abs(values[parameter])))
    for fault in (-1.0, 1.01):
        wrong = {**values, parameter: list(values[parameter])}
        wrong[parameter][largest] *= fault
        assert closer(spec, wrong, "gelu", STANDARD)


@specs
@laws
@cases
def test_claimed_errors_are_the_errors(spec: str, name: str, law: Law) -> None:
    found = fitted(spec, name, law)
    f, claimed = shape(spec, values_of(found)), found.errors
    assert claimed is not None
    value, slope = map(math.sqrt, distances(f, name, law))
    assert claimed.value == pytest.approx(value, rel=1e-6, abs=CLAIM)
    assert claimed.slope == pytest.approx(slope, rel=1e-6, abs=CLAIM)
    low, high = claimed.interval
    assert (low, high) == pytest.approx(
        (-2, 2) if isinstance(law, Uniform) else (-4 * float(law.sigma), 4 * float(law.sigma))
    )
    at = np.linspace(low, high, 1001)
    largest = np.abs(f.value(at) - TARGETS[name].value(at)).max()
    assert largest - CLAIM <= claimed.sup <= 1.05 * largest + CLAIM  # between the points of this grid it may be larger


@specs
@laws
@cases
def test_claimed_moments_are_the_moments(spec: str, name: str, law: Law) -> None:
    found = fitted(spec, name, law)
    claims = (found.moments.mean, found.moments.second, found.moments.slope_second, found.moments.q_slope)
    m = moments(shape(spec, values_of(found)), law)
    for claimed, integrated in zip(claims, (m.mean, m.second, m.slope_second, m.q_slope), strict=True):
        assert float(claimed) == pytest.approx(integrated, rel=CLAIM, abs=CLAIM)


@specs
@cases
def test_numbers_are_not_passed_off_as_exact(spec: str, name: str) -> None:
    found = fitted(spec, name)
    everything = [v for values in found.values.values() for v in values]
    assert found.exact == (not any(v.has(sp.Float) for v in everything))
    if not found.exact:
        assert not found.moments.exact
        assert "digits" in found.note or "decimals" in found.note


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("law", [STANDARD, Normal(sp.Rational(11, 20)), Normal(2)], ids=str)
@cases
def test_hermite_fits_are_projections(degree: int, name: str, law: Normal) -> None:
    """Of F(sigma z) on He_k(z): E[F(sigma z) He_k(z)] = E[T(sigma z) He_k(z)] for all k up to the degree."""
    spec, sigma = f"hermite:{degree}", float(law.std)
    found = fitted(spec, name, law)
    assert found.exact == (name in ("gelu", "relu"))
    f, goal = shape(spec, values_of(found)), TARGETS[name]
    points, weights = nodes(law, goal.breaks)
    for k in range(degree + 1):
        he = np.polynomial.hermite_e.hermeval(points / sigma, [0] * k + [1]) / math.sqrt(math.factorial(k))
        size = math.sqrt(float(weights @ f.value(points) ** 2))
        assert float(weights @ ((f.value(points) - goal.value(points)) * he)) == pytest.approx(0, abs=1e-10 * size)


def test_known_closed_forms() -> None:
    """E[relu], E[relu z], E[relu He_2] and the same of gelu, by hand."""
    relu, gelu = (fitted("hermite:3", name).values["coefficients"] for name in ("relu", "gelu"))
    c = 1 / sp.sqrt(2 * sp.pi)
    assert [sp.simplify(a - b) for a, b in zip(relu, (c, sp.Rational(1, 2), c, 0), strict=True)] == [0] * 4
    wanted = (c / sp.sqrt(2), sp.Rational(1, 2), 3 * c / (2 * sp.sqrt(2)), 0)
    assert [sp.simplify(a - b) for a, b in zip(gelu, wanted, strict=True)] == [0] * 4


@pytest.mark.parametrize("spec", ["hermite:8", "chebyshev:5", "legendre:3"])
def test_all_polynomial_families_find_the_same_polynomial(spec: str) -> None:
    degree = spec.partition(":")[2]
    at = np.linspace(-2, 2, 9)
    for name in CLASSICAL:
        one, other = (shape(s, values_of(fitted(s, name))) for s in (spec, f"hermite:{degree}"))
        assert np.abs(one.value(at) - other.value(at)).max() <= 1e-12


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("degree", [1, 3, 6, 12])
def test_a_tropical_rational_relu_is_the_relu(degree: int, law: Law) -> None:
    """Exactly, at rational points; with every line of both maxima the largest somewhere."""
    spec = f"tropical_rational:{degree}"
    found = fitted(spec, "relu", law)
    assert found.exact
    assert found.errors is not None
    assert (found.errors.value, found.errors.slope, found.errors.sup) == (0, 0, 0)
    f = shape(spec, values_of(found))
    at = np.linspace(-5, 5, 101)
    assert np.abs(f.value(at) - np.maximum(at, 0)).max() <= CLOSED
    for side in ("numerator", "denominator"):
        m, b = (np.array(values_of(found)[f"{side}_{what}"]) for what in ("slopes", "offsets"))
        meets = -np.diff(b) / np.diff(m)
        assert (np.diff(m) > 0).all()
        assert (np.diff(meets) > 0).all()


@pytest.mark.parametrize("name", ["gelu", "silu", "tanh"])
@pytest.mark.parametrize("degree", [1, 3, 6, 12])
def test_more_hinges_fit_better_and_all_are_active(degree: int, name: str) -> None:
    spec = f"tropical_rational:{degree}"
    values = values_of(fitted(spec, name))
    bound = 0.5 / (degree + 1)  # the error of a slope in steps falls like 1/n; .38 to .46 were measured
    assert math.sqrt(objective(shape(spec, values), name, STANDARD)) <= bound
    for side in ("numerator", "denominator"):
        m, b = (np.array(values[f"{side}_{what}"]) for what in ("slopes", "offsets"))
        assert (np.diff(m) > 0).all()
        assert (np.diff(-np.diff(b) / np.diff(m)) > 0).all()


@pytest.mark.parametrize("spec", ["fourier:6", "fourier_free:6"])
def test_regularised_fits_say_so_and_stay_small(spec: str) -> None:
    for name in CLASSICAL:
        found = fitted(spec, name)
        terms = sum(abs(c) / math.factorial(k) for k, c in enumerate(values_of(found)["coefficients"], start=1))
        size = math.sqrt(float(found.moments.second))
        assert terms <= 2 * 50 * size or "ridge" in found.note


def test_odd_targets_take_odd_features() -> None:
    values = fitted("fourier:3", "tanh").values
    assert values["offset"] == (0,)
    assert [float(abs(p)) for p in values["phases"]] == pytest.approx([math.pi / 2] * 3, abs=CLOSED)


@pytest.mark.parametrize("law", [*LAWS, Exponential(1)], ids=str)
@pytest.mark.parametrize("spec", ["hermite:3", "fourier:2", "tropical_rational:2"])
def test_fits_exist_under_other_laws(spec: str, law: Law) -> None:
    for name in CLASSICAL:
        assert objective(shape(spec, values_of(fitted(spec, name, law))), name, law) < 0.3


def family(fit: LinearFit | HingeFit | None) -> Family:
    return Family(
        name="trial",
        title="trial",
        degrees=None,
        parameters={"a": 1, "b": 1},
        function=lambda p, _: p.a * sp.sin(x) + p.b * x,
        starts={"plain": Start(lambda _, law: {"a": sp.S.One, "b": sp.S.Zero})},
        fit=fit,
    )


def linear(features: list[sp.Expr], **scales: int) -> LinearFit:
    scale = {"a": 1, "b": 1, **scales}
    return LinearFit(
        features=lambda _, law: features,
        values=lambda _, law, w: {"a": scale["a"] * w[0], "b": scale["b"] * w[1]},
    )


def test_a_declared_fit_is_found_and_a_wrong_one_refused() -> None:
    features = [sp.sin(x), x]
    assert start(family(linear(features)).at(), "tanh").errors is not None
    with pytest.raises(BadDeclaration, match="must make F what was fitted"):
        start(family(linear(features, a=-1)).at(), "tanh")


def test_a_feature_without_size_is_refused() -> None:
    with pytest.raises(NoStart, match="is 0 under"):
        start(family(linear([sp.sin(x), sp.S.Zero])).at(), "silu")


@pytest.mark.parametrize(
    ("spec", "sigma", "says"),
    [
        ("hermite:12", "1/20", {"relu": "cancel beyond double precision"}),
        ("legendre:12", "1/20", {"relu": "cancel beyond double precision"}),
        ("fourier:6", "30", dict.fromkeys(("gelu", "silu", "tanh"), "does not converge")),
        ("tropical_rational:2", "1000000", dict.fromkeys(CLASSICAL, "choose a smaller sigma")),
        ("fourier:12", "10", {}),
    ],
)
def test_a_fit_that_does_not_exist_stops_no_other_start(spec: str, sigma: str, says: dict[str, str]) -> None:
    activation, law = resolve(spec), Normal(sp.Rational(sigma))
    found = derive(activation, law)
    assert found.missing.keys() == says.keys()
    assert [s.name for s in found.starts] == [name for name in start_names(activation) if name not in says]
    for name, reason in says.items():
        assert reason in found.missing[name]
        with pytest.raises(NoStart, match=reason):
            start(activation, name, law)
        with pytest.raises(NoStart, match=reason):
            found.start(name)
    assert found.start("balanced") is found.starts[0]
    with pytest.raises(UnknownName, match="unknown start of"):
        found.start("rely")


@pytest.mark.parametrize(("spec", "sigma"), [("hermite:12", "1/20"), ("chebyshev:12", "1/20"), ("fourier:12", "10")])
def test_a_fit_under_an_odd_law_is_what_it_claims_to_be(spec: str, sigma: str) -> None:
    """In doubles: coefficients up to 1e4 times the function cancel, or an amplitude vanishes."""
    law = Normal(sp.Rational(sigma))
    for found in derive(resolve(spec), law).starts:
        if found.errors is not None:
            value, slope = map(math.sqrt, distances(shape(spec, values_of(found)), found.name, law))
            assert found.errors.value == pytest.approx(value, rel=1e-6, abs=CLAIM)
            assert found.errors.slope == pytest.approx(slope, rel=1e-6, abs=CLAIM)


def test_a_vanishing_amplitude_has_the_phase_0() -> None:
    assert polar([sp.S.Zero, sp.S.One], [sp.S.Zero, sp.S.One]) == ([0, 2 * sp.sqrt(2)], [0, sp.pi / 4])


def test_dependent_columns_need_a_ridge() -> None:
    one, near = mp.mpf(1), 1 - mp.mpf(10) ** -20
    assert cholesky_solve([[one, near], [near, one]], [one, one], mp.mpf(0)) is None
    solved = cholesky_solve([[one, near], [near, one]], [one, one], mp.mpf(10) ** -9)
    assert solved is not None
    assert [float(w) for w in solved] == pytest.approx([0.5, 0.5], abs=1e-8)


def test_fits_need_a_fit_and_numbers() -> None:
    with pytest.raises(NoStart, match="give s one"):
        start(resolve("hermite:3"), "gelu", Normal(sp.Symbol("s", positive=True)))
    for spec in ("tropical:3", "sinusoid"):
        assert set(CLASSICAL).isdisjoint(s for s in resolve(spec).family.starts)


RULES = [Rule(Normal(2)), Rule(STANDARD, (sp.S.Zero,)), Rule(STANDARD, (), half=True), Rule(Uniform(3), (sp.S.One,))]
RULES += [Rule(Exponential(2)), Rule(Arcsine(2)), Rule(Arcsine(2), (sp.S.Zero,), half=True)]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_keep_their_nodes_and_integrate_even_powers(rule: Rule) -> None:
    level = 2
    points = np.concatenate([rule.points(k) for k in range(level + 1)])
    weights = rule.weights(level)
    assert len(set(points)) == len(points) == len(weights) == rule.size(level)
    with mp.workdps(45):
        sigma2 = mp.mpf(evaluate(rule.law.sigma, 45)) ** 2
        mean_square = sigma2 * (2 if isinstance(rule.law, Exponential) else 1)  # E x^2
        for power, wanted in ((0, mp.mpf(1)), (2, mean_square)):
            total = sum(int(w) * int(p) ** power >> (power * BITS) for w, p in zip(weights, points, strict=True))
            assert abs(from_fixed(total, BITS) - wanted) < mp.mpf(10) ** -38


def test_an_answer_that_does_not_converge_is_refused() -> None:
    with pytest.raises(NoStart, match="does not converge"):
        refined(Rule(STANDARD), lambda level: [mp.mpf(1), mp.mpf(level)])


EXPRESSIONS = [
    CLASSICAL["silu"](x),
    sp.cos(3 * x),
    sp.sin(x) * sp.cos(7 * x),
    sp.sin(x / 2) ** 3,
    x**5 / 3 - x,
    1 / (1 + x**2),
]
EXPRESSIONS += [
    sp.Max(0, x - 1),
    sp.Abs(x),
    sp.Piecewise((x, x <= 1), (x**2, True)),
    sp.cosh(x),
    sp.erf(x) * sigmoid(-x),
]


@pytest.mark.parametrize("e", EXPRESSIONS, ids=str)
def test_expressions_are_evaluated_in_double_and_in_fixed_point(e: sp.Expr) -> None:
    points = [sp.Rational(k, 7) for k in (-23, -8, 3, 9, 31)]
    wanted = [sp.N(e.subs(x, p), 50) for p in points]
    double = InDouble(np.array([float(p) for p in points]))(e)
    assert double.tolist() == pytest.approx([float(w) for w in wanted], rel=1e-13, abs=1e-13)
    with mp.workdps(60):
        fixed = InFixedPoint(np.array([to_fixed(mp.mpf(p.p) / p.q, BITS) for p in points], object), BITS)
        fixed(sp.cos(x))  # harmonics come from this by rotations
        for found, w in zip(fixed(e), wanted, strict=True):
            assert abs(from_fixed(found, BITS) - mp.mpf(w)) < mp.mpf(10) ** -40


@pytest.mark.parametrize("law", [*LAWS, Exponential(1), Arcsine(2)], ids=str)
def test_panels_integrate_to_one(law: Law) -> None:
    _, weights = Panels(law, (0.3,)).nodes
    assert weights.sum() == pytest.approx(1, abs=CLOSED)
