"""The numbers of a race as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from learnact.training.demo.race import Runner, smoothed
from learnact.training.model.calibrate import InputMoments
from learnact.training.study.tables import table


def loss_table(runners: Sequence[Runner]) -> str:
    """Training loss (mean of the last steps) and validation loss of each runner, side by side."""
    head = ["step", *(f"{r.name} {kind}" for r in runners for kind in ("train", "val"))]
    rows = []
    for k, (done, _) in enumerate(runners[0].validation):
        losses = [(smoothed(r.train[:done]), r.validation[k][1]) for r in runners]
        rows.append([str(done), *(f"{loss:.4f}" for pair in losses for loss in pair)])
    return table(head, rows)


def verdict(runners: Sequence[Runner]) -> str:
    """How far each runner's validation loss ended from the first one's."""
    first, *others = runners
    ends = [(r.name, r.validation[-1][1] - first.validation[-1][1]) for r in others]
    return "\n".join(f"{name}: {gap:+.4f} nats per byte against {first.name}" for name, gap in ends)


def sigma_table(
    names: Sequence[str], before: Sequence[Sequence[InputMoments]], after: Sequence[Sequence[InputMoments]]
) -> str:
    """Standard deviation of each activation's input, at the start and after training, layer by layer."""
    head = ["input sigma of", *(f"{name} {when}" for name in names for when in ("start", "end"))]
    columns = [moments for pair in zip(before, after, strict=True) for moments in pair]
    rows = [[layer[0].path, *(f"{m.sigma:.3f}" for m in layer)] for layer in zip(*columns, strict=True)]
    return table(head, rows)
