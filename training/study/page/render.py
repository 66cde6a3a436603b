"""From runs to the page, and to the same table as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from learnact.training.study.page import charts
from learnact.training.study.page.runs import Group, group, read_runs
from learnact.training.study.page.statistics import difference, estimate, scores
from learnact.training.study.tables import table

SCORES = ("loss", "accuracy", "accuracy_5")
EXPLANATION = (
    "Means over seeds with 95 % intervals of Student's t. Differences are taken seed by seed against {baseline}, for "
    "equal seeds have equal first weights and equal batches; bold where the interval leaves out zero. Several "
    "comparisons are made at once, so one bold number in twenty is chance."
)


@dataclass(frozen=True)
class Cell:
    """One cell of the table."""

    text: str
    clear: bool = False


@dataclass(frozen=True)
class Table:
    """The final scores of every group."""

    head: list[str]
    rows: list[list[Cell]]
    baseline: str

    def text(self) -> str:
        """Aligned columns for a terminal."""
        return table(self.head, [[cell.text for cell in row] for row in self.rows])


def final_table(groups: Sequence[Group]) -> Table:
    """One row per group; the first group with a classical activation, else the first, is the baseline."""
    baseline = groups[0]
    present = [s for s in SCORES if any(scores(g, s) for g in groups)]
    head = ["setting", "seeds", *(h for s in present for h in (s.replace("_", " "), "difference"))]
    rows = []
    for member in groups:
        row = [Cell(member.name), Cell(f"{len(member.complete)}/{len(member.runs)}")]
        for score in present:
            own = estimate(list(scores(member, score).values()))
            row.append(Cell(own.text() if own else "none"))
            gap = difference(member, baseline, score) if member is not baseline else None
            row.append(Cell(gap.text(sign=True), gap.clear) if gap else Cell(""))
        rows.append(row)
    return Table(head, rows, baseline.name)


def page(places: Sequence[Path]) -> str:
    """The HTML of all runs at or below the places. Raises BadData where there is none, or they do not compare."""
    runs = read_runs(places)
    groups = group(runs)
    first = runs[0]
    scores_table = final_table(groups)
    template = (resources(__package__) / "page.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    watched = [g for g in groups if g.runs[0].of("watch")]
    return environment.from_string(template).render(
        title=f"{first.config['task']} {first.config['preset']}: {len(groups)} settings, {len(runs)} runs",
        about=f"{first.config['steps']} steps of {first.config['batch']} samples; loss in {first.record['unit']}.",
        head=scores_table.head,
        rows=scores_table.rows,
        explanation=EXPLANATION.format(baseline=scores_table.baseline),
        faults=[
            f"{run.folder.name} is {run.status} and counts in no mean." for run in runs if run.status != "complete"
        ],
        losses=Markup(charts.losses(groups, first.record["unit"])),
        depth=Markup(charts.depth(watched)),
        shapes=[{"name": g.name, "pictures": [Markup(charts.shapes(g)), Markup(charts.history(g))]} for g in watched],
        runs=[{"name": r.folder.name, "settings": json.dumps(r.record, indent=1)} for r in runs],
    )
