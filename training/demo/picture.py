"""The demo's picture: losses on the left, on the right what each layer's activation became."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt

from learnact.training.study.page.charts import STYLE, draw_losses, draw_shape, shades
from learnact.training.study.page.runs import Group


def draw(path: Path, groups: Sequence[Group], unit: str) -> None:
    """Write the figure to `path`, with one panel of shapes for each generated activation."""
    shaped = [group for group in groups if group.generated]
    with plt.rc_context(STYLE):
        count = 2 + len(shaped)
        figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 4), layout="constrained")
        draw_losses(axes[0], axes[1], groups, unit)
        axes[0].legend(frameon=False)
        for axis, group in zip(axes[2:], shaped, strict=True):
            looks = group.runs[0].of("watch")
            layers = len(looks[0]["layers"])
            for number, color in enumerate(shades(layers)):
                draw_shape(axis, looks[0]["layers"][number], color, first=True)
                draw_shape(axis, looks[-1]["layers"][number], color, first=False, label=f"layer {number}")
            axis.set(title=f"{group.name}: start (dashed), end", xlabel="input, three sigma either way")
            axis.legend(frameon=False)
            axis.grid(alpha=0.25)
        figure.savefig(path, dpi=140, metadata={"Software": None})
        plt.close(figure)
