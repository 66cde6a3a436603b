"""`stretched_NAME`: with the input's scale in a buffer, coefficients stay those of sigma = 1 and do not cancel."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from modules import module_of

from learnact import Fixed, Normal, derive, start
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import gain, x
from learnact.compiler.emit import emit
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.resolve.sound import check
from learnact.compiler.verify import verify
from learnact.errors import BadDeclaration, UnknownName
from learnact.training.model.calibrate import assign

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)  # exact for F^2 of degree 16
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@cache
def class_of(spec: str, folder: Path) -> type[torch.nn.Module]:
    activation = resolve(spec)
    bare = replace(activation, family=replace(activation.family, fit=None))  # fits take long
    source = emit(bare)
    (folder / source.filename).write_text(source.text)
    return getattr(module_of(folder / source.filename), activation.names.cls)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stretched")


@pytest.mark.parametrize("spec", ["hermite:3", "fourier:2", "tropical:2"])
def test_a_start_is_that_of_sigma_one_in_units_of_sigma(spec: str) -> None:
    """F(x) = sigma f(x/sigma), f the start at sigma = 1: all moments follow, and are checked in numbers."""
    at_one = start(spec, "balanced")
    found = start(f"stretched_{spec}", "balanced", sigma="0.2", preserve=True)
    assert found.pop("unit") == (0.2,)
    assert {n: pytest.approx(v, rel=1e-12) for n, v in at_one.items()} == found
    moments = derive(f"stretched_{spec}", Normal(sp.Rational(1, 5)), preserve=True).start("balanced").moments
    assert float(moments.second) == pytest.approx(0.04, rel=1e-12)
    assert float(moments.slope_second) == pytest.approx(1, rel=1e-12)


def test_fits_are_to_the_same_function() -> None:
    for preserve in (False, True):
        plain, stretched = (start(s + "hermite:4", "gelu", sigma="0.4", preserve=preserve) for s in ("", "stretched_"))
        f, g = (resolve(s + "hermite:4") for s in ("", "stretched_"))
        difference = f.function.xreplace(f.assign(plain)) - g.function.xreplace(g.assign(stretched))
        assert max(abs(c) for c in sp.Poly(sp.expand(difference), x).coeffs()) < 1e-12
    assert start("stretched_hermite:3", "shaped", curvature="0.1", sigma="0.2", preserve=True)["unit"] == (0.2,)
    twice = start("stretched_hermite:3", "balanced", sigma="0.2", factor=2)
    assert twice["unit"] == (0.2,)


@pytest.mark.parametrize(("degree", "sigma", "plain"), [(5, 0.1, 3e-4), (8, 0.2, 2e-4)])
def test_float32_and_bfloat16_keep_what_cancellation_took(
    degree: int, sigma: float, plain: float, folder: Path
) -> None:
    """Largest error over three sigma in float32, relative to sigma, and E[F^2]/sigma^2 with bfloat16 parameters."""
    error, second = {}, {}
    for form in ("", "stretched_"):
        spec = f"{form}hermite:{degree}"
        values = start(spec, "balanced", sigma=sigma, preserve=True)
        modules = [class_of(spec, folder)(dtype=t) for t in (torch.float64, torch.float32, torch.bfloat16)]
        for module in modules:
            assign(module, values)
        at = torch.linspace(-3 * sigma, 3 * sigma, 4001)
        with torch.no_grad():
            error[form] = float((modules[1](at).double() - modules[0](at.double())).abs().max()) / sigma
            second[form] = float(np.dot(WEIGHTS, modules[2](torch.tensor(NODES * sigma)).numpy() ** 2)) / sigma**2
    assert error["stretched_"] < 2e-6  # some ulp of values up to 8 sigma
    assert error[""] > plain
    assert abs(second["stretched_"] - 1) < 0.01  # a bfloat16 is right to 0.4 %
    assert abs(second[""] - 1) > 0.1


def test_the_unit_is_a_buffer_that_does_not_learn(folder: Path) -> None:
    cls = class_of("stretched_hermite:3", folder)
    module = cls(4, channel_dim=1)
    assert [n for n, _ in module.named_parameters()] == ["coefficients"]
    assert {n: tuple(t.shape) for n, t in module.state_dict().items()} == {"coefficients": (4, 4), "unit": (1, 4)}
    assign(module, start("stretched_hermite:3", "balanced", sigma="0.3", preserve=True))
    twin = copy.deepcopy(module).to(torch.float64)
    assert twin.unit.dtype == torch.float64
    twin.unit.fill_(2.0)
    assert module.unit.tolist() == [[pytest.approx(0.3)] * 4]
    empty = cls(4, device="meta").to_empty(device="cpu")
    empty.load_state_dict(module.state_dict())
    assert empty.unit.equal(module.unit)
    leaf = torch.randn(5, 4, 3, requires_grad=True)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    runs = [torch.autograd.grad(call(leaf).sin().sum(), [leaf, module.coefficients]) for call in (module, compiled)]
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(*runs, strict=True))
    assert module.unit.grad is None
    assert not module.unit.requires_grad


MUTANTS = {
    "a unit that learns": ("names", 'self.register_buffer("unit", ', "self.unit = nn.Parameter("),
    "a unit that is not saved": ("state_dict", "device=device, dtype=dtype))\n        self.reset",
                                 "device=device, dtype=dtype), persistent=False)\n        self.reset"),
    "a unit that keeps its start": ("reset_parameters", "parameter = getattr(self, name)\n",
                                    "parameter = getattr(self, name)\n            if name == 'unit' and "
                                    "not parameter.is_meta and not (parameter == parameter).all(): continue\n"),
    "a slope without the unit": ("slope_fp64", "torch.mul(rise, rate, out=part)", "part.copy_(rise)"),
    "x without the unit": ("value_fp64", "part.to(matrix.dtype) * rate", "part.to(matrix.dtype)"),
    "weights without the unit": ("value_fp64", "h_weights = coefficients * unit", "h_weights = coefficients + 0.0"),
    "no turn": ("parameter_gradients_fp64", "turn += ", "turn -= "),
}  # fmt: skip


@pytest.mark.parametrize("name", ["", *MUTANTS])
def test_the_referee_sees_what_is_wrong_with_a_unit(name: str, folder: Path, tmp_path: Path) -> None:
    class_of("stretched_hermite:3", folder)
    text = (folder / "stretched_hermite3.py").read_text()
    activation = resolve("stretched_hermite:3")
    bare = replace(activation, family=replace(activation.family, fit=None))
    every, old, new = MUTANTS[name] if name else (sorted({m[0] for m in MUTANTS.values()}), "", "")
    assert old in text
    (tmp_path / "stretched_hermite3.py").write_text(text.replace(old, new) if name else text)
    checks = [every] if isinstance(every, str) else every
    report = verify(bare, tmp_path / "stretched_hermite3.py", quick=True, only=checks)
    assert (set(report.failed) - {"header"} == {every}) if name else report.ok, report.table()


def test_what_cannot_be_stretched_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="a parameter of pwlu stretches its grid"):
        resolve("stretched_pwlu:4")
    with pytest.raises(UnknownName, match="stretched_gelu"):
        resolve("stretched_gelu")

    def declared(value: sp.Expr) -> Activation:
        values = {"a": gain, "size": value}
        return Family(
            name="waves",
            title="Waves",
            parameters={"a": 1, "size": Fixed()},
            function=lambda p, _: p.a * p.size * sp.sin(x / p.size),
            starts={"given": Start(lambda n, law: values)},
            degrees=None,
        ).at()

    assert check(declared(sp.Integer(2))).symbols[1].is_positive
    with pytest.raises(BadDeclaration, match="size is fixed and must be positive, found the value -1"):
        check(declared(sp.Integer(-1)))
