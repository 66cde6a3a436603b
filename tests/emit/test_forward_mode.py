"""Forward mode: which derivative counts at ties, half types, and that it is seen in every nesting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.func import grad, jacfwd, jacrev, jvp, vmap

from learnact import load
from learnact.compiler.resolve.expression import from_expression

STARTS = {"a": 0.5, "b": 2.0}
KINKED = {
    "a*Max(x, 0)": [-1.0, 0.0, 2.0],
    "a*Min(x, 1)": [0.0, 1.0, 2.0],
    "a*Max(x, -x)": [-1.0, 0.0, 1.0],
    "Max(a*x, b*x, -1)": [-3.0, -2.0, -0.5, 0.0, 1.0],
    "Min(a*x, b*x)*Max(x, 2)": [-1.0, 0.0, 2.0, 3.0],
    "Max(a*x, b*x)/(1 + Max(a*x, b*x)**2)": [-1.0, 0.0, 2.0],
    "a*Abs(x) + b*x*Heaviside(x)": [-1.0, 0.0, 1.0],
    "Piecewise((a*x, x < 0), (x**2, x < 1), (b*x, True))": [-1.0, 0.0, 0.5, 1.0, 2.0],
}


@pytest.mark.parametrize("expr", KINKED)
def test_at_ties_and_kinks_every_mode_takes_the_same_derivative(expr: str) -> None:
    module = load(from_expression(expr, {k: v for k, v in STARTS.items() if k in expr}, "Kinked"))(dtype=torch.float64)
    x = torch.tensor(KINKED[expr], dtype=torch.float64)
    slope = vmap(grad(module))(x)
    assert torch.allclose(jvp(module, (x,), (torch.ones_like(x),))[1], slope, rtol=1e-15, atol=0)
    assert torch.allclose(vmap(jacfwd(module))(x), slope, rtol=1e-15, atol=0)
    second = vmap(grad(grad(module)))(x)
    for nested in (jacfwd(jacfwd(module)), jacfwd(grad(module)), grad(jacfwd(module))):
        assert torch.allclose(vmap(nested)(x), second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", ["hermite:3", "fourier:3", "tropical:3", "tropical_rational:3"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_forward_mode_rounds_once(spec: str, dtype: torch.dtype) -> None:
    module = load(spec)(dtype=dtype)
    x = torch.linspace(-3, 3, 50).to(dtype)
    value, tangent = jvp(module, (x,), (torch.ones_like(x),))
    assert value.dtype == tangent.dtype == dtype
    wide = load(spec)(dtype=torch.float64)
    wide.load_state_dict(module.state_dict())
    for found, true in zip((value, tangent), jvp(wide, (x.double(),), (torch.ones_like(x).double(),)), strict=True):
        eps = max(torch.finfo(dtype).eps, 100 * torch.finfo(torch.float32).eps * (dtype == torch.float32))
        assert ((found.double() - true).abs() <= eps * (true.abs() + 1e-2)).all()


def test_a_fake_tensor_has_tangents_too() -> None:
    """Asking a real tensor under FakeTensorMode would leave torch's autograd broken for the process."""
    module = load("tropical:3")()
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.randn(3)
        value, tangent = jvp(module, (x,), (x,))
    assert value.shape == tangent.shape == (3,)
    x = torch.randn(3, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None


def test_nan_and_infinity_pass_as_they_do_without_tangents() -> None:
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e300], dtype=torch.float64)
    for spec in ("hermite:3", "tropical:3"):
        module = load(spec)(dtype=torch.float64)
        assert torch.equal(jvp(module, (x,), (torch.ones_like(x),))[0].nan_to_num(7.0), module(x).nan_to_num(7.0))


@pytest.mark.parametrize("spec", ["hermite:3", "tropical:3"])
def test_forward_mode_is_seen_in_every_nesting_and_nowhere_else(spec: str) -> None:
    module = load(spec)(dtype=torch.float64)
    leave_to_autograd = module.forward.__func__.__globals__["_leave_to_autograd"]
    seen: list[bool] = []

    def f(t: Tensor) -> Tensor:
        seen.append(leave_to_autograd())
        return module(t)

    def seen_in(call: Callable[[], object]) -> set[bool]:
        seen.clear()
        call()
        return set(seen)

    x, one = torch.tensor(0.5, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    many = torch.linspace(-1, 1, 3, dtype=torch.float64)
    forward: list[Callable[[], object]] = [
        lambda: jvp(f, (x,), (one,)),
        lambda: jacfwd(f)(x),
        lambda: vmap(jacfwd(f))(many),
        lambda: jacfwd(vmap(f))(many),
        lambda: vmap(jacfwd(jacrev(f)))(many),
        lambda: jacrev(jacfwd(f))(x),
    ]
    assert all(seen_in(call) == {True} for call in forward)
    reverse: list[Callable[[], object]] = [
        lambda: f(x),
        lambda: grad(f)(x),
        lambda: vmap(jacrev(f))(many),
        lambda: f(many.requires_grad_()).sum().backward(),
    ]
    assert all(seen_in(call) == {False} for call in reverse)
    with dual_level():
        assert unpack_dual(f(make_dual(x, one))).tangent is not None
    assert seen[-1]
    f(x)
    assert not seen[-1]
