"""Declared starts: what they claim of length, gradient and stability, against quadrature in plain NumPy."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy as sp
from plain_numpy import DEGREES, SPECS, Measured, Shape, moments, shape

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.compiler.derive import StartDerivation, start
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadDeclaration, UnknownName

UNIT = 1e-12  # |E[F^2] - 1|: solved exactly, stored as doubles, integrated to 1e-14 of the largest term
WIDE_UNIT = 1e-9  # at sigma = 2: x^24 under N(0, 4) makes the terms of a polynomial 1e4 times larger
Q_SLOPE = 1e-9  # a quotient of two such integrals
SCALING = 1e-12  # of values of size 2, both from exact forms
TABLE = 5e-4  # q-slopes are quoted to three digits

STANDARD = Normal()
NARROW, WIDE = Normal(sp.Rational(11, 20)), Normal(2)
BALANCED = [s for s in SPECS if "balanced" in resolve(s).family.starts]
SOME = [s for s in BALANCED if s.partition(":")[2] in ("", "1", "2", "5", "12")]
PAPER = [s for s in SPECS if list(resolve(s).family.starts) == ["balanced", "paper"] and "polyrelu" not in s]


@cache
def solved(spec: str, name: str = "balanced", law: Law = STANDARD, *, preserve: bool = False) -> StartDerivation:
    return start(resolve(spec), name, law, preserve=preserve)


def of_start(spec: str, found: StartDerivation) -> Shape:
    """The function in doubles, as a generated module starts."""
    return shape(spec, {name: [float(evaluate(v)) for v in values] for name, values in found.values.items()})


def violations(found: StartDerivation, f: Shape, law: Law, unit: float, second: float = 1.0) -> list[str]:
    """Claims of a start, made for E[F^2] = second, that quadrature contradicts."""
    m: Measured = moments(f, law)
    wrong = [] if abs(m.second - second) <= unit else [f"E[F^2] = {second}"]
    if found.kind == "balanced":
        wrong += [] if abs(m.slope_second - 1) <= unit else ["E[F'^2] = 1"]
    elif found.kind != "forward only" or not found.reason:
        wrong += ["a reason why not"]
    claims = (found.moments.mean, found.moments.second, found.moments.slope_second, found.moments.q_slope)
    measured = (m.mean, m.second, m.slope_second, m.q_slope)
    for what, claimed, integrated in zip(("mean", "second", "slope", "q-slope"), claims, measured, strict=True):
        wrong += [] if abs(float(claimed) - integrated) <= unit + Q_SLOPE * abs(integrated) else [what]
    return wrong


@pytest.mark.parametrize("spec", BALANCED)
def test_balanced_starts_keep_length_and_gradient(spec: str) -> None:
    found = solved(spec)
    assert found.kind == "balanced"
    assert found.exact
    assert violations(found, of_start(spec, found), STANDARD, UNIT) == []


@pytest.mark.parametrize("spec", SOME)
def test_they_are_balanced_under_a_narrow_law_too(spec: str) -> None:
    """Var F <= E[F'^2] holds under N(0, sigma^2) for every F and sigma <= 1 (Gaussian Poincare inequality)."""
    found = solved(spec, law=NARROW)
    assert found.kind == "balanced"
    assert violations(found, of_start(spec, found), NARROW, UNIT) == []


@pytest.mark.parametrize("spec", SOME)
def test_under_a_wide_law_they_are_balanced_or_say_why_not(spec: str) -> None:
    found = solved(spec, law=WIDE)
    f = of_start(spec, found)
    assert violations(found, f, WIDE, WIDE_UNIT) == []
    m = moments(f, WIDE)
    if found.kind == "forward only":
        assert "E[F^2] = 1 and E[F'^2] = 1 need Var g <=" in found.reason
        assert m.second - m.mean**2 > m.slope_second
        assert abs(m.mean) <= WIDE_UNIT  # E F = 0 gives the largest E[F'^2]


@pytest.mark.parametrize("spec", SOME)
@pytest.mark.parametrize("law", [NARROW, WIDE], ids=str)
def test_preserving_starts_hand_on_the_second_moment_at_every_width(spec: str, law: Law) -> None:
    """Var F <= sigma^2 E[F'^2] holds for every F (Gaussian Poincare inequality)."""
    found = solved(spec, law=law, preserve=True)
    assert found.kind == "balanced"
    assert violations(found, of_start(spec, found), law, WIDE_UNIT, float(law.second)) == []


CLOSED = [(s, "balanced") for s in ("hermite:5", "chebyshev:4", "legendre:3", "tropical:4", "tropical_rational:3")]
CLOSED += [(s, fit) for s in ("hermite:5", "chebyshev:4", "legendre:3") for fit in ("relu", "gelu", "silu")]
CLOSED += [("tropical_rational:3", fit) for fit in ("relu", "gelu", "tanh")]
CLOSED += [("fourier_free:3", "balanced"), ("fourier_free:3", "paper"), ("sinusoid", "balanced")]
"""Families that hold sigma F(x/sigma) with every F."""


@pytest.mark.parametrize(("spec", "name"), CLOSED)
def test_preserving_starts_are_the_unit_start_at_another_scale(spec: str, name: str) -> None:
    unit, scaled = (of_start(spec, solved(spec, name, law, preserve=True)) for law in (STANDARD, NARROW))
    sigma, at = float(NARROW.std), np.linspace(-2.5, 2.5, 41)
    assert np.allclose(scaled.value(sigma * at), sigma * unit.value(at), rtol=0, atol=SCALING)


@pytest.mark.parametrize("spec", ["hermite:3", "fourier:3", "tropical:4", "tropical_rational:3"])
@pytest.mark.parametrize("law", [Uniform(2), Exponential(1)], ids=str)
def test_other_laws(spec: str, law: Law) -> None:
    found = solved(spec, law=law)
    assert violations(found, of_start(spec, found), law, UNIT) == []


@pytest.mark.parametrize("degree", [1, 3, 8])
def test_laguerre_is_balanced_under_its_own_law_for_falling_coefficients_alone(degree: int) -> None:
    """E[L_j' L_k'] = min(j, k): with coefficients 1/k! the slopes outweigh, with (-1)^k they do not beyond degree 1."""
    family = resolve(f"laguerre:{degree}").family
    found = solved(f"laguerre:{degree}", law=family.law)
    assert found.kind == "balanced"
    assert violations(found, of_start(f"laguerre:{degree}", found), family.law, UNIT) == []
    equal = Start(lambda n, law: {"coefficients": [gain * shift, *(gain * (-1) ** k for k in range(1, n + 1))]})
    other = start(replace(family, starts={"equal": equal}).at(degree), "equal")
    assert other.kind == ("balanced" if degree == 1 else "forward only")


@pytest.mark.parametrize("law", [STANDARD, WIDE], ids=str)
def test_siren_has_length_1_and_its_kernel_at_every_width(law: Normal) -> None:
    found, w = solved("sinusoid", "siren", law), 30 * float(law.std)
    assert (found.kind, found.moments.second.value, found.moments.slope_second.value) == ("forward only", 1, 900)
    f, at, c = of_start("sinusoid", found), np.linspace(-8, 8, 1201) * float(law.std), 1 - 1 / w**2
    weights = np.exp(-((at / float(law.std)) ** 2) / 2)
    u, v = at[:, None], at[None, :]
    pair = f.value(c * u + math.sqrt(1 - c * c) * v)
    measured = weights @ (f.value(u) * pair) @ weights / weights.sum() ** 2
    assert abs(measured - math.exp(-(w**2) * (1 - c))) < 1e-9


@pytest.mark.parametrize("spec", ["hermite:3", "fourier:2", "tropical:3", "tropical_rational:2", "legendre:4"])
@pytest.mark.parametrize("fault", [1.001, -1.0])
def test_a_wrong_value_is_seen(spec: str, fault: float) -> None:
    found = solved(spec)
    values = {name: [float(evaluate(v)) for v in vs] for name, vs in found.values.items()}
    values[next(iter(values))][-1] *= fault
    assert violations(found, shape(spec, values), STANDARD, UNIT)


@pytest.mark.parametrize("spec", [s for s in BALANCED if s != "sinusoid"])
def test_of_both_shifts_the_stabler_is_taken(spec: str) -> None:
    """The other one gives F - 2 E[F]."""
    found = solved(spec)
    f = of_start(spec, found)
    mine, other = moments(f, STANDARD), moments(f, STANDARD, shift=-2 * float(found.moments.mean))
    assert abs(other.second - 1) <= UNIT * 10
    assert abs(mine.q_slope) <= abs(other.q_slope) + Q_SLOPE


@pytest.mark.parametrize("spec", PAPER)
def test_paper_starts_have_unit_moments_and_the_larger_shift(spec: str) -> None:
    found = solved(spec, "paper")
    assert found.kind == "balanced"
    assert violations(found, of_start(spec, found), STANDARD, UNIT) == []
    assert float(found.moments.mean) >= 0


@pytest.mark.parametrize(("degree", "balanced", "paper"), [(3, 0.235, 1.77), (5, 0.017, 1.98), (8, 0.0001, 2.00)])
def test_hermite_signs_decide_the_q_slope(degree: int, balanced: float, paper: float) -> None:
    """Published signs, all +, are no stable length; + + - - are."""
    spec = f"hermite:{degree}"
    assert abs(float(solved(spec).moments.q_slope)) == pytest.approx(balanced, abs=TABLE)
    assert float(solved(spec, "paper").moments.q_slope) == pytest.approx(paper, abs=10 * TABLE)
    assert all(evaluate(c) > 0 for c in solved(spec, "paper").values["coefficients"])


@pytest.mark.parametrize("degree", DEGREES)
def test_hermite_coefficients_are_the_closed_form(degree: int) -> None:
    """|a_k| = c for k >= 1, c^2 = 1/sum_{k<n} 1/k!, a_0^2 = c^2 (1 - 1/n!), by hand."""
    c2 = 1 / sum(sp.Rational(1, sp.factorial(k)) for k in range(degree))
    a0, *rest = solved(f"hermite:{degree}").values["coefficients"]
    assert sp.simplify(a0**2 - c2 * (1 - sp.Rational(1, sp.factorial(degree)))) == 0
    assert all(sp.simplify(a**2 - c2) == 0 for a in rest)


def test_the_first_tropical_start_is_a_relu() -> None:
    """n = 1: s max(0, x) with s = sqrt 2, and with the other shift."""
    scale, offsets = solved("tropical:1").values["scale"][0], solved("tropical:1").values["offsets"]
    assert sp.simplify(scale - sp.sqrt(2)) == 0
    assert sp.simplify(offsets[0] - offsets[1]) == 0


@pytest.mark.parametrize("sigma", [sp.Rational(1, 2), 1, 3])
def test_the_sinusoid_is_balanced_at_every_width(sigma: sp.Expr) -> None:
    found = solved("sinusoid", law=Normal(sigma))
    assert found.kind == "balanced"
    assert sp.simplify(found.values["amplitude"][0] - sp.sqrt(2)) == 0


PIECES = [("numerator_slopes", "numerator_offsets"), ("denominator_slopes", "denominator_offsets")]


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize(("family", "maxima"), [("tropical", [(None, "offsets")]), ("tropical_rational", PIECES)])
def test_every_piece_of_a_maximum_is_active(family: str, maxima: list[tuple[str | None, str]], degree: int) -> None:
    """Slopes rise, and each line takes over from the one before at a later point."""
    values = solved(f"{family}:{degree}").values
    for slopes, offsets in maxima:
        m = [float(evaluate(v)) for v in values[slopes]] if slopes else [float(k) for k in range(degree + 1)]
        b = [float(evaluate(v)) for v in values[offsets]]
        meets = [(p - q) / (k - j) for (p, q), (j, k) in zip(pairwise(b), pairwise(m), strict=True)]
        assert all(j < k for j, k in pairwise(m))
        assert all(s < t for s, t in pairwise(meets))


def declared(name: str, function: sp.Expr, values: dict[str, sp.Expr]) -> Activation:
    """A family of no degree whose parameters are a, and b where the values name it."""
    return Family(
        name=name,
        title=name,
        degrees=None,
        parameters=dict.fromkeys(values, 1),
        function=lambda p, _: function.xreplace({sp.Symbol(k, real=True): getattr(p, k) for k in values}),
        starts={"balanced": Start(lambda _, law: values)},
    ).at()


A, B = sp.symbols("a b", real=True)


@pytest.mark.parametrize("odd", [sp.sin(2 * x), x**3 - x, sp.erf(x)])
def test_odd_families_without_an_offset_say_that_they_are_forward_only(odd: sp.Expr) -> None:
    found = start(declared("odd", A * odd, {"a": gain}), "balanced")
    assert found.kind == "forward only"
    assert "no offset learns" in found.reason
    assert float(found.moments.second) == pytest.approx(1, abs=UNIT)
    assert float(found.moments.slope_second) != pytest.approx(1, abs=0.1)


def test_an_affine_one_needs_no_offset() -> None:
    assert start(declared("line", A * x, {"a": gain}), "balanced").kind == "balanced"


def test_a_start_that_is_not_of_the_form_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="must make F = gain"):
        start(declared("bent", A * sp.sin(x) + B**2, {"a": gain, "b": shift}), "balanced")


def test_unknown_starts_are_named() -> None:
    with pytest.raises(UnknownName, match="nearby"):
        start(resolve("tropical:3"), "nearby")


def test_a_function_that_is_rarely_above_0_is_balanced_in_truth() -> None:
    """P(x > 12) = 1.8e-33: differences this small are no zeros, and 1 - erf(6 sqrt 2) loses 33 digits."""
    hinge = sp.Symbol("h", real=True)
    a, d = sp.symbols("a d", real=True)
    family = Family(
        name="late", title="", formula="", parameters={"a": 1, "h": 1, "d": 1}, degrees=None,
        function=lambda _p, _n: a * sp.Max(x - hinge, 0) + d,
        starts={"balanced": Start(lambda _n, _l: {"a": gain, "h": sp.Integer(12), "d": gain * shift})},
    )  # fmt: skip
    found = start(Activation(family, None), "balanced")
    with mpmath.workdps(60):
        scale, offset = (mpmath.mpf(evaluate(found.values[name][0], 50)) for name in "ad")
        tail, density = mpmath.erfc(12 / mpmath.sqrt(2)) / 2, mpmath.npdf(12)
        length = scale**2 * (145 * tail - 12 * density) + 2 * scale * offset * (density - 12 * tail) + offset**2
        assert abs(scale**2 * tail - 1) < UNIT
        assert abs(length - 1) < UNIT


def test_a_constant_where_the_law_puts_x_is_refused() -> None:
    a, d = sp.symbols("a d", real=True)
    family = Family(
        name="away", title="", formula="", parameters={"a": 1, "d": 1}, degrees=None,
        function=lambda _p, _n: a * sp.Max(x - 1, 0) + d,
        starts={"balanced": Start(lambda _n, _l: {"a": gain, "d": gain * shift})}, law=Arcsine(1),
    )  # fmt: skip
    with pytest.raises(BadDeclaration, match="where Arcsine"):
        start(Activation(family, None), "balanced")
