"""What every activation is fed during one pass: mean and sigma over all elements of all its calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
import torch
from torch import Tensor, nn

from learnact.training.errors import BadModel

SIGNIFICANT_DIGITS = 2
"""Digits that a measured sigma is rounded to: one batch knows no more, and equal sigmas share one derivation."""

WITHOUT_FLOAT64 = frozenset({"mps"})
"""Devices that have no float64; what lies there is summed on the CPU."""


@dataclass(frozen=True)
class InputMoments:
    """What one activation was fed during one pass."""

    path: str
    mean: float
    sigma: float  # standard deviation over all elements of all calls
    rounded: sp.Rational  # sigma to SIGNIFICANT_DIGITS, exact
    calls: tuple[float, ...] = ()  # standard deviation of each call's input, in their order
    gate: float | None = None  # root mean square of what its output is multiplied with, in a gated block


@dataclass
class Pool:
    """Count, mean and squared deviation of every call of one module; pooled by Chan, Golub & LeVeque 1983."""

    path: str
    count: int = 0
    mean: float = 0.0
    deviation: float = 0.0  # sum of squared distances from the mean
    calls: list[float] = field(default_factory=list)

    def add(self, x: Tensor) -> None:
        """Take in one call's input. Raises BadModel for an empty one and for values that are not finite."""
        entries = (x.values() if x.is_nested else x).detach()
        wide = (entries.cpu() if entries.device.type in WITHOUT_FLOAT64 else entries).double()
        if wide.numel() == 0:
            raise BadModel(f"the input of {self.path} is empty, of shape {tuple(x.shape)}; run a batch with entries")
        count, mean = wide.numel(), wide.mean().item()
        deviation = (wide - mean).square().sum().item()
        if not math.isfinite(deviation):
            raise BadModel(
                f"the input of {self.path} has standard deviation {math.sqrt(abs(deviation) / count)}; the model "
                "overflows before it, so nothing can be calibrated there. Look at the layers before, or at the batch"
            )
        self.calls.append(math.sqrt(deviation / count))
        shift, total = mean - self.mean, self.count + count
        self.deviation += deviation + shift * shift * self.count * count / total
        self.mean += shift * count / total
        self.count = total

    @property
    def sigma(self) -> float:
        """Standard deviation of all that was taken in."""
        return math.sqrt(self.deviation / self.count)

    @property
    def root_mean_square(self) -> float:
        """Of all that was taken in, its mean included."""
        return math.sqrt(self.deviation / self.count + self.mean**2)

    def moments(self) -> InputMoments:
        """The record. Raises BadModel for an input that does not vary."""
        if not self.sigma > 0:
            raise BadModel(
                f"the input of {self.path} has standard deviation 0.0 in all of its {len(self.calls)} calls; "
                "calibration needs one that varies. Run a batch of data, not of zeros; behind a layer whose weights "
                "are zero at the start, leave this place out"
            )
        return InputMoments(self.path, self.mean, self.sigma, round_sigma(self.sigma), tuple(self.calls))


def observe(
    modules: Mapping[str, nn.Module], run: Callable[[], object], before: Callable[[nn.Module, Pool], None]
) -> dict[nn.Module, Pool]:
    """Pool of each module's inputs during `run()`, in the order of first calls; one in several places has one.

    `before(module, pool)` is called ahead of each call, its input taken in already. Raises BadModel when `run` leaves
    a module out.
    """
    pools: dict[nn.Module, Pool] = {}
    paths: dict[nn.Module, list[str]] = {}
    for path, module in modules.items():
        paths.setdefault(module, []).append(path)

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        pool = pools.setdefault(module, Pool(paths[module][0]))
        pool.add(args[0] if args else next(iter(kwargs.values())))
        before(module, pool)

    with ExitStack() as hooks, torch.no_grad():
        for module in paths:
            hooks.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
        run()
    silent = [path for path, module in modules.items() if module not in pools]
    if silent:
        raise BadModel(f"the pass never reached {', '.join(silent)}; run the model on a whole batch")
    return pools


def round_sigma(sigma: float) -> sp.Rational:
    """sigma to SIGNIFICANT_DIGITS as an exact number: 0.2337 -> 23/100."""
    return sp.Rational(f"{sigma:.{SIGNIFICANT_DIGITS - 1}e}")
