"""Maps of length and correlation: published closed forms, product rules in the plane, sampling, and limits at c = 1."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from numpy.polynomial.hermite_e import hermegauss

from learnact import maps
from learnact.compiler.analyse import paired, tangent
from learnact.compiler.analyse.double import in_double
from learnact.compiler.analyse.dual import c, dual
from learnact.compiler.analyse.maps import Maps
from learnact.compiler.analyse.subject import subject_of
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.symbols import x
from learnact.compiler.explain import maps as explained
from learnact.errors import BadTarget, Contradiction, Divergent, LearnactError, NoClosedForm

ROOT = Path(__file__).resolve().parents[2]
C = np.linspace(-1, 1, 41)
ROUNDING = 1e-13
TWO_DIMENSIONS = 1e-9
"""Of 120 by 120 Gauss-Hermite nodes for functions with poles at +-i pi/2 or farther."""


def relu(a: float) -> np.ndarray:
    """Leaky ReLU of negative slope a (Cho & Saul 2009)."""
    return C + (1 - a) ** 2 / (math.pi * (1 + a**2)) * (np.sqrt(1 - C**2) - C * np.arccos(C))


PUBLISHED = {
    "relu": relu(0),
    "leaky_relu": relu(0.01),
    "erf": np.arcsin(2 * C / 3) / np.arcsin(2 / 3),  # Williams 1996
    "sine": np.sinh(C) / np.sinh(1),
    "abs(x)": 2 / np.pi * (np.sqrt(1 - C**2) + C * np.arcsin(C)),
    "Heaviside(x)": 0.5 + np.arcsin(C) / np.pi,  # Sheppard 1899
    "x**2 + x": (1 + C + 2 * C**2) / 4,
    "exp(-x)": np.exp(C - 1),
    "gaussian": np.sqrt(3 / (4 - C**2)),
}
CLOSED = {"relu", "leaky_relu", "erf", "sine", "abs(x)", "Heaviside(x)", "x**2 + x"}


@cache
def found(name: str, sigma: str = "1") -> Maps:
    return explained.shown(name) if sigma == "1" else maps(name, sigma=sigma)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_correlation_maps(name: str) -> None:
    m = found(name)
    assert (m.closed is not None) == (name in CLOSED)
    assert np.abs(m.correlation(C) - PUBLISHED[name]).max() < max(ROUNDING, m.error)
    assert float(m.at_zero) == pytest.approx(PUBLISHED[name][20], abs=1e-15)


@pytest.mark.parametrize(
    ("name", "sigma"), [("gelu", "1"), ("gelu", "2"), ("tanh", "1"), ("scaled_gelu@balanced", "1/2")]
)
def test_a_product_rule_in_the_plane_agrees(name: str, sigma: str) -> None:
    subject = subject_of(name, law=Normal(sp.Rational(sigma)))
    z, w = hermegauss(120)
    w = w / w.sum()
    value = in_double(subject.function)
    for at in (-0.9, -0.2, 0.0, 0.5, 0.95):
        v = float(sp.Rational(sigma)) * (at * z[:, None] + math.sqrt(1 - at**2) * z)
        plane = float(w @ (value(float(sp.Rational(sigma)) * z)[:, None] * value(v)) @ w)
        m = found(name, sigma)
        assert float(m.correlation(at)) == pytest.approx(
            plane / float(m.second), abs=TWO_DIMENSIONS * 30 ** (sigma == "2")
        )


@pytest.mark.parametrize("name", ["hardtanh", "tropical:2"])
def test_sampling_agrees_where_there_are_kinks(name: str) -> None:
    value = in_double(subject_of(name, law=Normal()).function)
    u, w = np.random.default_rng(7).normal(size=(2, 1 << 20))
    for at in (-0.7, 0.3, 0.9):
        products = value(u) * value(at * u + math.sqrt(1 - at**2) * w) / float(found(name).second)
        assert abs(products.mean() - float(found(name).correlation(at))) < 5 * products.std() / 1024


@pytest.mark.parametrize("name", ["gelu", "hermite:3", "tanh", "relu", "hardtanh"])
def test_hermite_coefficients_sum_to_the_map(name: str) -> None:
    m = found(name)
    shares = np.array([float(a) ** 2 for a in m.hermite]) / float(m.second)
    for at in (0.3, -0.5):
        tail = abs(at) ** len(shares) * (1 - shares.sum())
        assert abs(float(m.correlation(at)) - shares @ at ** np.arange(len(shares))) <= tail + 1e-12


def test_slope_and_curvature_at_one() -> None:
    for name in ("gelu", "hermite:3", "erf", "sine"):
        m = found(name)
        assert float(m.slope_at_one) == pytest.approx(float(sp.diff(m.closed, c).subs(c, 1)), rel=1e-12)
        assert float(m.bend_at_one) == pytest.approx(float(sp.diff(m.closed, c, 2).subs(c, 1)), rel=1e-12)
        assert m.kappa.value == 0
    for name in ("relu", "hardtanh", "tropical:2"):
        m, d = found(name), 1e-5
        kappa = (float(m.correlation(1 - d)) - 1 + float(m.slope_at_one) * d) / d**1.5
        assert float(m.kappa) == pytest.approx(kappa, rel=2e-2)  # the next term is of order sqrt(d) more
        assert m.bend_at_one is None
        assert "jumps" in m.missing["bend_at_one"]


def test_fixed_points_iterates_and_lengths() -> None:
    assert {k: round(found("hermite:3").iterates[k], 3) for k in (10, 50, 200)} == {10: 0.815, 50: 0.954, 200: 0.988}
    stable, one = found("gelu").fixed_points
    assert (stable.stability, one.stability) == ("stable", "unstable")
    assert found("gelu").after(2000) == pytest.approx(stable.value, abs=1e-12)
    assert [p.stability for p in found("hermite:3").fixed_points] == ["marginal"]
    assert [p.value for p in found("erf").fixed_points] == [-1, 0, 1]
    one, other = found("hermite:3").lengths
    assert one.slope == pytest.approx(math.sqrt(2 / 15) * -math.sqrt(1) + 3 / 5, abs=1e-9)
    assert found("hermite:3").length(other.value) == pytest.approx(other.value, rel=1e-12)
    q = found("erf").lengths[1].value
    assert q == pytest.approx(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-12)
    line = found("x")
    assert line.fixed_points is line.lengths is None
    assert (found("relu").trend, found("exp(-x)").trend, found("gelu").trend) == ("increasing", "decreasing", "neither")


def test_a_wrong_closed_form_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    for planted in (lambda whole: whole + c * (1 - c) / 10**6, lambda whole: whole * 1.000001):
        monkeypatch.setattr(paired, "dual", lambda f, s, p=planted: p(dual(f, s)))
        with pytest.raises(Contradiction, match="closed form"):
            maps("relu")


def recursion(correlation, slope, begin: float, layers: int) -> float:
    """Theta_{l+1} = Theta_l C'(c_l) + C(c_l)."""
    at = theta = begin
    for _ in range(layers):
        theta, at = theta * slope(at) + correlation(at), correlation(at)
    return theta


NTK = {
    "relu": (
        lambda c: (
            (math.sqrt(1 - c**2) + c * (math.pi - math.acos(c))) / math.pi
        ),  # Cho & Saul 2009, Bietti & Mairal 2019
        lambda c: (math.pi - math.acos(c)) / math.pi,
    ),
    "erf": (
        lambda c: math.asin(2 * c / 3) / math.asin(2 / 3),  # Williams 1996
        lambda c: 2 / math.sqrt(9 - 4 * c**2) / math.asin(2 / 3),
    ),
}


@pytest.mark.parametrize("name", NTK)
def test_published_tangent_kernels(name: str) -> None:
    m = found(name)
    for begin in (0.0, 0.5, -0.8, 1.0):
        for layers in (0, 1, 3, 50):
            due = recursion(*NTK[name], begin, layers)
            assert m.tangent(layers, begin) == pytest.approx(due, rel=1e-9, abs=1e-12)
    assert m.tangents()[10] == m.tangent(10)
    assert found("relu").tangents()[200] == 201


@pytest.mark.parametrize(("name", "sigma"), [("tanh", "1"), ("hermite:3", "1"), ("gelu", "2"), ("selu", "1")])
def test_a_product_rule_in_the_plane_gives_the_tangent_kernel(name: str, sigma: str) -> None:
    """C' is sigma^2 E[F'(u) F'(v)]/E[F^2], numeric, closed, closed at another sigma, and with a kink."""
    m, s = found(name, sigma), float(sp.Rational(sigma))
    subject = subject_of(name, law=Normal(sp.Rational(sigma)))
    value = in_double(sp.diff(subject.function, x))
    z, w = hermegauss(120)
    w = w / w.sum()

    def slope(at: float) -> float:
        v = s * (at * z[:, None] + math.sqrt(1 - at**2) * z)
        return s**2 * float(w @ (value(s * z)[:, None] * value(v)) @ w) / float(m.second)

    near = 1e-2 if name == "selu" else 1e-6  # Gauss-Hermite nodes do not see a kink
    for begin, layers in ((0.3, 1), (0.3, 4), (-0.6, 2)):
        due = recursion(lambda at: float(m.correlation(at)), slope, begin, layers)
        assert m.tangent(layers, begin) == pytest.approx(due, rel=near)
    assert m.tangent_error < 1e-9


def test_the_kernel_is_that_of_a_wide_network() -> None:
    """Jacobian times Jacobian of two hidden layers of 1024 and a linear one; fluctuations are of 1/sqrt(1024)."""
    width, m = 1024, found("erf")
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(2, 256, generator=generator, dtype=torch.float64)
    inputs = [v / v.norm() * 16 for v in (a, a + 0.8 * b)]
    c0 = float(inputs[0] @ inputs[1]) / 256
    sizes = (256, width, width, 1)
    weights = [torch.randn(n, k, generator=generator, dtype=torch.float64, requires_grad=True)
               for k, n in pairwise(sizes)]  # fmt: skip

    def jacobian(at: torch.Tensor) -> torch.Tensor:
        for k, weight in enumerate(weights):
            at = weight @ at / math.sqrt(weight.shape[1]) * (1 if k == 0 else 1 / math.sqrt(float(m.second)))
            at = torch.erf(at) if k < 2 else at
        return torch.cat([g.flatten() for g in torch.autograd.grad(at[0], weights)])

    one, other = map(jacobian, inputs)
    assert float(one @ one) == pytest.approx(m.tangent(2), rel=0.15)
    assert float(one @ other) == pytest.approx(m.tangent(2, c0), rel=0.15)


def test_what_is_wrong_with_a_tangent_kernel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tangent, "derivative", lambda f: sp.diff(f, x) * sp.Rational(999999, 10**6))
    with pytest.raises(Contradiction, match="by quadrature"):
        maps("gelu").tangent(3)
    with pytest.raises(Divergent, match="no neural tangent kernel: F jumps"):
        maps("Heaviside(x)").tangent(3)


def test_what_has_no_maps_is_refused() -> None:
    with pytest.raises(Divergent, match="outgrows"):
        maps("exp(x**2/3)")
    with pytest.raises(NoClosedForm, match="kinks"):
        maps("Max(0, sin(x))")
    with pytest.raises(BadTarget, match="declared functions"):
        maps(np.tanh)
    step = maps("Heaviside(x - 1)")
    assert step.slope_at_one is step.kappa is None
    data = json.loads(json.dumps(explained.data(step), allow_nan=False))
    assert data["slope_at_one"] is data["tangent"] is None
    assert "none: Heaviside(x - 1) has no neural tangent kernel" in explained.plain(step)
    with pytest.raises(LearnactError, match=r"cannot draw a \.bmp"):
        explained.picture(step, ".bmp")
    assert explained.picture(found("erf"), ".png").startswith(b"\x89PNG")


def test_the_committed_page_is_what_the_compiler_prints() -> None:
    assert (ROOT / "docs/maps.md").read_text(encoding="utf-8") == explained.page()
