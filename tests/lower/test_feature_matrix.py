"""Bases as feature matrices: exactly the declared features, and eager code that uses them where they serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sympy as sp
import torch
from modules import module_of

from learnact.compiler.declare.basis import Basis, Feature
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower import lower
from learnact.compiler.resolve.registry import resolve

EXACT = ("hermite:1", "hermite:7", "chebyshev:6", "legendre:12", "fourier:1", "fourier:7")
EMITTED = ("hermite:5", "legendre:4", "fourier:5")
ROUNDING = 1e-12  # fp64 sums of under 1e4 terms in another order


@pytest.mark.parametrize("spec", EXACT)
def test_rows_and_slopes_are_the_declared_ones_exactly(spec: str) -> None:
    program = lower(resolve(spec))
    assert program.feature_matrix is not None
    found: dict[sp.Expr, sp.Expr] = {x: x}
    features: dict[sp.Expr, sp.Expr] = {}
    for row in program.feature_matrix.steps:
        addend = found[row.addend] if row.addend is not None else 0
        product = row.factor * found[row.left] * found[row.right]
        found[row.symbol] = sp.expand(row.function if row.function is not None else addend + product)
        features[row.symbol] = row.scale * found[row.symbol]
    in_order = [found[s] for s in program.feature_matrix.order]
    true: dict[sp.Expr, sp.Expr] = {}
    for f in program.activation.features:
        true[f.symbol] = sp.expand(f.value.xreplace(true))
    for k, symbol in enumerate(program.feature_matrix.order):
        assert sp.expand(features[symbol] - true[symbol]) == 0
        slope = sum(factor * in_order[row] for weight, row, factor in program.feature_matrix.slopes if weight == k)
        assert vanishes(slope - sp.diff(true[symbol], x))


def vanishes(e: sp.Expr) -> bool:
    """Whether an expression in x, sin x and cos x is zero everywhere."""
    s, c = sp.symbols("s c")
    polynomial = sp.expand(sp.expand(e).subs({sp.sin(x): s, sp.cos(x): c}))
    return sp.expand(sp.rem(polynomial, s**2 + c**2 - 1, s)) == 0


def probe(*features: Feature) -> Activation:
    """Weights times the features."""
    length = len(features)
    true: dict[sp.Expr, sp.Expr] = {}
    for f in features:
        true[f.symbol] = f.value.xreplace(true)
    return Family(
        "probe",
        "Probe",
        {"a": lambda n: length},
        lambda p, n: sum(a * value for a, value in zip(p.a, true.values(), strict=True)),
        {"ones": Start(lambda n, law: {"a": [1] * length})},
        degrees=None,
        basis=Basis(lambda n: features, lambda p, n: p.a),
    ).at()


u, v, w = sp.symbols("u v w", real=True)
ODD = {
    "a factor that is no fraction": (Feature(u, sp.exp(x), u), Feature(v, sp.sqrt(2) * u**2, 2 * v)),
    "a quotient": (Feature(u, sp.exp(x), u), Feature(v, x, sp.S.One), Feature(w, v / u, 1 / u - w)),
    "three factors": (Feature(u, sp.exp(x), u), Feature(v, u**3, 3 * v)),
    "three terms": (Feature(u, sp.exp(x), u), Feature(v, u**2 + u + 1, 2 * u**2 + u)),
    "two of one value": (Feature(u, sp.S.One, sp.S.Zero), Feature(v, sp.S.One, sp.S.Zero), Feature(w, x, sp.S.One)),
    "a slope that is no sum": (Feature(u, sp.tanh(x), 1 - u**2),),
    "a call on more than x": (Feature(u, sp.exp(2 * x), 2 * u),),
}


@pytest.mark.parametrize("name", ODD)
def test_what_takes_more_than_an_operation_has_no_matrix(name: str) -> None:
    assert lower(probe(*ODD[name])).feature_matrix is None


@pytest.mark.parametrize("spec", ["tropical:3", "sinusoid", "fourier_free:2"])
def test_what_has_no_basis_has_no_matrix(spec: str) -> None:
    assert lower(resolve(spec)).feature_matrix is None


@pytest.fixture(params=EMITTED)
def module(request: pytest.FixtureRequest, emitted_file: Callable[[str], Path]) -> ModuleType:
    return module_of(emitted_file(request.param))


def answers(module: ModuleType, x: torch.Tensor, grad: torch.Tensor, act: torch.nn.Module) -> list[torch.Tensor]:
    y = act(x)
    return [y, *torch.autograd.grad(y, [x, *act.parameters()], grad)]


@pytest.fixture
def taken(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was computed by the feature matrix."""
    calls: list[str] = []
    for name in ("_value_by_matrix", "_gradients_by_matrix"):
        real: Any = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, name=name, real=real: calls.append(name) or real(*a))
    return calls


@pytest.mark.parametrize("shape", [(7, 11), (1,), (), (0,), (3, 0), (2, 3, 5)])
@pytest.mark.parametrize("chunk", [4, 1 << 16])
def test_the_matrix_gives_what_whole_tensors_give(
    module: ModuleType, taken: list[str], shape: tuple[int, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    act = getattr(module, module.__all__[0])(dtype=torch.float64)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    grads = [torch.randn(shape, dtype=torch.float64), torch.ones((), dtype=torch.float64).expand(shape)]
    for grad in grads:
        found = answers(module, x, grad, act)
        assert taken == ["_value_by_matrix", "_gradients_by_matrix"]
        taken.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, "_use_feature_matrix", lambda *_: False)
            expected = answers(module, x, grad, act)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            torch.testing.assert_close(a, b, rtol=ROUNDING, atol=ROUNDING)


class Labelled(torch.Tensor):
    """A subclass, of which a matrix in plain memory knows nothing."""


def test_the_matrix_is_left_where_it_does_not_serve(module: ModuleType, taken: list[str]) -> None:
    cls = getattr(module, module.__all__[0])
    act, by_channel = cls(), cls(3)
    x = torch.randn(4, 3)
    act(x.T)
    act(x.as_subclass(Labelled))
    by_channel(x)
    torch.vmap(act)(x)
    assert taken == []
    act(x)
    assert taken == ["_value_by_matrix"]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_trace_serves_other_sizes(module: ModuleType) -> None:
    act = getattr(module, module.__all__[0])()
    x = torch.randn(9, 5)
    torch.testing.assert_close(torch.jit.trace(act, x[:4])(x), act(x))


def test_batched_and_second_derivatives_do_without(module: ModuleType, taken: list[str]) -> None:
    act = getattr(module, module.__all__[0])(dtype=torch.float64)
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    y = act(x)
    grads = torch.randn(5, 3, 2, dtype=torch.float64)
    (batched,) = torch.autograd.grad(y, x, grads, is_grads_batched=True, retain_graph=True)
    assert taken == ["_value_by_matrix"]
    one_by_one = [torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in grads]
    torch.testing.assert_close(batched, torch.stack(one_by_one), rtol=ROUNDING, atol=ROUNDING)
    assert torch.autograd.gradgradcheck(act, (x,))


def test_tangents_pass_through_a_backward_without_a_graph(module: ModuleType) -> None:
    act = getattr(module, module.__all__[0])(dtype=torch.float64)
    x, tangent = torch.randn(2, 7, dtype=torch.float64)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.clone().requires_grad_(), tangent)
        (slope,) = torch.autograd.grad(act(dual).sum(), dual)
        found = torch.autograd.forward_ad.unpack_dual(slope).tangent
    (expected,) = torch.autograd.functional.hvp(lambda x: act(x).sum(), x, tangent)[1:]
    torch.testing.assert_close(found, expected, rtol=ROUNDING, atol=ROUNDING)


def test_the_default_device_is_not_taken_for_that_of_x(module: ModuleType) -> None:
    act, x = getattr(module, module.__all__[0])(), torch.randn(5, requires_grad=True)
    with torch.device("meta"):
        y = act(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    assert (y.device.type, slope.device.type) == ("cpu", "cpu")


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_leave_to_round_products_is_not_taken(module: ModuleType, taken: list[str], precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        getattr(module, module.__all__[0])()(torch.randn(5))
    finally:
        torch.set_float32_matmul_precision(before)
    assert taken == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_does_not_take_the_products_in_bfloat16(module: ModuleType, dtype: torch.dtype) -> None:
    act = getattr(module, module.__all__[0])()
    x = torch.randn(50, 20).to(dtype).requires_grad_()
    grad = torch.randn(50, 20).to(dtype)
    plain = answers(module, x, grad, act)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = answers(module, x, grad, act)
    for a, b in zip(plain, cast, strict=True):
        assert torch.equal(a, b)


def test_the_matrix_keeps_no_memory_between_calls(module: ModuleType) -> None:
    act = getattr(module, module.__all__[0])()
    first = act(torch.zeros(9))
    kept = first.detach().clone()
    act(torch.full((9,), 2.0))
    assert torch.equal(first, kept)
