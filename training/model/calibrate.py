"""Fit the start of every activation to the law of its own input, as measured on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

import sympy as sp
import torch
from torch import Tensor, nn

from learnact.training.errors import BadConfig
from learnact.training.model.swap import Swapped

Starts = Callable[[sp.Rational], Mapping[str, Sequence[float]]]
"""sigma -> parameter name -> values: the exact start under N(0, sigma^2)."""

MOST_LOST = 0.02
"""Of an activation's size that rounding may take, at most: five steps of bfloat16."""

SIGNIFICANT_DIGITS = 2
"""Digits that a measured sigma is rounded to: one batch knows no more, and equal sigmas share one derivation."""


@dataclass(frozen=True)
class InputMoments:
    """What one activation was fed during one pass."""

    path: str
    mean: float
    sigma: float  # standard deviation over all elements
    rounded: sp.Rational  # sigma to SIGNIFICANT_DIGITS, exact


def measure(modules: Iterable[Swapped], run: Callable[[], object]) -> list[InputMoments]:
    """Mean and sigma of each activation's input during `run()`, which sends one batch through the model.

    Raises ValueError when `run` leaves one of them out, or feeds one a constant or something not finite.
    """
    return _observe(modules, run, lambda module, moments: None)


def calibrate(modules: Iterable[Swapped], starts: Starts, run: Callable[[], object]) -> list[InputMoments]:
    """Give each activation of `modules` the start that is exact for the sigma of its own input during `run()`.

    One pass suffices: a hook measures an activation's input and sets its parameters before it computes, so every
    later layer is measured behind layers already calibrated. `starts` is `functools.partial(start, ...)` over the
    compiler's derivation, say; each distinct rounded sigma asks it once. Shapes of parameters are (length,) or
    (length, channels); all channels get the same values. A module used in several places is set by the first.
    Returns the measured moments, one for each module.

    Raises ValueError as `measure` does, and when the start's names or lengths are not the module's; BadConfig where
    the start's coefficients cancel so much that the module's precision does not hold F.
    """
    cached = cache(starts)

    def fit(module: nn.Module, moments: InputMoments) -> None:
        assign(module, cached(moments.rounded))
        lost = cancellation(module, moments.sigma)
        if not lost <= MOST_LOST:
            raise BadConfig(
                f"{type(module).__name__} for the input of {moments.path}, sigma {moments.sigma:.2g}, has coefficients "
                f"so large that float32 loses {lost:.1g} of the result; take a lower degree or --calibrate none"
            )

    return _observe(modules, run, fit)


def cancellation(module: nn.Module, sigma: float) -> float:
    """Largest error of F in the module's own precision, over three sigma, relative to F's root mean square there."""
    parameter = next(module.parameters())
    at = torch.linspace(-3 * sigma, 3 * sigma, 241, dtype=torch.float64, device=parameter.device)
    at = at[:, None].expand(-1, getattr(module, "num_parameters", 1))
    exact = torch.func.functional_call(module, {n: p.double() for n, p in module.named_parameters()}, (at,))
    return ((module(at.to(parameter.dtype)).double() - exact).abs().max() / exact.square().mean().sqrt()).item()


def assign(module: nn.Module, values: Mapping[str, Sequence[float]]) -> None:
    """Set a generated module's parameters in place. Raises ValueError when names or lengths do not fit."""
    parameters = dict(module.named_parameters())
    found = {name: len(entries) for name, entries in values.items()}
    expected = {name: p.shape[0] for name, p in parameters.items()}
    if found != expected:
        raise ValueError(f"{type(module).__name__} takes parameters of lengths {expected}, the start has {found}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            entries = torch.tensor(list(values[name]), dtype=torch.float64)
            parameter.copy_(entries.reshape(-1, *[1] * (parameter.dim() - 1)))


def round_sigma(sigma: float) -> sp.Rational:
    """sigma to SIGNIFICANT_DIGITS as an exact number: 0.2337 -> 23/100."""
    return sp.Rational(f"{sigma:.{SIGNIFICANT_DIGITS - 1}e}")


def _observe(
    modules: Iterable[Swapped], run: Callable[[], object], act: Callable[[nn.Module, InputMoments], None]
) -> list[InputMoments]:
    seen: dict[nn.Module, InputMoments] = {}

    def hook(path: str, module: nn.Module, x: Tensor) -> None:
        if module not in seen:
            seen[module] = _moments(path, x)
            act(module, seen[module])

    asked = {s.path: s.new for s in modules}
    with ExitStack() as hooks, torch.no_grad():
        for path, module in asked.items():
            hooks.enter_context(_before(module, path, hook))
        run()
    silent = [path for path, module in asked.items() if module not in seen]
    if silent:
        raise ValueError(f"the pass never reached {', '.join(silent)}; run the model on a whole batch")
    return list(seen.values())


@contextmanager
def _before(module: nn.Module, path: str, hook: Callable[[str, nn.Module, Tensor], None]) -> Iterator[None]:
    handle = module.register_forward_pre_hook(lambda m, inputs: hook(path, m, inputs[0]))
    try:
        yield
    finally:
        handle.remove()


def _moments(path: str, x: Tensor) -> InputMoments:
    mean, sigma = x.double().mean().item(), x.double().std(correction=0).item()
    if not 0 < sigma < float("inf"):
        raise ValueError(f"the input of {path} has standard deviation {sigma}; calibration needs one that varies")
    return InputMoments(path, mean, sigma, round_sigma(sigma))
