"""The expectation engine against quadrature written here on its own, known closed forms, and what has no answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mpmath as mp
import pytest
import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.functions import gelu, sigmoid, silu, softplus
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation import quadrature
from learnact.compiler.derive.expectation.expect import derivative, expect
from learnact.errors import Divergent, NoClosedForm

R = sp.Rational
S = sp.Symbol("s", positive=True)  # sigma, the limit or the rate, as the law has it
A = sp.Symbol("a", real=True)
VALUES = R(1, 3), sp.S.One, R(17, 5)  # of S

REFERENCE_DIGITS = 30
EXACT = mp.mpf(10) ** -20  # relative; the reference is good to about 25 digits, a wrong rule is off by far more
NUMERIC = mp.mpf(10) ** -20  # the same reference bounds what the numeric route claims to 30 digits
SAMPLING = 4  # standard errors allowed to a Monte Carlo mean: one in 16,000 fails by chance, and the seed is fixed

NORMAL_REACH, EXPONENTIAL_REACH, PANELS = 14, 75, 10  # density below 1e-32 of its peak beyond the reach


@dataclass(frozen=True)
class Case:
    """An integrand, its law, and the kinks that the reference has to know (as numbers, for S = 1 or without S)."""

    name: str
    expr: sp.Expr
    law: Law
    kinks: tuple[sp.Expr, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{type(self.law).__name__}"


def standard_density(law: Law, scale: mp.mpf) -> Callable[[mp.mpf], mp.mpf]:
    """The densities once more, written without the compiler's laws."""
    return {
        Normal: lambda t: mp.exp(-((t / scale) ** 2) / 2) / (scale * mp.sqrt(2 * mp.pi)),
        Uniform: lambda t: 1 / (2 * scale),
        Exponential: lambda t: scale * mp.exp(-scale * t),
    }[type(law)]


Real = Callable[[mp.mpf], mp.mpf]


def plain_sigmoid(u: sp.Expr) -> sp.Expr:
    """By its definition."""
    return 1 / (1 + sp.exp(-u))


def plain_softplus(u: sp.Expr) -> sp.Expr:
    """By its definition."""
    return sp.log(1 + sp.exp(u))


def reference(expr: sp.Expr | Real, law: Law, cuts: Sequence[sp.Expr], density: Real | None = None) -> mp.mpf:
    """E[expr(x)] by Gauss-Legendre quadrature between the cuts; no symbols may be left but x."""
    scale = mp.mpf(sp.N(law.parameter, REFERENCE_DIGITS + 5))
    function = expr
    if isinstance(expr, sp.Expr):
        function = sp.lambdify(x, expr.replace(sigmoid, plain_sigmoid).replace(softplus, plain_softplus), "mpmath")
    points = [mp.mpf(sp.N(c, REFERENCE_DIGITS + 5)) for c in cuts]
    if isinstance(law, Arcsine):
        nodes = sorted([mp.mpf(0), mp.pi, *(mp.acos(p / scale) for p in points if abs(p) < scale)])
        return mp.quad(lambda t: function(scale * mp.cos(t)) / mp.pi, nodes, method="gauss-legendre")
    lo, hi = {
        Normal: (-NORMAL_REACH * scale, NORMAL_REACH * scale),
        Uniform: (-scale, scale),
        Exponential: (mp.mpf(0), EXPONENTIAL_REACH / scale),
    }[type(law)]
    density = density or standard_density(law, scale)
    grid = [lo + (hi - lo) * k / PANELS for k in range(PANELS + 1)]
    nodes = sorted({*grid, *(p for p in points if lo < p < hi)})
    return mp.quad(lambda t: function(t) * density(t), nodes, method="gauss-legendre")


def distance(found: sp.Expr, expected: mp.mpf) -> mp.mpf:
    """Relative where the reference exceeds 1, absolute below."""
    return abs(mp.mpf(sp.N(found, REFERENCE_DIGITS)) - expected) / max(1, abs(expected))


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    with mp.workdps(REFERENCE_DIGITS):
        yield


def quantile_lines(law: Law, degree: int) -> sp.Expr:
    """A max-plus polynomial whose pieces are equally probable: exact erfinv, cos or log knots."""
    knots = [law.quantile(R(k, degree + 1)) for k in range(1, degree + 1)]
    return sp.Max(*(k * x - sum(knots[:k]) for k in range(degree + 1)), evaluate=False)


def hermite(k: int) -> sp.Expr:
    """He_k by its recurrence."""
    before, now = sp.S.One, x
    for j in range(1, k):
        before, now = now, sp.expand(x * now - j * before)
    return now if k else sp.S.One


POLYNOMIAL = x**5 / 5 + x**2 / 3 + x / 2 + R(5, 8)
LINES = sp.Max(*(k * x - R(k * k, 8) for k in range(6)))
LINE_KINKS = tuple(R(2 * k + 1, 8) for k in range(5))
SINE = R(1, 3) + x * sp.sin(3 * x + R(1, 2))
WAVES = sum(sp.cos(k * x - R(k, 3)) / k for k in range(1, 5))
HINGES = sp.Max(-1, sp.Min(1, x))
ELU = sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True))
HAT = sp.Max(0, 1 - sp.Abs(x))
PADE = (1 + x + x**4) / (1 + x**2) ** 2
HERMITE_FUNCTION = sp.exp(-(x**2) / 4) * (x**5 - 10 * x**3 + 15 * x)

EXACT_CASES = [
    *(Case("polynomial", POLYNOMIAL**2, law(S)) for law in (Normal, Uniform, Arcsine, Exponential)),
    *(Case("lines", LINES**2, law(1), LINE_KINKS) for law in (Normal, Uniform, Arcsine, Exponential)),
    *(Case("lines slope", derivative(LINES) ** 2, law(1), LINE_KINKS) for law in (Normal, Uniform, Arcsine)),
    *(Case("clip", HINGES**2, law, (-1, 1)) for law in (Normal(S), Uniform(2), Arcsine(R(3, 2)), Exponential(S))),
    *(Case("sine", SINE**2, law(S)) for law in (Normal, Uniform, Exponential)),
    *(Case("waves", WAVES**2, law) for law in (Normal(S), Uniform(sp.pi), Uniform(S))),
    *(Case("waves slope", derivative(WAVES) ** 2, law) for law in (Normal(S), Uniform(S))),
    *(Case("gelu", gelu(x), law(S)) for law in (Normal, Uniform, Exponential)),
    *(Case("gelu squared", gelu(x) ** 2, law(S)) for law in (Normal, Uniform)),
    *(Case("gelu slope", derivative(gelu(x)) ** 2, law(S)) for law in (Normal, Uniform)),
    Case("gelu times slope", x * gelu(x) * derivative(gelu(x)), Normal(S)),
    Case("gelu He_6", gelu(x) * hermite(6), Normal(S)),
    Case("gelu shifted", gelu(x - R(1, 2)), Normal(S)),
    Case("gelu cosine", gelu(x) * sp.cos(2 * x), Normal(1)),
    Case("gelu sine", x**2 * gelu(x) * sp.sin(2 * x + 1), Normal(S)),
    Case("relu", sp.Max(0, x) ** 2, Normal(S), (0,)),
    Case("two hinges", sp.Max(0, x - 1) * sp.Max(0, x + R(1, 2)), Normal(S), (1, -R(1, 2))),
    Case("relu erf", sp.Max(0, x) * sp.erf(x), Normal(S), (0,)),
    Case("abs cubed", sp.Abs(x) ** 3, Normal(S), (0,)),
    Case("hat", HAT**2, Normal(S), (-1, 0, 1)),
    Case("sign and step", (2 + sp.sign(x)) * sp.Heaviside(x - 1) * x, Normal(S), (0, 1)),
    Case("quadratic kinks", sp.Abs(x**2 - 2) * x**2, Normal(S), (-sp.sqrt(2), sp.sqrt(2))),
    Case("cubic kinks", sp.Max(x, x**3 - x + 1), Normal(S), ((-1 - sp.sqrt(5)) / 2, (sp.sqrt(5) - 1) / 2, 1)),
    *(Case("elu", ELU**2, law, (0,)) for law in (Normal(S), Uniform(S))),
    Case("erf squared", x**2 * sp.erf(x) ** 2, Normal(S)),
    Case("erf on half", sp.Heaviside(x) * x**2 * sp.erf(x), Normal(S), (0,)),
    Case("erf on other half", sp.Heaviside(-x) * x**2 * (1 + sp.erf(x)) ** 2, Normal(S), (0,)),
    Case("erf cubed", x**3 * sp.erf(x) ** 3, Normal(1)),
    Case("erf fourth", sp.erf(x / sp.sqrt(2)) ** 4, Normal(1)),
    Case("bump", sp.exp(-((x - 1) ** 2)) * x**2, Normal(S)),
    Case("bump", sp.exp(-((x - 1) ** 2)) * x**2, Uniform(S)),
    Case("Hermite function", HERMITE_FUNCTION**2, Normal(S)),
    Case("Padé", PADE**2, Normal(S)),
    Case("Padé slope", derivative(PADE) ** 2, Normal(1)),
    Case("damped wave", sp.exp(-x / 2) * sp.sin(2 * x) * x, Uniform(S)),
    Case("tilted wave", sp.exp(x) * x**2 * sp.cos(x), Normal(1)),
    Case("cosh", sp.cosh(x) ** 2 * x, Exponential(20)),
    Case("expm1", expm1(x) ** 2 * x, Uniform(S)),
    Case("erfc", (x * sp.erfc(x)) ** 2, Normal(S)),
    Case("sinh", sp.sinh(x) ** 2, Uniform(S)),
    Case("snake", (x + sp.sin(x) ** 2) ** 2, Normal(S)),
]


@pytest.mark.parametrize("case", EXACT_CASES, ids=str)
def test_closed_forms_agree_with_quadrature(case: Case) -> None:
    """Every rule, at several scales where the law's parameter is a symbol."""
    found = expect(case.expr, case.law)
    assert found.exact
    assert found.error == 0
    symbolic = bool(case.law.parameter.free_symbols)
    for value in VALUES if symbolic else (sp.S.One,):
        law = type(case.law)(case.law.parameter.xreplace({S: value}))
        expected = reference(case.expr, law, case.kinks)
        assert distance(found.value.xreplace({S: value}), expected) < EXACT, value


def test_the_comparison_can_fail() -> None:
    """Planted faults: a density, a kink's place and a coefficient that are slightly wrong must all be seen."""
    found = expect(LINES**2, Normal(1)).value
    assert distance(found, reference(LINES**2, Normal(1), LINE_KINKS)) < EXACT

    def wrong_density(t: mp.mpf) -> mp.mpf:
        return mp.exp(-(t**2) / 2) / mp.sqrt(2 * mp.pi) * (1 + mp.mpf(10) ** -12)

    assert distance(found, reference(LINES**2, Normal(1), LINE_KINKS, wrong_density)) > EXACT
    assert distance(found, reference(LINES**2, Normal(1 + R(1, 10**12)), LINE_KINKS)) > EXACT
    moved = LINES.subs(R(25, 8), R(25, 8) + R(1, 10**12))
    assert moved != LINES
    assert distance(expect(moved**2, Normal(1)).value, reference(LINES**2, Normal(1), LINE_KINKS)) > EXACT


def test_known_closed_forms() -> None:
    """Formulas derived by hand."""
    q = S**2
    gelu_second = q / 4 + q / (2 * sp.pi) * (sp.asin(q / (1 + q)) + 2 * q / ((1 + q) * sp.sqrt(1 + 2 * q)))
    gelu_slope = R(1, 4) + sp.asin(q / (1 + q)) / (2 * sp.pi)
    gelu_slope += q * (5 * q + 3) / (2 * sp.pi * (1 + q) * (1 + 2 * q) ** R(3, 2))
    known = [
        (gelu(x), q / sp.sqrt(2 * sp.pi * (1 + q))),
        (gelu(x) ** 2, gelu_second),
        (derivative(gelu(x)) ** 2, gelu_slope),
        (sp.erf(x) ** 2, 2 / sp.pi * sp.asin(2 * q / (1 + 2 * q))),
    ]
    for expr, closed in known:
        found = expect(expr, Normal(S)).value
        for value in VALUES:
            assert abs(sp.N((found - closed).xreplace({S: value}), REFERENCE_DIGITS)) < EXACT, expr
    assert expect(gelu(x) ** 2, Normal(1)).value == R(1, 3) + sp.sqrt(3) / (6 * sp.pi)
    assert expect(derivative(gelu(x)) ** 2, Normal(1)).value == R(1, 3) + 2 * sp.sqrt(3) / (9 * sp.pi)
    for m in range(2, 5):
        h = [(-1) ** k * sp.factorial(2 * k) / (2 * sp.sqrt(sp.pi) * sp.factorial(k) * 4**k) for k in (m, m - 1)]
        assert sp.expand(expect(gelu(x) * hermite(2 * m), Normal(1)).value - h[0] - 2 * m * h[1]) == 0
    assert expect(1 / (1 + x**2), Normal(1)).value == sp.sqrt(sp.pi / 2) * sp.exp(R(1, 2)) * sp.erfc(1 / sp.sqrt(2))
    assert expect(sp.Max(0, x) ** 2, Normal(S)).value == q / 2
    assert expect(x**4, Arcsine(1)).value == R(3, 8)
    assert expect(sp.S(7), Exponential(1)).value == 7


def test_symbolic_parameters_stay() -> None:
    """Coefficients, phases and slopes may be symbols wherever a rule applies."""
    b, p = sp.symbols("b p", real=True)
    found = expect((A * x**3 + b * x + 1) ** 2, Normal(S)).value
    assert sp.expand(found - (15 * A**2 * S**6 + 6 * A * b * S**4 + b**2 * S**2 + 1)) == 0
    sinusoid = expect((A * sp.sin(b * x + p)) ** 2, Normal(S)).value
    assert sp.simplify(sinusoid - A**2 / 2 * (1 - sp.exp(-2 * b**2 * S**2) * sp.cos(2 * p))) == 0
    leaky = expect(sp.Piecewise((x, x > 0), (A * x, True)) ** 2, Normal(S)).value
    assert sp.expand(leaky - (1 + A**2) * S**2 / 2) == 0
    t = sp.Symbol("t", positive=True)
    hinge = expect(sp.Max(0, x - t), Normal(1)).value
    closed = sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi) - t * sp.erfc(t / sp.sqrt(2)) / 2
    assert abs(sp.N((hinge - closed).subs(t, R(2, 3)), REFERENCE_DIGITS)) < EXACT
    g = sp.Symbol("g", positive=True)
    inside = sp.Max(*(g * u for u in LINES.args), evaluate=False)
    assert sp.expand(expect(inside**2, Normal(1)).value - g**2 * expect(LINES**2, Normal(1)).value) == 0


@pytest.mark.parametrize("law", [Normal(1), Normal(S), Uniform(S), Arcsine(1), Exponential(1)], ids=str)
def test_equally_probable_lines_of_degree_12(law: Law) -> None:
    """Knots such as sigma*sqrt(2)*erfinv(q) keep everything exact, ordered and fast; E[F'^2] is the mean of k^2."""
    degree = 12
    lines = quantile_lines(law, degree)
    second = expect(lines**2, law)
    slope = expect(derivative(lines) ** 2, law)
    assert second.exact
    assert slope.value == R(sum(k * k for k in range(degree + 1)), degree + 1)
    at_one = type(law)(law.parameter.xreplace({S: sp.S.One}))
    knots = [at_one.quantile(R(k, degree + 1)).evalf(REFERENCE_DIGITS + 5) for k in range(1, degree + 1)]

    def square(t: mp.mpf) -> mp.mpf:  # max-plus as a sum of hinges
        return mp.fsum(max(0, t - mp.mpf(knot)) for knot in knots) ** 2

    expected = reference(square, at_one, knots)
    assert distance(second.value.xreplace({S: sp.S.One}), expected) < EXACT


def test_twelve_harmonics_are_exact_and_fast() -> None:
    """The square has 313 cosines; they are added up, never expanded."""
    series = 1 + sum(sp.cos(k * x - sp.pi / 4) / sp.factorial(k) for k in range(1, 13))
    normal, uniform = expect(series**2, Normal(1)), expect(series**2, Uniform(sp.pi))
    assert normal.exact
    assert distance(normal.value, reference(series**2, Normal(1), ())) < EXACT
    assert uniform.value == 1 + sum(R(1, 2) / sp.factorial(k) ** 2 for k in range(1, 13))


NUMERIC_CASES = [
    Case("tanh", sp.tanh(x) ** 2, Normal(R(17, 5))),
    Case("tanh", sp.tanh(x) ** 2, Uniform(2)),
    Case("tanh", sp.tanh(x) ** 2, Arcsine(2)),
    Case("tanh", sp.tanh(x) ** 2, Exponential(2)),
    Case("tanh slope", derivative(sp.tanh(x)) ** 2, Normal(1)),
    Case("silu", silu(x) ** 2, Normal(1)),
    Case("silu slope", derivative(silu(x)) ** 2, Normal(1)),
    Case("softplus", softplus(x) ** 2, Normal(1)),
    Case("mish", (x * sp.tanh(softplus(x))) ** 2, Normal(1)),
    Case("relu tanh", sp.Max(0, x) * sp.tanh(x), Normal(1), (0,)),
    Case("gelu shifted", gelu(x - R(1, 2)) ** 2, Normal(1)),
    Case("relu of sine", sp.Max(0, sp.sin(x)), Normal(1), tuple(k * sp.pi for k in range(-4, 5))),
    Case("relu of sine", sp.Max(0, sp.sin(x)) ** 2, Uniform(5), tuple(k * sp.pi for k in range(-1, 2))),
    Case("softsign", (x / (1 + sp.Abs(x))) ** 2, Normal(1), (0,)),
    Case("log", sp.log(1 + x**2), Normal(1)),
    Case("log1p", log1p(x**2), Normal(1)),
    Case("atan", sp.atan(x) ** 2, Normal(1)),
    Case("asinh", sp.asinh(x) ** 2, Normal(1)),
    Case("tan", sp.tan(x) ** 2, Uniform(1)),
    Case("floor", x * sp.floor(x), Uniform(2), (-1, 0, 1)),
    Case("floor of a line", sp.floor(2 * x + R(1, 3)) ** 2, Uniform(1), (-R(2, 3), -R(1, 6), R(1, 3), R(5, 6))),
]


@pytest.mark.parametrize("case", NUMERIC_CASES, ids=str)
def test_numbers_are_flagged_and_right(case: Case) -> None:
    """Without a rule: 30 digits, an error estimate that covers the deviation, and a route that says why."""
    found = expect(case.expr, case.law)
    assert not found.exact
    assert found.route.startswith("quadrature: ")
    assert 0 < found.error < NUMERIC
    assert distance(found.value, reference(case.expr, case.law, case.kinks)) < NUMERIC


def test_integrable_singularities() -> None:
    """Unbounded, yet with an expectation known in closed form."""
    log = expect(sp.log(sp.Abs(x)), Normal(1)).value
    assert abs(log + sp.N((sp.EulerGamma + sp.log(2)) / 2, REFERENCE_DIGITS)) < NUMERIC
    root = expect(sp.sqrt(sp.Abs(x)), Normal(1)).value
    assert abs(root - sp.N(2 ** R(1, 4) * sp.gamma(R(3, 4)) / sp.sqrt(sp.pi), REFERENCE_DIGITS)) < NUMERIC
    assert abs(expect(sp.log(x), Exponential(1)).value + sp.N(sp.EulerGamma, REFERENCE_DIGITS)) < NUMERIC


@pytest.mark.parametrize(
    ("expr", "law"),
    [
        (sp.tanh(x), Normal(1)),
        (sp.tanh(A * x), Normal(S)),
        (x**2 * sp.tanh(x) ** 3, Arcsine(2)),
        (sp.Max(sp.sin(x), 0) - sp.Max(-sp.sin(x), 0), Uniform(3)),
        (x * sp.sqrt(1 + x**4), Normal(1)),
    ],
    ids=str,
)
def test_odd_integrands_are_exactly_zero(expr: sp.Expr, law: Law) -> None:
    """Under a symmetric law, provided that they are integrable."""
    found = expect(expr, law)
    assert found.exact
    assert found.value == 0
    assert found.route == "odd under a symmetric law"


def test_an_even_part_is_not_taken_for_odd() -> None:
    """The exponential law is not symmetric, and a small even part counts."""
    assert not expect(sp.tanh(x), Exponential(1)).exact
    assert expect(sp.tanh(x) + R(1, 10**9) * sp.tanh(x) ** 2, Normal(1)).value > 0


@pytest.mark.parametrize(
    ("expr", "law"),
    [
        (1 / x, Normal(1)),
        (1 / x**2, Normal(1)),
        (1 / x**2, Normal(S)),
        (1 / sp.Abs(x), Uniform(1)),
        (1 / (x - R(1, 3)), Normal(1)),
        (1 / x, Exponential(1)),
        (1 / (1 - x**2), Uniform(1)),
        (sp.tan(x) ** 2, Normal(1)),
        (1 / sp.sin(x) ** 2, Uniform(1)),
        (x**2 * sp.exp(x**2), Normal(1)),
        (sp.exp(x**2 / 2), Normal(1)),
        (sp.exp(x**2) * sp.erfc(x), Normal(1)),
        (sp.exp(sp.exp(x)), Normal(1)),
        (sp.exp(x), Exponential(1)),
        (sp.cosh(2 * x), Exponential(1)),
        (sp.log(x), Normal(1)),
        (sp.asin(x), Normal(1)),
        (sp.Max(0, sp.asin(x)), Normal(1)),
        (sp.gamma(x), Normal(1)),
        (sp.factorial(x), Normal(1)),
    ],
    ids=str,
)
def test_divergent(expr: sp.Expr, law: Law) -> None:
    """Poles, growth beyond the density, and values that are not real never give a number."""
    with pytest.raises(Divergent):
        expect(expr, law)


def test_a_function_without_numbers_is_named() -> None:
    with pytest.raises(NoClosedForm, match="bump"):
        expect(sp.Function("bump")(x) ** 2, Normal(1))


def test_a_floor_of_very_many_steps_is_refused() -> None:
    with pytest.raises(NoClosedForm, match="steps between"):
        expect(x * sp.floor(100 * x), Normal(1))


@pytest.mark.parametrize(
    ("expr", "law", "names"),
    [
        (sp.tanh(A * x) ** 2, Normal(1), "a"),
        (sp.tanh(x) ** 2, Normal(S), "s"),
        (sp.Max(x, A * x), Normal(1), "a"),
        (sp.Max(0, x - A, 2 * x + 3), Normal(S), "a, s"),
        (gelu(x - A) ** 2, Normal(1), "a"),
        (sp.exp(A * x**2), Normal(1), "a"),
        (1 / (1 - x**2), Uniform(S), "s"),
    ],
    ids=str,
)
def test_no_closed_form_with_symbols_left(expr: sp.Expr, law: Law, names: str) -> None:
    """The message names the symbols that need a number."""
    with pytest.raises(NoClosedForm, match=f"give {names} a number$"):
        expect(expr, law)


def test_monte_carlo_agrees() -> None:
    """A third, cruder witness: sample means, which share no code and no formula with either side."""
    import numpy as np  # noqa: PLC0415

    draw = np.random.default_rng(7).standard_normal(200_000)
    for expr, sample in [
        (sp.Max(0, x - R(1, 2)) ** 2, np.maximum(0, draw - 0.5) ** 2),
        (sp.Abs(x) * sp.cos(x), np.abs(draw) * np.cos(draw)),
        (sp.tanh(x) ** 2, np.tanh(draw) ** 2),
    ]:
        spread = sample.std() / np.sqrt(sample.size)
        assert abs(float(expect(expr, Normal(1))) - sample.mean()) < SAMPLING * spread, expr


def test_a_quotient_that_is_0_over_0_inside_a_kink_is_cut_there() -> None:
    root = sp.sqrt(sp.Abs(x))
    found = expect(sp.Abs(x * (x * sp.sign(x) / (2 * root) + root)), Normal())
    assert float(found.number()) == pytest.approx(1.5 * 2**0.75 * math.gamma(1.25) / math.sqrt(math.pi), rel=1e-14)


@pytest.mark.parametrize(
    ("expr", "sigma", "value"),
    [
        # E[exp(x); x < 0] = exp(sigma^2/2) erfc(sigma/sqrt 2)/2, which cancels 2172 digits
        (sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True)), 100, 39.39821706412462),
        (sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True)), 10, 3.528929498115713),
        # all of it lies within 3 of 0: steps of the trapezoidal rule that are longer see nothing
        (x * sp.tanh(x) * (1 - sp.tanh(x) ** 2), 100, 0.003988930699530269),
        (x * sp.tanh(x) * (1 - sp.tanh(x) ** 2), 10**6, 3.989422804009403e-7),
    ],
)
def test_wide_laws(expr: sp.Expr, sigma: int, value: float) -> None:
    found = expect(expr, Normal(sp.Integer(sigma)))
    assert abs(float(found) - value) < 1e-13 * value


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (sp.sqrt(R(10) ** 200 + sp.Abs(x)), 1e100),
        (sp.exp(20 * x) + sp.log(sp.Abs(x - R(1, 3)) + 1), math.exp(200)),  # large at x = 20
    ],
    ids=["everywhere", "far out"],
)
def test_the_accuracy_of_large_integrands_is_relative(
    expr: sp.Expr, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An absolute one is never reached: every panel was halved to the end."""
    halvings: list[int] = []
    smooth = quadrature._Problem._smooth
    monkeypatch.setattr(
        quadrature._Problem, "_smooth", lambda self, *args: (halvings.append(args[-1]), smooth(self, *args))[1]
    )
    found = expect(expr, Normal(1))
    assert float(found) == pytest.approx(value, rel=1e-14)
    assert found.error < 1e-14 * value
    assert set(halvings) == {quadrature.HALVINGS}


@pytest.mark.parametrize(
    ("expr", "law", "value"),
    [
        # x/(1 - exp(-x)) has the slope 1/2 at 0, where quadrature in 45 digits saw 0/0
        (derivative(x / (1 - sp.exp(-x))) ** 2, Normal(1), 0.273336505),
        # half of the steep part lies on either side of 0.3: E = b density(0.3)/6 + ...
        (derivative(sigmoid(30000 * (x - R(3, 10)))) ** 2, Normal(1), 5000 * math.exp(-0.045) / math.sqrt(2 * math.pi)),
        (sp.exp(-(10**6) * (x - 1) ** 2) * sp.tanh(x) ** 2, Uniform(2), math.sqrt(math.pi) / 4000 * math.tanh(1) ** 2),
        # E|x|^p = 2^(p/2) Gamma((p + 1)/2)/sqrt(pi)
        (sp.Abs(x) ** R(-49, 50), Normal(1), 2**-0.49 * math.gamma(0.01) / math.sqrt(math.pi)),
        (sp.Abs(x - R(1, 3)) ** R(-49, 50), Uniform(1), (25 * (R(4, 3) ** R(1, 50) + R(2, 3) ** R(1, 50))).evalf()),
    ],
    ids=str,
)
def test_narrow_removable_and_weakly_singular_integrands(expr: sp.Expr, law: Law, value: float) -> None:
    found = expect(expr, law)
    assert not found.exact
    assert found.error < 1e-14 * max(1.0, float(value))
    assert abs(float(found) - float(value)) < 1e-6 * float(value)  # closed forms to the leading order in the width


def test_powers_at_the_edge_of_a_pole_are_told_from_it() -> None:
    for expr in (1 / sp.Abs(x), 1 / (sp.Abs(x) * sp.log(1 + 1 / sp.Abs(x))), sp.Abs(x) ** R(-101, 100)):
        with pytest.raises(Divergent):
            expect(expr * sp.cosh(x / 9), Normal(1))
