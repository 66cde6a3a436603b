"""The picture of whatever names an activation; of a module the shape that it has now, over the one it started with."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from learnact.compiler.emit.target import Target, activation_of, emitted_class
from learnact.compiler.explain.plot import POINTS, REACH, empty_figure, figure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor


def plot(target: Target, *, sigma: float = 1.0) -> Figure:
    """Draw F (solid) and F' (dashed) over x and return the figure; a notebook shows it.

    Of an emitted module: with its present parameters, a line per channel, over its start in grey, for |x| up to four
    times `sigma`, the standard deviation of its input. Of any other `target` as in `derive`: every start, over the
    density of the law. Raises BadTarget, what `derive` raises, and LearnactError where matplotlib is not installed.
    """
    if emitted_class(target) and not isinstance(target, type):
        return figure_of_module(target, sigma)
    return figure_of([activation_of(target)])


def figure_of_module(module: Any, sigma: float = 1.0) -> Figure:
    """Draw F (solid) and F' (dashed) of an emitted module, and in grey those of its start; a line per channel.

    `sigma` is the standard deviation of the module's input; four of them either way are shown. Raises LearnactError.
    """
    import torch  # noqa: PLC0415

    figure = empty_figure(1)
    axes = figure.subplots()
    x = torch.linspace(-REACH * sigma, REACH * sigma, POINTS, dtype=torch.float64)
    for shape, color, width in ((type(module)(init=module.init), "0.6", 1.0), (module, "C0", 1.5)):
        value, slope = _sampled(shape, x)
        axes.plot(x, value, color=color, linewidth=width)
        axes.plot(x, slope, color=color, linewidth=width, linestyle="--")
    axes.set_title(f"{type(module).__name__}: F solid, F' dashed; grey: the start {module.init!r}")
    axes.set_xlabel("x")
    return figure


def _sampled(module: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """F and F' at x of shape (points,): each of shape (points, channels), in double precision on the CPU."""
    import torch  # noqa: PLC0415

    twin = copy.deepcopy(module).double().cpu()
    twin.channel_dim = -1
    at = x[:, None].repeat(1, twin.num_parameters).requires_grad_()
    value = twin(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), slope
