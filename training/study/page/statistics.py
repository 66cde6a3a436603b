"""Means over seeds, their intervals, and paired tests of the differences with Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t, ttest_rel

from learnact.training.study.page.runs import Group

CONFIDENCE = 0.95
SIGNIFICANT = 1 - CONFIDENCE


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


@dataclass(frozen=True)
class Comparison:
    """A setting against the baseline in one score, seed by seed; without p where fewer than two seeds are common."""

    difference: Estimate
    p: float | None  # of the paired t-test, two-sided
    adjusted: float | None  # by Holm, for all comparisons of this score

    @property
    def clear(self) -> bool:
        """Whether the adjusted p is below 0.05."""
        return self.adjusted is not None and self.adjusted < SIGNIFICANT


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


def compare(groups: Sequence[Group], baseline: Group, score: str) -> list[Comparison | None]:
    """Each group minus the baseline, seed by seed: equal seeds have equal first weights and equal batches.

    None for the baseline itself and for a group that shares no seed with it. `score` is a name of `Run.final`.
    """
    base = scores(baseline, score)
    pairs = [_pairs(scores(group, score), base) if group is not baseline else [] for group in groups]
    raw = [paired_p([ours for ours, _ in found], [theirs for _, theirs in found]) for found in pairs]
    tested = [p for p in raw if p is not None]
    adjusted = iter(holm(tested))
    result: list[Comparison | None] = []
    for found, p in zip(pairs, raw, strict=True):
        difference = estimate([ours - theirs for ours, theirs in found])
        own = next(adjusted) if p is not None else None
        result.append(Comparison(difference, p, own) if difference else None)
    return result


def paired_p(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Two-sided p of Student's t-test for pairs; None below two pairs, 1 where every pair is equal."""
    if len(ours) < 2:
        return None
    differences = {a - b for a, b in zip(ours, theirs, strict=True)}
    if len(differences) == 1:  # t is 0/0, or infinite
        return 1.0 if differences == {0.0} else 0.0
    return float(ttest_rel(ours, theirs).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted values that control the family-wise error: Holm 1979, the k-th smallest of m times m - k + 1."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    adjusted = [0.0] * len(p)
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[k]))
        adjusted[k] = largest
    return adjusted


def _pairs(ours: dict[tuple[int, ...], float], theirs: dict[tuple[int, ...], float]) -> list[tuple[float, float]]:
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
