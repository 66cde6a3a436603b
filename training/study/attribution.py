"""Which part of a lead is scale, which is shape, which is learning: the settings to compare, and the comparisons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev
from types import MappingProxyType

from learnact.errors import UnknownName
from learnact.training.errors import BadConfig
from learnact.training.study.page.statistics import Estimate, estimate, holm, paired_p
from learnact.training.study.tables import table

Scores = Mapping[tuple[int, ...], float]
"""Seed -> loss, as `statistics.scores` gives them."""


@dataclass(frozen=True)
class Comparison:
    """One part: the setting that has it against the one that lacks nothing else."""

    part: str
    setting: str
    against: str


@dataclass(frozen=True)
class Effect:
    """What a part is worth, over the seeds that both settings have."""

    comparison: Comparison
    difference: Estimate  # paired; below 0 is a lower loss
    size: float  # Cohen's d of the paired differences
    p: float  # two-sided, of the paired t test
    corrected: float  # the same after Holm's correction over all comparisons made


PARTS = ("raw", "gain", "scaled", "scales-learned", "shape", "shape-learned")
"""What is trained: each adds one thing to an earlier one."""


def settings(
    reference: str, spec: str, rates: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> dict[str, list[str]]:
    """Part -> settings of a study, from the classical function as it is to the learned shape of `spec`.

    `reference` is a classical function, `gelu` say; `spec` a learnable activation, `hermite:3` or `hermite:3@gelu`,
    options of its own after it. A part has one setting, or one for each of its `rates`, learning rates as text.
    Raises UnknownName for another reference or part, BadConfig for a `spec` that is classical itself.
    """
    from learnact import classical_names  # noqa: PLC0415  it imports SymPy

    if reference not in classical_names():
        raise UnknownName("classical function", reference, classical_names())
    if re.split("[@,]", spec)[0] in classical_names():
        raise BadConfig(f"an attribution compares a learnable activation with {reference}, found {spec}")
    for part in rates:
        if part not in PARTS:
            raise UnknownName("part of an attribution", part, PARTS)
    alone = (
        reference,
        f"{reference}@gain",
        f"{reference}@balanced",
        f"scaled_{reference}@balanced",
        f"{spec},trainable=weights",
        spec,
    )
    return {
        part: [f"{setting},lr={rate}" for rate in rates[part]] if rates.get(part) else [setting]
        for part, setting in zip(PARTS, alone, strict=True)
    }


def chosen(asked: Mapping[str, Sequence[str]], losses: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Part -> the one of its settings whose mean validation loss is the lowest; an infinite one did not end.

    Raises BadConfig for a part without a rate at which all runs ended.
    """
    found = {}
    for part, choices in asked.items():
        best = min(choices, key=lambda setting: fmean(losses[setting]))
        if not isfinite(fmean(losses[best])):
            raise BadConfig(f"at no rate of {part} ({', '.join(choices)}) did all runs end; give it lower ones")
        found[part] = best
    return found


def comparisons(names: Mapping[str, str]) -> list[Comparison]:
    """The parts in order; `names` has what each setting of `settings` is called in a report."""
    pairs = (
        ("a gain alone, for E[F^2]", "gain", "raw"),
        ("input and output scaled, E[F'^2] too", "scaled", "raw"),
        ("learning these scales", "scales-learned", "scaled"),
        ("another shape, not learned", "shape", "scaled"),
        ("learning the shape", "shape-learned", "shape"),
        ("all, against the scaled function", "shape-learned", "scaled"),
        ("all, against the function as it is", "shape-learned", "raw"),
    )
    return [Comparison(part, names[a], names[b]) for part, a, b in pairs]


def effects(compared: Sequence[Comparison], scores: Mapping[str, Scores]) -> list[Effect]:
    """Paired by seed; `scores` has setting -> seed -> loss. Raises BadConfig with fewer than two seeds in common."""
    found: list[tuple[Comparison, Estimate, float, float]] = []
    for c in compared:
        ours, theirs = scores[c.setting], scores[c.against]
        seeds = sorted(ours.keys() & theirs.keys())
        gaps = [ours[seed] - theirs[seed] for seed in seeds]
        difference, p = estimate(gaps), paired_p([ours[s] for s in seeds], [theirs[s] for s in seeds])
        if difference is None or p is None:
            raise BadConfig(f"{c.setting} and {c.against} have {len(seeds)} seeds in common; an interval takes two")
        spread = stdev(gaps)
        found.append((c, difference, difference.mean / spread if spread else 0.0, p))
    corrected = holm([p for *_, p in found])
    return [Effect(*values, corrected=q) for values, q in zip(found, corrected, strict=True)]


def text(found: Sequence[Effect]) -> str:
    """The table for a terminal, and how to read it."""
    head = ["part", "seeds", "difference", "d", "p", "p, corrected"]
    rows = [
        [
            e.comparison.part,
            str(e.difference.n),
            e.difference.text(sign=True),
            f"{e.size:+.1f}",
            f"{e.p:.2g}",
            f"{e.corrected:.2g}",
        ]
        for e in found
    ]
    return (
        f"{table(head, rows)}\n\nDifferences of the final loss, seed by seed, ± half a 95 % interval of Student's t; d "
        f"is Cohen's, of the paired differences.\nThe last column is corrected for {len(found)} comparisons (Holm)."
    )
