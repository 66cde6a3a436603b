"""Is every generated module right on this device? Values and all gradients against float64 on the processor."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.device import Device
from learnact import generated

TOLERANCES = {
    torch.float64: 1e-12,  # a few hundred roundings of 1e-16
    torch.float32: 1e-5,  # the same of 6e-8; cosines are taken of arguments up to 30
    torch.bfloat16: 1e-2,  # 2^-8 of the rounded result; inside, all is float32
}
"""Largest error of an element, relative to 1 + |value|."""

SUM_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-5}
"""Largest error of a parameter's gradient an element summed; sums are float32 at least."""

TIES = 1e-5
"""Share of elements whose slope may differ: a piece is chosen the other way within rounding of a kink."""


@dataclass(frozen=True)
class Check:
    """One module, route and dtype; errors relative to their tolerances, so 1 is the limit."""

    activation: str
    route: str
    dtype: str
    value: float
    slope: float
    parameters: float

    @property
    def holds(self) -> bool:
        """Whether all three are within their limits."""
        return all(error <= 1 for error in (self.value, self.slope, self.parameters))  # a NaN is not


def check(name: str, device: Device, dtype: torch.dtype, *, compiled: bool, numel: int) -> Check:
    """Run one generated module on the device and its float64 twin on the processor, on the same numbers."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(numel // 256, 256, generator=draw, dtype=torch.float64) * 1.5
    x[0, :3] = torch.tensor([0.0, 5.0, -5.0])
    gradient = 1 + 0.5 * torch.randn(x.shape, generator=draw, dtype=torch.float64)  # no sum near zero
    x, gradient = x.to(dtype), gradient.to(dtype)
    module = getattr(generated, name)(dtype=torch.promote_types(dtype, torch.float32))
    truth = run(deepcopy(module).double(), x.double(), gradient.double())
    module.to(device.name)
    function = device.compiled(module) if compiled else module
    found = run(module, x.to(device.name), gradient.to(device.name), function)
    inferred, value, slope, *parameters = [(a.cpu().double() - b, b) for a, b in zip(found, truth, strict=True)]
    beyond = exceeding(slope, TOLERANCES[dtype])
    return Check(
        name,
        "compiled" if compiled else "eager",
        str(dtype).removeprefix("torch."),
        float(torch.maximum(relative(inferred), relative(value)).max()) / TOLERANCES[dtype],
        beyond / TIES,
        float(torch.cat([d.abs().flatten() for d, _ in parameters]).max()) / numel / SUM_TOLERANCE[dtype],
    )


def run(module: nn.Module, x: Tensor, gradient: Tensor, function: Callable[..., Tensor] | None = None) -> list[Tensor]:
    """F(x) for inference, F(x) for training, and the gradients of x and of every parameter."""
    function = function or module
    with torch.no_grad():
        inferred = function(x)
    x = x.requires_grad_()
    y = function(x)
    return [inferred, y.detach(), *torch.autograd.grad(y, [x, *module.parameters()], gradient)]


def relative(pair: tuple[Tensor, Tensor]) -> Tensor:
    """|difference| / (1 + |truth|)."""
    difference, truth = pair
    return difference.abs() / (1 + truth.abs())


def exceeding(pair: tuple[Tensor, Tensor], tolerance: float) -> float:
    """Share of elements beyond the tolerance."""
    return float((~(relative(pair) <= tolerance)).double().mean())
