"""Kernel times by events at sizes that no cache holds, against GELU, torchortho, and a copy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.device import Attempt, Device
from learnact import generated

ACTIVATIONS = "Hermite3 Hermite5 Hermite8 Fourier6 Tropical6 TropicalRational6".split()
PEERS = (("Hermite", 3), ("Fourier", 6), ("Tropical", 6))
ROUNDS = 20
COPIES = {"forward": 1.0, "both": 2.5}  # what a step must move, in units of a copy: 2 tensors, and 2 + 3


def contestants(device: Device) -> list[tuple[str, str, Callable[[], nn.Module]]]:
    """Name, route and making of whatever is timed."""
    cases: list[tuple[str, str, Callable[[], nn.Module]]] = [("GELU", "compiled", nn.GELU), ("GELU", "eager", nn.GELU)]
    mine = ACTIVATIONS[:1] if device.dry else ACTIVATIONS
    cases += [(name, route, getattr(generated, name)) for route in ("compiled", "eager") for name in mine]
    if peers.installed("torchortho"):
        cases += [(f"torchortho {f} {n}", "compiled", partial(peers.torchortho, f, n)) for f, n in PEERS]
    return cases


def tensors(device: Device, dtype: torch.dtype, numel: int) -> tuple[Tensor, Tensor]:
    """x and the gradient of the output."""
    x = torch.randn(numel // 4096 or 1, min(numel, 4096), device=device.name).to(dtype).requires_grad_()
    return x, torch.randn_like(x)


def compilations(device: Device, dtype: torch.dtype, numel: int) -> list[tuple[str, Callable[[], None]]]:
    """Every compilation that `measure` will ask for, to fill Inductor's cache on disk from several processes."""
    return [
        (f"compiling {name}, {dtype}", partial(compilation, make, device, dtype, numel))
        for name, route, make in contestants(device)
        if route == "compiled"
    ]


def compilation(make: Callable[[], nn.Module], device: Device, dtype: torch.dtype, numel: int) -> None:
    """Compile one module and run it once each way."""
    prepare(make, "compiled", *tensors(device, dtype, numel), device)


def measure(device: Device, dtype: torch.dtype, numel: int, attempt: Attempt) -> list[dict]:
    """One row a case that `attempt` lets be made ready; ratios are NaN without compiled GELU."""
    x, gradient = tensors(device, dtype, numel)
    target = torch.empty_like(x)
    cases = contestants(device)
    names, steps, peaks = [("copy", "")], [lambda: target.copy_(x.detach())] * 2, [0.0]
    for name, route, make in cases:
        found = attempt(f"{name} {route}, {dtype}", partial(prepare, make, route, x, gradient, device))
        if found:
            *both_steps, peak = found
            names.append((name, route))
            steps += both_steps
            peaks.append(peak)
    seconds = device.interleaved(steps, ROUNDS if not device.dry else 1)
    times = {what: dict(zip(names, seconds[i::2], strict=True)) for i, what in enumerate(COPIES)}
    copy = times["forward"]["copy", ""]
    rows = []
    for key, peak in zip(names, peaks, strict=True):
        row = {"name": key[0], "route": key[1], "dtype": str(dtype).removeprefix("torch."), "numel": numel}
        for what, copies in COPIES.items():
            t = times[what][key]
            row[f"{what}_ms"] = round(t * 1e3, 4)
            row[f"{what}_ratio"] = round(t / times[what].get(("GELU", "compiled"), math.nan), 3)
            row[f"{what}_floor"] = round(t / (copies * copy), 2) if key[0] != "copy" else 1.0
        rows.append({**row, "peak": round(peak, 1), "copy_gb_s": round(2 * x.element_size() * numel / copy / 1e9, 1)})
    return rows


def prepare(
    make: Callable[[], nn.Module], route: str, x: Tensor, gradient: Tensor, device: Device
) -> tuple[Callable[[], object], Callable[[], object], float]:
    """Forward without gradients, forward with backward, both run once; and the second one's peak, bytes an element."""
    module = make().to(device.name)
    function = device.compiled(module) if route == "compiled" else module
    wanted = [x, *(p for p in module.parameters() if p.requires_grad)]

    def forward() -> object:
        with torch.no_grad():
            return function(x)

    def both() -> object:
        return torch.autograd.grad(function(x), wanted, gradient)

    forward()
    both()
    device.reset_peak()
    before = device.peak_gib()
    both()
    return forward, both, (device.peak_gib() - before) * 2**30 / x.numel()
