"""Activation functions that have a name: torch's classes and functions, and values to know others by.

A function is known by its values on a grid. It is pointwise if each value depends on the one entry at its place: the
values stay with their entries when those are permuted, reshaped, or taken without the others.
"""

from __future__ import annotations

import functools
import math
import types
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  as everyone writes it

HIDDEN: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Hardswish,
)
"""What torch offers as hidden activations. Tanh, Sigmoid and Softmax are not among them: they gate and normalize."""

GATES: tuple[type[nn.Module], ...] = (
    nn.Tanh,
    nn.Sigmoid,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.LogSigmoid,
    nn.Softsign,
    nn.Tanhshrink,
    nn.Softshrink,
    nn.Hardshrink,
    nn.Threshold,
    nn.GLU,
)
"""Pointwise modules of torch that bound, gate or shrink; swapped only where a match asks for them."""

FUNCTIONS: Mapping[object, str] = {
    **{
        getattr(F, name): f"F.{name}"
        for name in (
            "relu relu_ relu6 leaky_relu leaky_relu_ prelu rrelu rrelu_ elu elu_ celu celu_ selu selu_ gelu silu mish "
            "softplus hardswish"
        ).split()
    },
    **{getattr(torch, name): f"torch.{name}" for name in "relu relu_ prelu rrelu rrelu_ celu celu_ selu selu_".split()},
    torch.Tensor.relu: "Tensor.relu",
    torch.Tensor.relu_: "Tensor.relu_",
    torch.Tensor.prelu: "Tensor.prelu",
}
"""Function of torch that computes a hidden activation -> how it is written."""

WORDS = ("relu", "gelu", "silu", "swish", "mish", "selu", "elu", "softplus")
"""A Python function held as an attribute is tried on the grid only if one of these is in its name."""

_POINTS = torch.cat([torch.linspace(-8, 8, 161), torch.tensor([-100.0, -30.0, -12.0, 12.0, 30.0, 100.0])])
"""167 float32 numbers, 0 and the kinks of the known functions among them: 6, -3, 3."""

AGREEMENT = 2e-5
"""Largest difference on the grid, relative to 1 + |x|, of two ways to compute one function in float32."""


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _fast_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _laplace(x: Tensor) -> Tensor:
    return 0.5 * (1.0 + torch.erf((x - 0.707107) / (0.282095 * math.sqrt(2.0))))


_HIDDEN_BY_VALUE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "GELU": F.gelu,
    "GELU (tanh)": _fast_gelu,
    "quick GELU": _quick_gelu,
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "squared ReLU": lambda x: F.relu(x).square(),
    "ELU": F.elu,
    "SELU": F.selu,
    "SiLU": F.silu,
    "Mish": F.mish,
    "softplus": F.softplus,
    "hard swish": F.hardswish,
    "Laplace": _laplace,
}
_GATES_BY_VALUE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard sigmoid": F.hardsigmoid,
    "hard tanh": F.hardtanh,
    "softsign": F.softsign,
    "log sigmoid": F.logsigmoid,
}


@cache
def _tables() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    hidden = {name: function(_POINTS) for name, function in _HIDDEN_BY_VALUE.items()}
    return hidden, {name: function(_POINTS) for name, function in _GATES_BY_VALUE.items()}


def values(function: Callable[[Tensor], Any]) -> Tensor | None:
    """F on the grid, float32 of shape (167,), if `function` is pointwise; None otherwise, also where it raises.

    `function` gets copies, so it may work in place. Random numbers that it draws are drawn from a forked state.
    """
    shuffled = torch.randperm(len(_POINTS), generator=torch.Generator().manual_seed(0))
    every_third, in_rows = torch.arange(0, len(_POINTS), 3), torch.arange(8, 44).view(6, 6)
    views = (shuffled, every_third, in_rows, torch.arange(160).view(5, 1, 32))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = function(_POINTS.clone())
            if not (isinstance(whole, Tensor) and whole.shape == _POINTS.shape and whole.is_floating_point()):
                return None
            whole = whole.float().cpu()
            for view in views:
                part = function(_POINTS[view].clone())
                if part.shape != view.shape or not _agree(part.float().cpu(), whole[view], _POINTS[view]):
                    return None
    except Exception:
        return None  # whatever it is, it takes no tensor of any shape
    return whole


def name_of(found: Tensor) -> tuple[str, bool] | None:
    """Name of the function with these values on the grid, and whether it is a hidden activation; None if unknown."""
    hidden, gates = _tables()
    for table, is_hidden in ((hidden, True), (gates, False)):
        for name, expected in table.items():
            if _agree(found, expected, _POINTS):
                return name, is_hidden
    slope = found[_POINTS == -8.0].item() / -8.0
    if 0 < slope < 1 and _agree(found, F.leaky_relu(_POINTS, slope), _POINTS):
        return "leaky ReLU", True
    return None


def is_affine(found: Tensor) -> bool:
    """Whether the values are those of a x + b, which activates nothing."""
    left, right = found[_POINTS == -8.0], found[_POINTS == 8.0]
    line = left + (right - left) * (_POINTS + 8.0) / 16.0
    return _agree(found, line, _POINTS)


def function_name(function: object) -> str | None:
    """How a function held by a module is written, if it is a hidden activation: of torch, a partial, or by values."""
    if isinstance(function, functools.partial):
        inner = function_name(function.func)
        return None if inner is None else f"partial({inner})"
    try:
        if function in FUNCTIONS:
            return FUNCTIONS[function]
    except TypeError:  # not hashable
        return None
    if isinstance(function, types.FunctionType) and any(word in function.__name__.lower() for word in WORDS):
        found = values(function)
        known = None if found is None else name_of(found)
        return function.__name__ if known is not None and known[1] else None
    return None


def _agree(found: Tensor, expected: Tensor, at: Tensor) -> bool:
    return bool(((found - expected).abs() <= AGREEMENT * (1.0 + at.abs())).all())
