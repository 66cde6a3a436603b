"""Fits of all parameters, from the declaration alone: against optimizers that share nothing with it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from plain_numpy import objective, shape
from scipy.optimize import minimize

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.laws import Exponential, Law, Normal, Uniform
from learnact.compiler.derive import StartDerivation, derive, start
from learnact.compiler.derive.fit.separable import Separable
from learnact.compiler.resolve.expression import reference
from learnact.compiler.resolve.registry import resolve
from learnact.errors import NoStart, UnknownName

STEP = 1e-3  # of a parameter, relative to 1 and its size: the objective rises by its square
CLOSE = 1e-6  # of errors that two quadratures give
FOUND = 1e-4  # of objectives at one minimum: simplices stop there

STANDARD = Normal()


def split(spec: str, flat: np.ndarray) -> dict[str, list[float]]:
    lengths = [len(v.symbols) for v in resolve(spec).parameters]
    parts = np.split(flat, np.cumsum(lengths)[:-1])
    return {v.name: list(p) for v, p in zip(resolve(spec).parameters, parts, strict=True)}


def flat(found: StartDerivation) -> np.ndarray:
    return np.array([float(evaluate(v)) for values in found.values.values() for v in values])


CASES = [
    ("swish", "gelu", STANDARD),
    ("threshold", "silu", Normal(2)),
    ("xielu", "silu", STANDARD),
    ("prelu", "tanh", Uniform(2)),
    ("sinusoid", "tanh", STANDARD),
    ("laguerre:3", "silu", Exponential(1)),
    ("fourier_free:2", "tanh", STANDARD),
    ("rational:3", "silu", STANDARD),
    ("rbf:3", "gelu", STANDARD),
]


@pytest.mark.parametrize(("spec", "name", "law"), CASES, ids=str)
def test_nothing_near_a_free_fit_is_closer(spec: str, name: str, law: Law) -> None:
    found = start(resolve(spec), f"free_{name}", law)
    values = flat(found)
    here = objective(shape(spec, split(spec, values)), name, law)
    rng = np.random.default_rng(3)
    for move in (*np.eye(len(values)), *rng.normal(size=(3, len(values)))):
        for sign in (1, -1):
            moved = values + sign * STEP * move * (1 + np.abs(values))
            assert objective(shape(spec, split(spec, moved)), name, law) >= here * (1 - CLOSE)


@pytest.mark.parametrize(("spec", "name", "law"), [CASES[0], CASES[4]], ids=str)
def test_a_simplex_from_many_points_finds_nothing_closer(spec: str, name: str, law: Law) -> None:
    here = objective(shape(spec, split(spec, flat(start(resolve(spec), f"free_{name}", law)))), name, law)
    rng = np.random.default_rng(5)

    def of(values: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            there = objective(shape(spec, split(spec, np.clip(values, -20, 20))), name, law)
        return there if np.isfinite(there) else 1e9

    for _ in range(2):
        begin = rng.normal(size=len(resolve(spec).symbols))
        other = minimize(of, begin, method="Nelder-Mead", options={"maxfev": 60})
        assert other.fun >= here * (1 - FOUND)


def test_learned_frequencies_come_far_closer_than_fixed_ones() -> None:
    fixed, found = (start(resolve("fourier_free:2"), n) for n in ("tanh", "free_tanh"))
    assert found.errors.value < fixed.errors.value / 4
    assert found.errors.slope < fixed.errors.slope / 4


def test_a_linear_family_has_its_declared_fit() -> None:
    declared, found = (start(resolve("hermite:4"), n, Normal(sp.Rational(1, 2))) for n in ("gelu", "free_gelu"))
    assert np.allclose(flat(found), flat(declared), rtol=1e-6, atol=1e-7)


def test_an_expression_and_a_target_without_a_declared_fit() -> None:
    """a*mish(b*x) + c finds mish itself; its moments are those of mish. The root holds a number beyond 64 bits."""
    mine = reference("a*x*tanh(softplus(b*x)) + c*sqrt(1e25 + 1)/3e12", {"a": 2.0, "b": 0.5, "c": 1.0})
    found = derive(mine, free=["mish"]).start("free_mish")
    assert np.allclose(flat(found), [1, 1, 0], atol=1e-6)
    assert abs(float(found.moments.second) - 0.452342) < 1e-5
    assert found.errors.value < 1e-6


@pytest.mark.parametrize(
    ("spec", "name", "law", "says"),
    [
        ("swish", "relu", STANDARD, "a limit of the family"),
        ("threshold", "relu", STANDARD, "a limit of the family"),
        ("sinusoid", "relu", STANDARD, "a limit of the family"),
        ("even:2", "tanh", STANDARD, "than a constant is"),
        ("tropical:3", "gelu", STANDARD, "bends where its parameters say"),
        ("gelu", "silu", STANDARD, "no parameters"),
        ("swish", "gelu", Normal(1000), "choose a smaller sigma"),
        ("swish", "gelu", Normal(sp.Symbol("sigma", positive=True)), "give sigma"),
    ],
)
def test_what_does_not_exist_is_missing_with_a_reason(spec: str, name: str, law: Law, says: str) -> None:
    with pytest.raises(NoStart, match=says):
        start(resolve(spec), f"free_{name}", law)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UnknownName, match="geluu"):
        start(resolve("swish"), "free_geluu")


def test_the_same_bytes_twice_and_a_wrong_jacobian_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = (start(resolve("rational:3"), "free_tanh") for _ in range(2))
    assert first.values == again.values
    solved = Separable._solved

    def planted(self: Separable, values: np.ndarray) -> object:
        found = solved(self, values)
        return found and (*found[:2], -found[2])

    monkeypatch.setattr(Separable, "_solved", planted)
    with pytest.raises(NoStart, match=r"converge|constant|limit"):
        start(resolve("swish"), "free_gelu")
