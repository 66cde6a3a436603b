"""The pictures of the page, as SVG."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

from learnact.training.run.watch import CURVE
from learnact.training.study.page.runs import Group, Run

matplotlib.use("Agg")

from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SMOOTHING = 0.02  # of the steps: a running mean of the training loss
PALETTE = [f"C{k}" for k in range(10)]
MANY = [colormaps["tab20"](k) for k in (*range(0, 20, 2), *range(1, 20, 2))]
"""Colours of more than ten settings; more than twenty repeat them."""
LEGEND_BESIDE = 8
"""So many settings hide the curves that a legend is laid over."""
LOSSES_CAPTION = (
    "Line: the mean over the seeds that ended, whose number is in brackets. Band: from the least to the greatest of "
    "them at each step; a single seed has none. Of a setting of which no seed ended, all that were begun, dashed, up "
    f"to the last step that they share. Training loss: each run's mean over the last {SMOOTHING:.0%} of its steps. The "
    "axes leave out the beginning, which is far above."
)
STYLE = {"svg.hashsalt": "learnact", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}


def losses(groups: Sequence[Group], unit: str) -> Figure:
    """Validation and training loss over the steps, as LOSSES_CAPTION says."""
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=False)
        draw_losses(left, right, groups, unit)
        if len(groups) < LEGEND_BESIDE:
            left.legend(frameon=False, fontsize=8)
        else:
            figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=7)
        return figure


def draw_losses(left: Axes, right: Axes, groups: Sequence[Group], unit: str) -> None:
    """Validation loss on one axis and training loss on the other, in the colours of `colors`."""
    for color, group in zip(colors(len(groups)), groups, strict=True):
        _band(left, group, color, lambda run: [(line["step"], line["loss"]) for line in run.of("eval")])
        _band(right, group, color, _smooth)
    left.set(title="validation loss", xlabel="step", ylabel=unit)
    right.set(title="training loss, running mean", xlabel="step")
    for axis in (left, right):
        axis.grid(alpha=0.25)
        _zoom(axis)


def draw_shape(axis: Axes, place: Mapping[str, Any], color: Any, *, first: bool, label: str = "") -> None:
    """One activation at one look, over three deviations of its input; dashed at the first."""
    x = place["mean"] + place["sigma"] * np.array(CURVE)
    axis.plot(x, place["curve"], "--" if first else "-", color=color, linewidth=1.2, label=label)


def depth(groups: Sequence[Group]) -> Figure:
    """Mean squares around each activation, gradients and q-slopes over the depth, at the first and the last look."""
    panels = (
        ("mean square of the input", lambda place: place["before"], "log"),
        ("mean square of the output", lambda place: place["after"], "log"),
        ("gradient norm of the output", lambda place: place["gradient_after"], "log"),
        ("q-slope of the learned shape", lambda place: place["law"]["q_slope"], "linear"),
    )
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.4), layout="constrained")
        for axis, (title, value, scale) in zip(axes, panels, strict=True):
            for color, group in zip(colors(len(groups)), groups, strict=True):
                looks = group.shown.of("watch")
                for look, style in ((looks[0], "--"), (looks[-1], "-")) if looks else ():
                    heights = [value(place) for place in look["layers"]]
                    axis.plot(range(len(heights)), heights, style, marker=".", color=color, label=group.name)
            axis.set(title=title, xlabel="activation, from the input on", yscale=scale)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(alpha=0.25)
        handles, labels = axes[0].get_legend_handles_labels()
        once = {label: handle for handle, label in zip(handles, labels, strict=True)}  # the last look's, solid
        figure.legend(once.values(), once.keys(), loc="outside right upper", frameon=False, fontsize=7)
        return figure


def history(group: Group) -> Figure:
    """What each activation was fed and what its learned shape does to it, over the steps; a line per place."""
    looks = group.shown.of("watch")
    panels = (
        ("standard deviation of the input", lambda place: place["sigma"]),
        ("E[F²] of the learned shape", lambda place: place["law"]["value"]),
        ("E[F'²] of the learned shape", lambda place: place["law"]["slope"]),
        ("q-slope of the learned shape", lambda place: place["law"]["q_slope"]),
    )
    steps = [look["step"] for look in looks]
    places = len(looks[0]["layers"])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(14, 2.6), layout="constrained")
        for axis, (title, value) in zip(axes, panels, strict=True):
            for number, color in enumerate(shades(places)):
                heights = [value(look["layers"][number]) for look in looks]
                axis.plot(steps, heights, color=color, linewidth=1.2, marker=".", markersize=3)
            axis.set(title=title, xlabel="step")
            axis.grid(alpha=0.25)
        return figure


def shapes(group: Group) -> Figure:
    """Each place's activation at every look, from light to dark, over three deviations of its input at the time."""
    looks = group.shown.of("watch")
    places = len(looks[0]["layers"])
    columns = min(6, places)
    rows = -(-places // columns)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            rows, columns, figsize=(2.3 * columns, 2.0 * rows), layout="constrained", squeeze=False
        )
        for axis in grid.flat[places:]:
            axis.axis("off")
        for number, axis in enumerate(grid.flat[:places]):
            for look, color in zip(looks, shades(len(looks)), strict=True):
                draw_shape(axis, look["layers"][number], color, first=look is looks[0])
            axis.set_title(f"{number}", fontsize=8)
            axis.tick_params(labelsize=6)
            axis.grid(alpha=0.25)
        return figure


def colors(count: int) -> list[Any]:
    """One for each setting."""
    palette: list[Any] = PALETTE if count <= len(PALETTE) else MANY
    return [palette[k % len(palette)] for k in range(count)]


def shades(count: int) -> list[Any]:
    """From light to dark."""
    return [colormaps["viridis_r"](0.15 + 0.85 * (k + 1) / count) for k in range(count)]


def _band(axis: Axes, group: Group, color: Any, curve: Callable[[Run], list[tuple[float, float]]]) -> None:
    """What LOSSES_CAPTION says, of one setting."""
    ended = bool(group.complete)
    curves = [dict(curve(run)) for run in group.complete or group.runs]
    steps = sorted(set.intersection(*(set(c) for c in curves)))
    if not steps:
        return
    heights = np.array([[c[s] for s in steps] for c in curves])
    label = f"{group.name} ({len(curves)}{'' if ended else ' not ended'})"
    axis.plot(steps, heights.mean(0), "-" if ended else "--", color=color, linewidth=1.3, label=label)
    if len(curves) > 1:
        axis.fill_between(steps, heights.min(0), heights.max(0), color=color, alpha=0.15, linewidth=0)


def _smooth(run: Run) -> list[tuple[float, float]]:
    lines = run.of("train")
    width = max(1, round(SMOOTHING * len(lines)))
    sums = np.cumsum([0.0, *(line["loss"] for line in lines)])
    return [
        (lines[k]["step"], (sums[k + 1] - sums[k + 1 - width]) / width)
        for k in range(width - 1, len(lines), max(1, width // 2))
    ]


def _zoom(axis: Axes) -> None:
    """Leave out the fall from ignorance: all but the first point and the first tenth of the curves fills the height."""
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in axis.get_lines()]
    heights = np.concatenate([np.empty(0), *(curve[max(1, len(curve) // 10) :] for curve in curves)])
    heights = heights[np.isfinite(heights)]
    if len(heights) > 1 and heights.max() > heights.min():
        margin = 0.05 * (heights.max() - heights.min())
        axis.set_ylim(heights.min() - margin, heights.max() + margin)


def svg(figure: Figure) -> str:
    """The figure as one `<svg>` element; closes it."""
    text = io.StringIO()
    with plt.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def files(figure: Figure) -> dict[str, bytes]:
    """Ending -> the figure as a file of that kind, the same bytes every time; closes it."""
    content = io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(content, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return {"svg": svg(figure).encode(), "pdf": content.getvalue()}
