"""Errors in units in the last place: inputs, and how many units of its dtype a result is away from the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.ulp_cases import PLACES

BITS = {torch.bfloat16: 8, torch.float16: 11, torch.float32: 24}
LEAST = {torch.bfloat16: -126, torch.float16: -14, torch.float32: -126}  # exponent of the smallest normal number
CHUNK = 1 << 18
NEIGHBOURS = 512


def unit(exact: Tensor, dtype: torch.dtype) -> Tensor:
    """The distance of neighbouring numbers of the dtype at exact, which is float64."""
    exponent = torch.where(exact == 0, LEAST[dtype], torch.frexp(exact).exponent - 1)  # frexp calls that of 0 0
    return torch.ldexp(torch.ones_like(exact), exponent.clamp(min=LEAST[dtype]) - BITS[dtype] + 1)


def units(found: Tensor, exact: Tensor) -> Tensor:
    """|found - exact| in units in the last place of exact, in the dtype of found; exact is float64.

    Where the exact value rounds to infinity, infinity and the largest finite number are right.
    """
    dtype = found.dtype
    errors = (found.double() - exact).abs() / unit(exact, dtype)
    errors = torch.where(torch.isnan(errors), torch.inf, errors)
    beyond = torch.isinf(exact.to(dtype))
    right = (torch.sign(exact) == torch.sign(found.double())) & (found.abs() >= torch.finfo(dtype).max)
    return torch.where(beyond, torch.where(right, 0.0, torch.inf), errors)


@dataclass
class Worst:
    """The largest errors so far: where the exact value is a normal number, and where it is smaller."""

    normal: float = 0.0
    at: float = 0.0
    subnormal: float = 0.0
    over: int = 0  # normal results that are off by a unit or more
    count: int = 0
    tails: dict[str, float] = field(default_factory=dict)

    def add(self, x: Tensor, found: Tensor, exact: Tensor) -> None:
        """Take in the results at x; where the exact value is no number nothing is asked."""
        keep = ~torch.isnan(exact)
        x, found, exact = x[keep], found[keep], exact[keep]
        if not len(x):
            return
        errors = units(found, exact)
        normal = exact.abs() >= 2.0 ** LEAST[found.dtype]
        large = torch.where(normal, errors, 0.0)
        place = int(large.argmax())
        if float(large[place]) > self.normal:
            self.normal, self.at = float(large[place]), float(x[place])
        self.subnormal = max(self.subnormal, float(torch.where(normal, 0.0, errors).max()))
        self.over += int((large >= 1.0).sum())
        self.count += len(x)
        for name, part in (("near 0", x.abs() < 1e-3), ("tails", x.abs() > 4.0)):
            if part.any():
                relative = ((found.double() - exact) / exact).abs()[part & normal & torch.isfinite(exact)]
                relative = relative[torch.isfinite(relative)]
                largest = float(relative.max()) if len(relative) else 0.0
                self.tails[name] = max(self.tails.get(name, 0.0), largest)


def halves(dtype: torch.dtype) -> Iterator[Tensor]:
    """Every finite number of a half type, in one chunk."""
    x = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype)
    yield x[torch.isfinite(x)]


def sample(stride: int = 6007) -> Iterator[Tensor]:
    """float32: every stride-th pattern of both signs, a grid on [-20, 20], and neighbours of 0 and of all PLACES."""
    patterns = torch.arange(0, 0x7F800000, stride, dtype=torch.int64).to(torch.int32)
    steps = torch.arange(-NEIGHBOURS, NEIGHBOURS, dtype=torch.int32)
    near = [(torch.tensor(p).view(torch.int32) + steps).abs().view(torch.float32) for p in PLACES]
    positive = torch.cat([patterns.view(torch.float32), torch.linspace(0, 20, 1 << 17), *near])
    x = torch.cat([positive, -positive])
    x = torch.cat([x, torch.zeros(-len(x) % CHUNK)])
    yield from x.split(CHUNK)
