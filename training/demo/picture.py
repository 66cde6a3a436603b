"""The picture of a race: losses on the left, on the right what each layer's activation became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import torch
from torch import nn

from learnact.training.demo.race import Runner, smoothed

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

SPAN = 2.0  # standard deviations of the input that a shape is drawn over: 95 % of what it sees
SMOOTHING = 20  # steps


def draw(
    path: Path,
    runners: Sequence[Runner],
    starts: Mapping[str, Sequence[nn.Module]],
    sigmas: Mapping[str, Sequence[float]],
) -> None:
    """Write the figure to `path`.

    `starts` holds, for each runner that carries generated activations, copies of them as they began, and `sigmas`
    the standard deviation of each one's input after training; both in the order of `runner.activations`.
    """
    shaped = [runner for runner in runners if runner.name in starts]
    figure, axes = plt.subplots(1, 1 + len(shaped), figsize=(5.2 * (1 + len(shaped)), 4.2), layout="constrained")
    _losses(axes[0], runners)
    for axis, runner in zip(axes[1:], shaped, strict=True):
        _shapes(axis, runner, starts[runner.name], sigmas[runner.name])
    figure.savefig(path, dpi=140, metadata={"Software": None})
    plt.close(figure)


def _losses(axis: Axes, runners: Sequence[Runner]) -> None:
    for color, runner in enumerate(runners):
        curve = [smoothed(runner.train[: k + 1], SMOOTHING) for k in range(len(runner.train))]
        axis.plot(range(1, len(curve) + 1), curve, color=f"C{color}", linewidth=1.2, label=runner.name)
        axis.plot(*zip(*runner.validation, strict=True), "o--", color=f"C{color}", markersize=4, linewidth=0.8)
    axis.set(title=f"loss: training (mean of {SMOOTHING} steps), validation (dots)", xlabel="step")
    axis.set_ylabel("nats per byte")
    axis.legend(frameon=False)
    axis.grid(alpha=0.25)


def _shapes(axis: Axes, runner: Runner, starts: Sequence[nn.Module], sigmas: Sequence[float]) -> None:
    colors = plt.get_cmap("viridis")(torch.linspace(0.1, 0.85, len(starts)).tolist())
    rows = zip(runner.activations, starts, sigmas, colors, strict=True)
    for layer, (swapped, start, sigma, color) in enumerate(rows):
        x = torch.linspace(-SPAN * sigma, SPAN * sigma, 301)
        with torch.no_grad():
            axis.plot(x, start(x), "--", color=color, linewidth=0.9)
            axis.plot(x, swapped.new(x), color=color, linewidth=1.6, label=f"layer {layer}")
    axis.set(title=f"{runner.name}: start (dashed) and after training", xlabel="input, two sigma either way")
    axis.legend(frameon=False)
    axis.grid(alpha=0.25)
