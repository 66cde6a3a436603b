"""Classical functions: without parameters, and scaled; against torch's own, through the referee, and their moments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import sympy as sp
import torch
from modules import module_of
from torch import Tensor, nn
from torch.nn import functional

from learnact import classical_names, derive, emit, load, start, verify
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadExpression, LearnactError, UnknownName

OF_TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "relu2": lambda x: functional.relu(x).square(),
    "leaky_relu2": lambda x: functional.leaky_relu(x, 0.5).square(),
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: functional.softplus(x, threshold=40.0),
    "softsign": functional.softsign,
    "elu": functional.elu,
    "selu": functional.selu,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": lambda x: functional.relu6(x + 3) / 6,  # of torch's own ones the slope in float64 has eight digits
    "hardswish": lambda x: x * functional.relu6(x + 3) / 6,
    "serf": lambda x: x * torch.erf(functional.softplus(x, threshold=40.0)),
    "erf": torch.erf,
    "gaussian": lambda x: torch.exp(-x.square() / 2),
    "sine": torch.sin,
}
KINKS = {"relu": 0.0, "relu6": 0.0, "leaky_relu": 0.0, "elu": 0.0, "selu": 0.0}
NOT_SOLVABLE = {"softplus", "sigmoid", "hardsigmoid"}


@pytest.mark.parametrize("name", classical_names())
def test_value_and_slope_are_those_of_torch(name: str) -> None:
    act = load(name)()
    x = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    x = x[x.abs() > 1e-9] if name in KINKS else x
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, wanted = act(ours), OF_TORCH[name](theirs)
    torch.testing.assert_close(y, wanted, rtol=1e-13, atol=1e-14)
    smooth = [torch.autograd.grad(out.sum(), leaf)[0] for out, leaf in ((y, ours), (wanted, theirs))]
    away = (x.abs() - 1).abs() > 1e-9  # hardtanh's kinks, and those of the hard sigmoid
    away &= ((x.abs() - 3).abs() > 1e-9) & ((x - 6).abs() > 1e-9)
    torch.testing.assert_close(smooth[0][away], smooth[1][away], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("name", ["gelu", "relu6", "sine", "softplus", "leaky_relu2"])
def test_a_file_without_parameters_is_verified(name: str, lean: bool, tmp_path: Path) -> None:
    path = tmp_path / emit(Declaration(spec=name, lean=lean), tmp_path).filename
    report = verify(path, quick=True)
    assert report.ok, report
    module = module_of(path)
    cls = getattr(module, resolve(name).names.cls)
    assert not list(cls().parameters())
    assert not cls().state_dict()
    assert not hasattr(module, "STARTS")
    assert not inspect.signature(getattr(module, name)).parameters.keys() - {"x"}
    assert not cls.learnable_activation


def test_the_referee_sees_a_wrong_number_in_a_file_without_parameters(tmp_path: Path) -> None:
    path = tmp_path / emit(Declaration(spec="mish"), tmp_path).filename
    text = path.read_text()
    for right, wrong in (("tanh1 + _sech2(", "tanh1 - _sech2("), ("* x\n", "* x * 1.0001\n")):
        assert right in text
        path.write_text(text.replace(right, wrong, 1))
        found = {c.name for c in verify(path, quick=True).checks if not c.passed}
        assert found & {"slope_fp64", "value_fp64"}, found


def test_an_expression_may_have_no_parameters(tmp_path: Path) -> None:
    emit(Declaration(expr="x*exp(-x**2)", name="Wave"), tmp_path)
    assert verify(tmp_path / "wave.py", quick=True).ok


def test_kernels_need_parameters(tmp_path: Path) -> None:
    with pytest.raises(BadExpression, match="mish has no parameters"):
        emit(Declaration(spec="mish", backend="both"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", classical_names())
def test_the_scaled_form_starts_balanced_at_any_sigma(name: str) -> None:
    for sigma in ("1/5", "3"):
        try:
            values = start(f"scaled_{name}", "balanced", sigma=sigma, preserve=True)
        except LearnactError:
            assert name in NOT_SOLVABLE
            continue
        act = load(f"scaled_{name}")(dtype=torch.float64)
        with torch.no_grad():
            for key, value in values.items():
                getattr(act, key).copy_(torch.tensor([float(v) for v in value]))
        s = float(eval_fraction(sigma))
        z = torch.linspace(-10, 10, 400_001, dtype=torch.float64)
        weight = torch.exp(-z.square() / 2)
        weight = weight / weight.sum()
        x = (s * z).requires_grad_()
        y = act(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        assert abs(float((weight * y.detach().square()).sum()) / s**2 - 1) < 1e-6
        if name not in NOT_SOLVABLE:
            assert abs(float((weight * slope.square()).sum()) - 1) < 1e-4, name


def eval_fraction(text: str) -> float:
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def test_raw_is_the_function_itself() -> None:
    x = torch.randn(50, dtype=torch.float64)
    assert torch.equal(load("scaled_silu")(init="raw", dtype=torch.float64)(x), load("silu")()(x))


def test_moments_of_relu_are_known() -> None:
    (found,) = derive("relu").starts
    assert (found.moments.second.value, found.moments.slope_second.value) == (sp.S.Half, sp.S.Half)


def test_an_unknown_function_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="gelu_tanh"):
        load("gelu_tan")


def test_a_module_without_parameters_takes_its_place_in_a_model() -> None:
    from learnact import swap  # noqa: PLC0415

    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    swap(model, "mish", run=torch.randn(3, 4))
    assert type(model[1]).__name__ == "Mish"


def test_compiled_erf_has_its_digits_near_zero() -> None:
    """Inductor's own on a CPU is 0 up to 1e-7 and 6 % off at 1e-6."""
    x = torch.logspace(-12, 0, 400)
    exact = torch.special.erf(x.double())
    compiled = torch.compile(load("erf")(), fullgraph=True)
    for sign in (1.0, -1.0):
        found = sign * compiled(sign * x).double()
        assert float(((found - exact) / exact).abs().max()) < 1e-6  # above 1/4 it is Inductor's
    assert compiled(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(compiled(leaf).sum(), leaf)
    torch.testing.assert_close(slope.double(), 2 / torch.pi**0.5 * torch.exp(-x.double().square()), rtol=1e-6, atol=0)


def test_compiled_expm1_and_log1p_have_their_digits_near_zero() -> None:
    """Inductor's own expm1 on a CPU is 0 up to 1e-7; the file's is right from -inf to where exp overflows."""
    near = torch.logspace(-30, 0, 300)
    x = torch.cat([near, -near, torch.tensor([0.0, -20.0, -88.0, -1e4, -torch.inf, 50.0, 88.0, torch.inf])])
    for text, exact in (
        ("expm1(x) + 0*x if x < 90 else x", torch.expm1),
        ("log1p(abs(x))", lambda u: torch.log1p(u.abs())),
    ):
        act = load(Declaration(expr=text, name="Near"))()
        found, true = torch.compile(act, fullgraph=True)(x).double(), exact(x.double())
        true = torch.where(x < 90, true, x.double()) if "expm1" in text else true
        torch.testing.assert_close(found, true, rtol=5e-7, atol=0)
        torch.testing.assert_close(act(x.double()), true, rtol=4e-16, atol=0)
