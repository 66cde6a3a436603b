"""Forms of other families: `scaled_NAME` and `residual_NAME:n`, and names of files back to SPECs."""

from __future__ import annotations

import pytest
import sympy as sp

from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import start
from learnact.compiler.resolve.registry import family, family_names, is_family, resolve, spec_of_slug
from learnact.errors import BadDeclaration, BadDegree, UnknownName

SIGMA = sp.Rational(11, 20)


@pytest.mark.parametrize("name", ["scaled_swish", "scaled_snake", "scaled_gelu", "residual_gelu:2", "residual_elu:3"])
def test_the_balanced_start_stretches_and_balances(name: str) -> None:
    """F(sigma z) is the same function of z whatever sigma is, so its moments are those under N(0, 1)."""
    activation = resolve(name)
    found = start(activation, "balanced", Normal(SIGMA), preserve=False)
    assert found.kind == "balanced"
    assert found.values["stretch"] == (1 / SIGMA,)
    plain = start(activation, "raw", Normal())
    own = family(name.partition(":")[0].removeprefix("scaled_").removeprefix("residual_"))
    at_raw = activation.function.xreplace(activation.assign({k: list(v) for k, v in plain.values.items()}))
    shipped = own.at().at_start(next(iter(own.starts)))
    assert all(sp.N(at_raw.subs(x, p) - shipped.subs(x, p), 20) == 0 for p in (-2, sp.Rational(1, 3), 1))


def test_the_correction_starts_at_zero_and_is_orthogonal() -> None:
    """Its terms have E[He_j(u) He_k(u)]/sqrt(j! k!) = 1 for j = k, else 0."""
    activation = resolve("residual_relu:3")
    values = start(activation, "balanced", Normal()).values["corrections"]
    assert values[0] != 0
    assert values[1:] == (0, 0, 0)
    plain = {sp.Symbol(n, real=True): sp.S.One for n in ("scale", "stretch")}
    terms = [sp.diff(activation.function.xreplace(plain), s) for s in activation.symbols if "corr" in s.name]
    density = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    grams = [[sp.integrate(sp.expand(p * q) * density, (x, -sp.oo, sp.oo)) for p in terms[:3]] for q in terms[:3]]
    assert sp.simplify(sp.Matrix(grams)) == sp.eye(3)


def test_what_has_a_gain_of_its_own_is_not_scaled() -> None:
    with pytest.raises(BadDeclaration, match="a gain or a shift of its own"):
        resolve("scaled_hermite:3")
    with pytest.raises(BadDeclaration, match="has a parameter 'offset' already"):
        resolve("scaled_scaled_gelu")
    with pytest.raises(UnknownName, match="nothing"):
        resolve("scaled_nothing")
    with pytest.raises(UnknownName, match="swish"):
        resolve("residual_swish:3")
    with pytest.raises(BadDegree, match="needs a degree"):
        resolve("residual_gelu")


@pytest.mark.parametrize(
    ("slug", "spec"),
    [
        ("hermite3", "hermite:3"),
        ("sinusoid", "sinusoid"),
        ("relu2", "relu2"),
        ("scaled_leaky_relu2", "scaled_leaky_relu2"),
        ("residual_relu23", "residual_relu2:3"),
        ("residual_relu12", "residual_relu:12"),
        ("hermite03", "hermite03"),
        ("hermite99", "hermite99"),
        ("nothing7", "nothing7"),
    ],
)
def test_the_name_of_a_file_gives_its_spec(slug: str, spec: str) -> None:
    assert spec_of_slug(slug) == spec


def test_every_name_that_is_known_is_found() -> None:
    for name in (*family_names(), "gelu", "scaled_gelu", "scaled_prelu", "residual_tanh"):
        assert is_family(name)
        assert family(name).name == name
    assert not any(map(is_family, ("nothing", "residual_hermite", "residual_scaled_gelu", "")))
