"""From runs to the page, and to its figures as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from learnact.training.study.page import charts, costs
from learnact.training.study.page.final import Table
from learnact.training.study.page.runs import Group


def page(scores: Table) -> str:
    """The HTML of all runs behind a table."""
    groups = scores.groups
    runs = [run for group in groups for run in group.runs]
    first = runs[0]
    template = (resources(__package__) / "page.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    watched = _watched(groups)
    cost_head, cost_rows = costs.costs(groups)
    return environment.from_string(template).render(
        title=f"{first.config['task']} {first.config['preset']}: {len(groups)} settings, {len(runs)} runs",
        about=f"{first.config['steps']} steps of {first.config['batch']} samples; loss in {first.record['unit']}.",
        head=scores.head,
        rows=scores.rows,
        explanation=scores.explanation,
        faults=[f"{run.folder} is {run.status} and counts in no mean." for run in runs if run.status != "complete"],
        losses=_picture(charts.losses(groups, first.record["unit"])),
        losses_caption=charts.LOSSES_CAPTION,
        cost_head=cost_head,
        cost_rows=cost_rows,
        cost_explanation=costs.EXPLANATION,
        depth=_picture(charts.depth(watched)),
        shapes=[_shape(group) for group in watched],
        runs=[{"name": str(r.folder), "settings": json.dumps(r.record, indent=1)} for r in runs],
    )


def figures(groups: Sequence[Group]) -> dict[str, Figure]:
    """Name -> every figure of the page, to be written one by one."""
    found = {"losses": charts.losses(groups, groups[0].runs[0].record["unit"])}
    watched = _watched(groups)
    if watched:
        found["depth"] = charts.depth(watched)
    for number, member in enumerate(watched, 1):
        name = "-".join("".join(c if c.isalnum() else " " for c in member.name).split())
        found[f"shapes-{number}-{name}"] = charts.shapes(member)
        found[f"history-{number}-{name}"] = charts.history(member)
    return found


def _watched(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.shown.of("watch")]


def _shape(group: Group) -> dict[str, Any]:
    head, rows = costs.learned(group.shown)
    pictures = [_picture(charts.shapes(group)), _picture(charts.history(group))]
    return {"name": group.name, "run": str(group.shown.folder), "pictures": pictures, "head": head, "rows": rows}


def _picture(figure: Figure) -> Markup:
    return Markup(charts.svg(figure))
