"""Maps of length and correlation: published closed forms, product rules in the plane, sampling, and limits at c = 1."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from numpy.polynomial.hermite_e import hermegauss

from learnact import maps
from learnact.compiler.analyse import maps as room
from learnact.compiler.analyse.double import in_double
from learnact.compiler.analyse.dual import c, dual
from learnact.compiler.analyse.maps import Maps
from learnact.compiler.analyse.subject import subject_of
from learnact.compiler.declare.laws import Normal
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
        monkeypatch.setattr(room, "dual", lambda f, s, p=planted: p(dual(f, s)))
        with pytest.raises(Contradiction, match="closed form"):
            maps("relu")


def test_what_has_no_maps_is_refused() -> None:
    with pytest.raises(Divergent, match="outgrows"):
        maps("exp(x**2/3)")
    with pytest.raises(NoClosedForm, match="kinks"):
        maps("Max(0, sin(x))")
    with pytest.raises(BadTarget, match="declared functions"):
        maps(np.tanh)
    step = maps("Heaviside(x - 1)")
    assert step.slope_at_one is step.kappa is None
    assert json.loads(json.dumps(explained.data(step), allow_nan=False))["slope_at_one"] is None
    with pytest.raises(LearnactError, match=r"cannot draw a \.bmp"):
        explained.picture(step, ".bmp")
    assert explained.picture(found("erf"), ".png").startswith(b"\x89PNG")


def test_the_committed_page_is_what_the_compiler_prints() -> None:
    assert (ROOT / "docs/maps.md").read_text(encoding="utf-8") == explained.page()
