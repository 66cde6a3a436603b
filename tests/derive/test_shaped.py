"""Starts with a condition on curvature: met to the last digits, or refused with the range that can be met."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from scipy import special

from learnact import Declaration, emit, maps, start
from learnact.compiler.analyse.maps import Maps
from learnact.compiler.declare.laws import Normal, Uniform
from learnact.compiler.declare.shape import Shape
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import PLAIN, put, x
from learnact.compiler.derive import derive as derive_activation
from learnact.compiler.derive import start as derive_start
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.resolve.shaped import Wanted, with_shape
from learnact.compiler.verify import Check
from learnact.compiler.verify import verify as referee
from learnact.errors import BadDeclaration, BadExpression, LearnactError, NoStart, UnknownName

NODES, WEIGHTS = (a for a in np.polynomial.legendre.leggauss(48))
EXACT = 1e-12
"""Of what is solved to 30 digits and printed in doubles; a wrong start is off by 1e-3 and more."""

SOLVED = [
    ("hermite:3", "shaped,curvature=0.05", "1", False),
    ("hermite:5", "shaped,depth=50,tau=0.3", "0.7", True),
    ("chebyshev:4", "shaped,curvature=1/10,slope=0.9", "1", False),
    ("hermite:4", "curved,curvature=2", "1.5", False),
    ("residual_gelu:2", "shaped,curvature=0.02", "1", False),
    ("residual_silu:2", "curved,curvature=1,slope=2", "1", False),
    ("residual_relu:1", "shaped,kappa=0.05", "1", False),
    ("polyrelu:2", "curved,kappa=0.1", "1", False),
    ("scaled_gelu", "shaped,curvature=0.05", "0.5", True),
    ("scaled_silu", "shaped,depth=200,tau=0.3", "1", False),
    ("scaled_tanh", "curved,curvature=1.5", "1", False),
    ("scaled_hardtanh", "shaped,kappa=0.03", "1", False),
]


def solve(spec: str, text: str, sigma: str = "1", preserve: bool = False):
    wanted = Wanted.read(text)
    activation = wanted.on(resolve(spec))
    assert wanted.shape is not None
    return (
        activation,
        derive_start(activation, wanted.name, Normal(sp.Rational(sigma)), preserve=preserve),
        wanted.shape,
    )


def integrated(f: sp.Expr, sigma: float) -> dict[str, float]:
    """E[F], E[F^2], E[F'^2] and E[F''^2] under N(0, sigma^2), F'' almost everywhere: Gauss-Legendre between kinks."""
    kinks = sorted({0.0, *(float(k) for a in f.atoms(sp.Max, sp.Min) for k in corners(a)), -9 * sigma, 9 * sigma})
    cells = [np.linspace(a, b, max(2, int((b - a) / sigma * 6))) for a, b in pairwise(kinks)]
    edges = np.unique(np.concatenate(cells))
    half = (edges[1:] - edges[:-1])[:, None] / 2
    points = ((edges[1:] + edges[:-1])[:, None] / 2 + half * NODES).ravel()
    density = (half * WEIGHTS).ravel() * np.exp(-((points / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
    names = [{"sigmoid": special.expit, "erf": special.erf, "Heaviside": lambda u, _=0: (u > 0) * 1.0}, "numpy"]
    smooth = f.replace(sp.Max, lambda *a: sp.Piecewise((a[0], a[0] > a[1]), (a[1], True)))
    smooth = smooth.replace(sp.Min, lambda *a: sp.Piecewise((a[0], a[0] < a[1]), (a[1], True)))
    rows = [
        np.broadcast_to(sp.lambdify(x, sp.diff(smooth, x, k).doit(), names)(points), points.shape) for k in range(3)
    ]
    return {"mean": density @ rows[0]} | {
        k: density @ r**2 for k, r in zip(("second", "slope", "bend"), rows, strict=True)
    }


def corners(extreme: sp.Expr) -> list[sp.Expr]:
    a, b = extreme.args
    return sp.solve(sp.Eq(a, b), x)


@pytest.mark.parametrize(("spec", "text", "sigma", "preserve"), SOLVED)
def test_conditions_hold_by_quadrature(spec: str, text: str, sigma: str, preserve: bool) -> None:
    activation, found, shape = solve(spec, text, sigma, preserve)
    pairs = activation.assign(found.values)
    f = put(activation.function, {s: sp.Float(sp.N(v, 25), 25) for s, v in pairs.items()})
    s = float(sigma)
    got = integrated(f, s)
    if shape.centred:
        assert got["mean"] == pytest.approx(0, abs=EXACT)
    else:
        assert got["second"] == pytest.approx(s**2 if preserve else 1, rel=EXACT)
    assert got["slope"] == pytest.approx(float(shape.slope), rel=EXACT)
    if shape.measure == "curvature":
        assert s**4 * got["bend"] / got["second"] == pytest.approx(float(shape.amount), rel=EXACT)
    assert float(found.moments.mean) == pytest.approx(got["mean"], abs=EXACT)
    assert float(found.moments.second) == pytest.approx(got["second"], rel=EXACT)


@cache
def mapped(spec: str, text: str) -> Maps:
    return maps(spec, start=text)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("hermite:3", "shaped,curvature=0.05"),
        ("residual_gelu:2", "curved,curvature=1,slope=2"),
        ("polyrelu:2", "curved,kappa=0.1"),
    ],
)
def test_the_maps_see_what_was_asked(spec: str, text: str) -> None:
    shape, m = Wanted.read(text).shape, mapped(spec, text)
    assert shape is not None
    assert float(m.slope_at_one or 0) == pytest.approx(float(shape.slope) / float(m.second), rel=EXACT)
    measure = m.bend_at_one if shape.measure == "curvature" else m.kappa
    assert float(measure or 0) == pytest.approx(float(shape.amount), rel=EXACT)
    assert float(m.at_zero) == pytest.approx(0, abs=EXACT) or not shape.centred


def test_hermite_is_the_published_closed_form() -> None:
    """eps^2 = tau/sum b_k^2/(k-2)!, a_k = eps b_k, and a_1, a_0 from E[F'^2] = E[F^2] = 1."""
    _, found, _ = solve("hermite:4", "shaped,curvature=1/10")
    assert found.exact
    signs = {2: -1, 3: -1, 4: 1}
    squared = sp.Rational(1, 10) / sum(sp.Rational(1) / sp.factorial(k - 2) for k in signs)
    first = 1 - squared * sum(sp.Rational(1) / sp.factorial(k - 1) for k in signs)
    zeroth = 1 - first - squared * sum(sp.Rational(1) / sp.factorial(k) for k in signs)
    expected = [sp.sqrt(zeroth), sp.sqrt(first), *(b * sp.sqrt(squared) for b in signs.values())]
    assert [sp.simplify(a - b) for a, b in zip(found.values["coefficients"], expected, strict=True)] == [0] * 5
    assert float(found.moments.q_slope) == pytest.approx(0.79, abs=0.1)


def test_eta_is_where_a_deep_net_ends() -> None:
    m = mapped("residual_relu:1", "shaped,depth=30,eta=0.8")
    assert m.after(30) == pytest.approx(0.8, abs=1e-11)
    assert float(mapped("hermite:3", "shaped,curvature=0.05").after(50)) < 0.75 < maps("hermite:3").after(50)


@pytest.mark.parametrize(
    ("spec", "text", "message"),
    [
        ("hermite:3", "shaped,curvature=1.34", r"C''\(1\) = 1.34 cannot be had .* between 0 and 1.33333 there"),
        ("hermite:3", "curved,curvature=3.01", r"E\[F\] = 0 and E\[F'\^2\] = 1 .* between 0 and 3 there"),
        ("scaled_relu", "shaped,kappa=0.1", "is 0.300105 there, at whatever scale"),
        ("tropical:3", "shaped,kappa=0.01", "kappa = 0.01 cannot be had .* between 0.0600211 and 0.111172"),
        ("tropical:3", "shaped,curvature=0.1", "F' jumps at x = -0.674490, so .* ask for kappa"),
        ("scaled_tanh", "shaped,kappa=0.1", "F' is continuous, so kappa is 0 .* ask for curvature"),
        ("fourier:2", "shaped,curvature=0.1", r"C''\(1\) = [\d.]+ whatever gain and shift are"),
        ("hermite:1", "shaped,curvature=0.1", r"F is a line, so C''\(1\) = 0"),
        ("swish", "shaped,curvature=0.1", "no start that solves for a gain and an offset"),
        ("hermite:3", "shaped", "needs its conditions"),
    ],
)
def test_what_cannot_be_met_is_refused(spec: str, text: str, message: str) -> None:
    with pytest.raises(NoStart, match=message):
        start(spec, text)


def test_the_ends_of_the_range_are_reached() -> None:
    for text in ("shaped,curvature=4/3", "curved,curvature=3"):
        activation, found, shape = solve("hermite:3", text)
        assert found.moments.slope_second.value == 1
        assert float(mapped("hermite:3", text).bend_at_one or 0) == pytest.approx(float(shape.amount), rel=EXACT)
        assert activation.family.starts[found.name].shape == shape


def test_a_law_or_a_sigma_without_an_answer_is_refused() -> None:
    activation = Wanted.read("shaped,curvature=0.1").on(resolve("hermite:3"))
    with pytest.raises(NoStart, match="is of inputs N"):
        derive_activation(activation, Uniform())  # what was asked for is never left out
    with pytest.raises(NoStart, match="ask for a smaller slope, or preserve"):
        derive_start(activation, "shaped", Normal(sp.Integer(2)))
    with pytest.raises(NoStart, match="a sigma that is a number"):
        derive_start(activation, "shaped", Normal(sp.Symbol("s", positive=True)))
    jumping = from_expression("a*(tanh(x) + floor(x)) + b*x + c", {"a": 1, "b": 0, "c": 0}, "Jumps")
    with pytest.raises(NoStart, match="F jumps"):
        start(jumping, "shaped", curvature=0.1)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("shaped,curvature=0", BadDeclaration, "curvature of a shaped start must be a positive number, found 0"),
        ("curved,curvature=1,slope=-1", BadDeclaration, "slope .* found -1"),
        ("shaped,bend=1", UnknownName, "unknown condition of a shaped start 'bend'"),
        ("shaped,curvature", BadExpression, "NAME=VALUE"),
        ("shaped,curvature=1,kappa=1", BadExpression, "takes one of"),
        ("shaped,depth=50", BadExpression, "takes one of"),
        ("shaped,curvature=1,depth=5", BadExpression, "takes one of"),
        ("shaped,tau=1", BadExpression, "takes one of"),
        ("shaped,curvature=1,curvature=1", BadExpression, "given twice"),
        ("balanced,curvature=1", BadExpression, "takes no curvature"),
        ("shaped,depth=2.5,eta=0.5", BadExpression, "whole number"),
        ("shaped,depth=3,eta=1", BadExpression, "lies between 0 and"),
        ("shaped,curvature=__import__('os')", BadExpression, "curvature"),
    ],
)
def test_conditions_that_make_no_sense(text: str, error: type[LearnactError], message: str) -> None:
    with pytest.raises(error, match=message):
        Wanted.read(text)


def test_words_and_keywords_are_one(tmp_path) -> None:
    text = start("hermite:3", "shaped,curvature=0.006")
    assert text == start("hermite:3", "shaped", depth=50, tau=0.3) == start("hermite:3", "shaped", curvature="3/500")
    declaration = Declaration(spec="hermite:3", start="shaped,curvature=0.006")
    assert Declaration.read(declaration.arguments) == declaration
    source = emit(declaration, tmp_path)
    assert "declared  hermite:3 --start shaped,curvature=0.006" in source.text
    assert start(str(tmp_path / source.filename), "shaped") == text  # the file's own declaration
    digests = {Wanted.read(f"shaped,curvature={c}").on(resolve("hermite:3")).digest for c in ("0.006", "0.0061")}
    assert len(digests | {resolve("hermite:3").digest}) == 3
    with pytest.raises(BadExpression, match="--start is for starts with conditions"):
        Declaration(spec="hermite:3", start="balanced")


def test_ranges_are_kept() -> None:
    """A stretch of a parameter that is stored as its logarithm."""
    activation = from_expression("a*tanh(b*x) + d", {"a": 1, "b>0": 1, "d": 0}, "Ranged")
    found = start(activation, "shaped", curvature=0.05)
    free = start(from_expression("a*tanh(b*x) + d", {"a": 1, "b": 1, "d": 0}, "Free"), "shaped", curvature=0.05)
    assert math.exp(found["log_b"][0]) == pytest.approx(free["b"][0], rel=1e-14)


@pytest.mark.parametrize(
    ("spec", "text", "old", "new"),
    [
        ("hermite:3", "shaped,curvature=0.05", "0.9810708435174291", "0.9810718435174291"),
        ("scaled_gelu", "curved,curvature=1.5", '"stretch": (1.7999', '"stretch": (1.7998'),
        ("residual_relu:1", "shaped,kappa=0.05", '"stretch": (1.0,)', '"stretch": (1.0001,)'),
    ],
)
def test_the_referee_checks_the_conditions(tmp_path, spec: str, text: str, old: str, new: str) -> None:
    declaration = Declaration(spec=spec, start=text)
    path = tmp_path / emit(declaration, tmp_path).filename
    assert starts_of(declaration, path).passed
    good = path.read_text()
    assert old in good, "nothing to plant the fault in"
    path.write_text(good.replace(old, new, 1))
    assert not starts_of(declaration, path).passed


def starts_of(declaration: Declaration, path: Path) -> Check:
    report = referee(declaration.activation(), path, only=["starts"])
    return next(c for c in report.checks if c.name == "starts")


def test_the_referee_sees_another_curvature(tmp_path) -> None:
    """A file whose values are balanced and of the declared form, but for other conditions."""
    path = tmp_path / emit(Declaration(spec="hermite:3", start="shaped,curvature=0.05"), tmp_path).filename
    found = starts_of(Declaration(spec="hermite:3", start="shaped,curvature=0.0501"), path)
    assert not found.passed
    assert "C''(1) = 0.05, asked was 0.0501" in found.detail


def test_unknowns_belong_to_shaped_starts_only() -> None:
    shaped = with_shape(resolve("hermite:2"), Shape("curvature", sp.Rational(1, 10)))
    held = {s for v in shaped.start_values("shaped").values() for s in v.free_symbols}
    assert held <= PLAIN.keys()
    family = shaped.family
    stolen = {"stolen": type(family.starts["shaped"])(family.starts["shaped"].values)}
    with pytest.raises(BadDeclaration, match="tilt_; only gain and shift are solved"):
        Activation(type(family)(**{**vars(family), "starts": stolen}), 2).start_values("stolen")
