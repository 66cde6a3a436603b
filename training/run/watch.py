"""What happens at every activation during one step: moments before and after, gradients, and its learned shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from learnact.training.model.swap import Swapped
from learnact.training.run.processes import whole

GRID = 8000
"""Points of the midpoint rule over REACH deviations either way; a jump of F'^2 costs up to half a cell of density."""
GRID_OF_ALL = 4_000_000
"""Points over all channels of a shape per channel: their memory is that of a batch."""
REACH = 10.0
CURVE = tuple(k / 10 for k in range(-30, 31))
"""Where a shape is recorded, in deviations from the mean of its input."""


@dataclass(frozen=True)
class LawMoments:
    """Moments of F under a normal law."""

    value: float  # E[F^2]
    slope: float  # E[F'^2]
    q_slope: float  # E[x F F'] / E[F^2] = d log E[F^2] / d log of the input's square scale


@dataclass
class Place:
    """One activation in one step; squares are means over all elements of the process's first micro-batch."""

    path: str
    mean: float  # of the input
    sigma: float
    before: float  # mean square of the input
    law: LawMoments  # of the learned shape under N(mean, sigma^2)
    curve: list[float]  # F at mean + sigma * CURVE
    after: float = float("nan")  # mean square of the output
    gradient_before: float = float("nan")  # norm of the gradient of the micro-batch's loss in the input
    gradient_after: float = float("nan")  # and in the output
    gradient_parameters: float = 0.0  # and in the activation's parameters, over the whole batch


@contextmanager
def watching(places: Sequence[Swapped], scale: float = 1.0) -> Iterator[list[Place]]:
    """Record the first pass forward and backward within; the list fills as they happen.

    `scale` multiplies gradients: what the loss was divided by before the backward pass. A shared activation has one
    record per place, told apart by the order of the calls.
    """
    paths: dict[nn.Module, list[str]] = {}
    for swapped in places:
        paths.setdefault(swapped.new, []).append(swapped.path)
    found: list[Place] = []
    open_calls: dict[nn.Module, Place] = {}

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if paths[module]:
            place = _measure(paths[module].pop(0), module, inputs[0])
            found.append(place)
            open_calls[module] = place
            _on_gradient(inputs[0], place, "gradient_before", scale)

    def after(module: nn.Module, _: object, output: Tensor) -> None:
        place = open_calls.pop(module, None)
        if place is not None:
            place.after = _mean_square(output)
            _on_gradient(output, place, "gradient_after", scale)

    with ExitStack() as hooks:
        for module in paths:
            hooks.callback(module.register_forward_pre_hook(before).remove)
            hooks.callback(module.register_forward_hook(after).remove)
        yield found


def note_parameter_gradients(found: Sequence[Place], places: Sequence[Swapped]) -> None:
    """Fill in `gradient_parameters` between the backward pass and the optimizer's step; every process must call it."""
    norms = {s.path: sum(_square(p.grad) for p in s.new.parameters() if p.grad is not None) ** 0.5 for s in places}
    for place in found:
        place.gradient_parameters = norms[place.path]


def as_record(found: Sequence[Place]) -> list[dict[str, Any]]:
    """For the log, seven digits each."""
    return [{name: _rounded(value) for name, value in asdict(place).items()} for place in found]


def law_moments(module: nn.Module, mean: float, sigma: float) -> LawMoments:
    """Moments of a module's present shape under N(mean, sigma^2), by the midpoint rule in double precision.

    Of a module with one shape per channel: the mean over channels.
    """
    points = max(500, min(GRID, GRID_OF_ALL // getattr(module, "num_parameters", 1)))
    z = REACH * ((2 * torch.arange(points, dtype=torch.float64) + 1) / points - 1)
    weights = torch.exp(-z.square() / 2)
    weights = (weights / weights.sum())[:, None]
    x, value = _evaluate(module, mean + sigma * z)
    (slope,) = torch.autograd.grad(value.sum(), x)
    value = value.detach()
    second = (weights * value.square()).sum(0)
    crossed = (weights * x.detach() * value * slope).sum(0)
    return LawMoments(
        second.mean().item(), (weights * slope.square()).sum(0).mean().item(), (crossed / second).mean().item()
    )


def _measure(path: str, module: nn.Module, x: Tensor) -> Place:
    wide = x.detach().double() if x.device.type != "mps" else x.detach().float()
    mean, sigma = wide.mean().item(), wide.std(correction=0).item()
    at = mean + sigma * torch.tensor(CURVE, dtype=torch.float64)
    curve = _evaluate(module, at)[1].detach().mean(1).tolist()
    return Place(path, mean, sigma, wide.square().mean().item(), law_moments(module, mean, sigma), curve)


def _evaluate(module: nn.Module, at: Tensor) -> tuple[Tensor, Tensor]:
    """x of shape (n, channels) that requires its gradient, and F(x), both outside of autocast and of any hook.

    Parameters stand in in the precision of x: some of torch's own functions, such as prelu, do not promote.
    """
    channels = getattr(module, "num_parameters", 1)
    parameter = next(module.parameters(), None)
    x = at[:, None].repeat(1, channels).to(parameter.device if parameter is not None else "cpu").requires_grad_()
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        forward = _Forward(module)
        same = {name: p.detach().to(x.dtype) for name, p in forward.named_parameters()}
        return x, functional_call(forward, same, (x,))


class _Forward(nn.Module):
    """Another module's `forward`, past that one's hooks."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = self.inner.forward(x)
        return value


def _on_gradient(tensor: Tensor, place: Place, name: str, scale: float) -> None:
    def note(gradient: Tensor) -> None:
        setattr(place, name, scale * gradient.detach().double().norm().item())

    if tensor.requires_grad:
        tensor.register_hook(note)


def _mean_square(tensor: Tensor) -> float:
    return tensor.detach().double().square().mean().item()


def _square(gradient: Tensor) -> float:
    return whole(gradient).double().square().sum().item()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return value
