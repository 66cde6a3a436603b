"""Eager CPU code works chunk by chunk: the same numbers as at once, whatever the layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from modules import module_of

SPECS = ("hermite:3", "fourier:3", "tropical_rational:2")
SMALL = 7  # elements in a chunk: less than any row below
SUM_ERROR = 1e-12  # fp64 sums of under 1e4 terms in another order


@pytest.fixture(params=SPECS)
def module(request: pytest.FixtureRequest, emitted_file: Callable[[str], Path]) -> ModuleType:
    return module_of(emitted_file(request.param))


def gradients(module: ModuleType, x: torch.Tensor, channels: int, channel_dim: int, cotangent: torch.Tensor) -> list:
    cls = getattr(module, module.__all__[0])
    act = cls(channels, channel_dim=channel_dim, dtype=x.dtype)
    y = act(x)
    assert y.shape == x.shape
    return [y, *torch.autograd.grad(y, [x, *act.parameters()], cotangent)]


LAYOUTS: dict[str, tuple[Callable[[], torch.Tensor], int, int]] = {
    "matrix": (lambda: torch.randn(13, 31), 1, -1),
    "vector": (lambda: torch.randn(1001), 1, -1),
    "one row": (lambda: torch.randn(1, 500), 1, -1),
    "transposed": (lambda: torch.randn(31, 13).T, 1, -1),
    "strided": (lambda: torch.randn(26, 62)[::2, ::2], 1, -1),
    "expanded": (lambda: torch.randn(13, 1).expand(13, 31), 1, -1),
    "channels last": (lambda: torch.randn(5, 4, 6, 7).to(memory_format=torch.channels_last), 1, -1),
    "channels at 1": (lambda: torch.randn(5, 4, 6, 7), 4, 1),
    "channels at the end": (lambda: torch.randn(9, 11, 4), 4, -1),
    "channels at 0": (lambda: torch.randn(4, 300), 4, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_chunks_change_nothing(module: ModuleType, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, channels, channel_dim = LAYOUTS[layout]
    torch.manual_seed(0)
    x = make().double().requires_grad_()
    cotangents = [torch.randn(x.shape, dtype=x.dtype), torch.ones((), dtype=x.dtype).expand(x.shape)]
    for cotangent in cotangents:
        whole = gradients(module, x, channels, channel_dim, cotangent)
        monkeypatch.setattr(module, "CHUNK", SMALL)
        parts = gradients(module, x, channels, channel_dim, cotangent)
        monkeypatch.undo()
        assert whole[0].stride() == parts[0].stride()
        for a, b in zip(whole, parts, strict=True):
            torch.testing.assert_close(a, b, rtol=SUM_ERROR, atol=SUM_ERROR)


def test_chunks_are_taken(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    value = module._value
    monkeypatch.setattr(module, "CHUNK", SMALL)
    monkeypatch.setattr(module, "_use_feature_matrix", lambda *_: False, raising=False)  # what a basis takes instead
    monkeypatch.setattr(module, "_value", lambda x, *p: calls.append(x.numel()) or value(x, *p))
    getattr(module, module.__all__[0])()(torch.randn(3, SMALL))
    assert calls == [SMALL] * 3


def test_second_derivatives_see_whole_tensors(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", SMALL)
    act = getattr(module, module.__all__[0])(dtype=torch.float64)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(act, (x,))
