"""Functions whose last bits are measured: as expressions, as float64 oracles, and as torch has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import torch
from torch import Tensor
from torch.nn import functional

Real = Callable[[Tensor], Tensor]
Exact = Callable[[mpmath.mpf], mpmath.mpf]


@dataclass(frozen=True)
class Function:
    """F and F' to the last bits of float64, and F with the digits of mpmath."""

    expr: str
    value: Real
    slope: Real
    exact: Exact
    torch: Real | None = None  # torch's own, in any dtype; None if it has none
    law: str | None = None
    positive: bool = False  # defined for x > 0 alone


def _sech2(u: Tensor) -> Tensor:
    z = torch.exp(-2 * u.abs())
    return 4 * z / (1 + z) ** 2


def _softplus(u: Tensor) -> Tensor:
    return torch.relu(u) + torch.log1p(torch.exp(-u.abs()))


def _density(u: Tensor) -> Tensor:
    return torch.exp(-u * u / 2) / math.sqrt(2 * math.pi)


def _normal(u: Tensor) -> Tensor:
    return torch.special.erfc(-u / math.sqrt(2)) / 2


def _tanh_softplus(u: Tensor) -> Tensor:
    """tanh(log(1 + z)) = z (2 + z)/(2 + z (2 + z)); for u > 0 both sides times exp(-2 u)."""
    z = torch.exp(-u.abs())
    left, right = z * (2 + z), 1 + 2 * z
    return torch.where(u < 0, left / (2 + left), right / (right + 2 * z * z))


def _mish_slope(u: Tensor) -> Tensor:
    t = _tanh_softplus(u)
    return t + u * torch.sigmoid(u) * _sech2(_softplus(u))


def _expm1(u: Tensor) -> Tensor:
    """By its series near 0: Inductor's of float64 is exp(u) - 1."""
    near, series = u.clamp(-0.5, 0.5), torch.zeros_like(u)
    for k in range(18, 0, -1):
        series = near * (1 + series) / k
    return torch.where(u.abs() < 0.5, series, torch.exp(u) - 1)


def _in_mp(name: str) -> Exact:
    found: Exact = getattr(mpmath, name)
    return found


def _sigmoid(u: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-u))


FUNCTIONS: dict[str, Function] = {
    "exp": Function("exp(x)", torch.exp, torch.exp, _in_mp("exp"), torch.exp),
    "expm1": Function("expm1(x)", _expm1, torch.exp, _in_mp("expm1"), torch.expm1),
    "log": Function("log(x)", torch.log, lambda u: 1 / u, _in_mp("log"), torch.log, "exponential", positive=True),
    "log1p": Function("log1p(x)", torch.log1p, lambda u: 1 / (1 + u), _in_mp("log1p"), torch.log1p, "exponential",
                      positive=True),
    "sin": Function("sin(x)", torch.sin, torch.cos, _in_mp("sin"), torch.sin),
    "cos": Function("cos(x)", torch.cos, lambda u: -torch.sin(u), _in_mp("cos"), torch.cos),
    "tan": Function("tan(x)", torch.tan, lambda u: 1 / torch.cos(u) ** 2, _in_mp("tan"), torch.tan, "uniform:1"),
    "tanh": Function("tanh(x)", torch.tanh, _sech2, _in_mp("tanh"), torch.tanh),
    "sinh": Function("sinh(x)", torch.sinh, torch.cosh, _in_mp("sinh"), torch.sinh),
    "cosh": Function("cosh(x)", torch.cosh, torch.sinh, _in_mp("cosh"), torch.cosh),
    "atan": Function("atan(x)", torch.atan, lambda u: 1 / (1 + u * u), _in_mp("atan"), torch.atan),
    "asinh": Function("asinh(x)", torch.asinh, lambda u: 1 / torch.hypot(u, torch.ones_like(u)), _in_mp("asinh"),
                      torch.asinh),
    "erf": Function("erf(x)", torch.special.erf, lambda u: 2 / math.sqrt(math.pi) * torch.exp(-u * u), _in_mp("erf"),
                    torch.erf),
    "erfc": Function("erfc(x)", torch.special.erfc, lambda u: -2 / math.sqrt(math.pi) * torch.exp(-u * u),
                     _in_mp("erfc"), torch.erfc),
    "sigmoid": Function("sigmoid(x)", torch.sigmoid, lambda u: torch.sigmoid(u) * torch.sigmoid(-u), _sigmoid,
                        torch.sigmoid),
    "softplus": Function("softplus(x)", _softplus, torch.sigmoid, lambda u: mpmath.log1p(mpmath.exp(u)),
                         functional.softplus),
    "gelu": Function("gelu(x)", lambda u: u * _normal(u), lambda u: _normal(u) + u * _density(u),
                     lambda u: u * mpmath.erfc(-u / mpmath.sqrt(2)) / 2, functional.gelu),
    "silu": Function("silu(x)", lambda u: u * torch.sigmoid(u),
                     lambda u: torch.sigmoid(u) * (1 + u * torch.sigmoid(-u)), lambda u: u * _sigmoid(u),
                     functional.silu),
    "mish": Function("mish(x)", lambda u: u * _tanh_softplus(u), _mish_slope,
                     lambda u: u * mpmath.tanh(mpmath.log1p(mpmath.exp(u))), functional.mish),
}  # fmt: skip
"""Every elementary function of the language, and the products of the classical activations."""

PLACES = (
    0.0,
    0.4**0.5,
    0.72**0.5,
    0.5,
    1.0,
    2.0,
    4.0,
    9.01,
    16.635532,
    20.0,
    40.0,
    44.0,
    87.33655,
    88.72284,
    103.97208,
)
"""Where helpers change their formula, and results round to 1, overflow or vanish."""
