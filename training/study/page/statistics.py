"""Means and their confidence, over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t

from learnact.training.study.page.runs import Group

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds and half the width of its 95 % interval (Student's t); None for a single seed."""

    mean: float
    half: float | None
    n: int

    def text(self, digits: int = 4, *, sign: bool = False) -> str:
        """`1.2345 ± 0.0067`, or the mean alone."""
        number = f"{self.mean:{'+' if sign else ''}.{digits}f}"
        return number if self.half is None else f"{number} ± {self.half:.{digits}f}"

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and interval; None without values."""
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, 1)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Estimate(mean, float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n), n)


def scores(group: Group, score: str) -> dict[tuple[int, ...], float]:
    """Seed -> final score of the runs that ended; before the seed of a fine-tuned run stands its original's."""
    found = {run.replicate: run.final(score) for run in group.complete}
    return {seed: value for seed, value in found.items() if value is not None}


def difference(group: Group, baseline: Group, score: str) -> Estimate | None:
    """Group minus baseline, seed by seed: equal seeds have equal first weights and equal batches."""
    ours, theirs = scores(group, score), scores(baseline, score)
    return estimate([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
