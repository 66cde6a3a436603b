"""The table of final scores: for a terminal and the page, as CSV in full digits, and as LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from learnact.training.errors import BadData
from learnact.training.study.page.runs import Group
from learnact.training.study.page.statistics import Comparison, Estimate, compare, estimate, scores
from learnact.training.study.tables import table

SCORES = ("loss", "accuracy", "accuracy_5")
EXPLANATION = (
    "Means over seeds with 95 % intervals of Student's t. Differences are taken seed by seed against {baseline}, for "
    "equal seeds have equal first weights and equal batches; p is that of the paired t-test over seeds, two-sided, "
    "after Holm's correction for all comparisons of its column; bold below 0.05.{test}"
)
TEST = " The test data was scored once, after the last step; validation is not compared."
LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$", "²": r"$^2$"}  # fmt: skip
"""What LaTeX does not print as it stands."""


@dataclass(frozen=True)
class Column:
    """One score of all groups; with comparisons, or only shown."""

    name: str  # `test loss`
    values: list[Estimate | None]
    comparisons: list[Comparison | None] | None


@dataclass(frozen=True)
class Cell:
    """One cell of the table."""

    text: str
    clear: bool = False


@dataclass(frozen=True)
class Table:
    """The final scores of every group, a row each."""

    groups: Sequence[Group]
    baseline: str
    columns: list[Column]
    tested: bool  # whether the runs have a test

    @property
    def explanation(self) -> str:
        """What the numbers are."""
        return EXPLANATION.format(baseline=self.baseline, test=TEST if self.tested else "")

    @property
    def head(self) -> list[str]:
        """The names of the columns."""
        head = ["setting", "seeds"]
        for column in self.columns:
            head += [column.name] if column.comparisons is None else [column.name, "difference", "p"]
        return head

    @property
    def rows(self) -> list[list[Cell]]:
        """The cells as they are shown."""
        rows = []
        for k, member in enumerate(self.groups):
            row = [Cell(member.name), Cell(f"{len(member.complete)}/{len(member.runs)}")]
            for column in self.columns:
                value = column.values[k]
                row.append(Cell(value.text() if value else "none"))
                if column.comparisons is not None:
                    row += _compared(column.comparisons[k])
            rows.append(row)
        return rows

    def text(self) -> str:
        """Aligned columns for a terminal."""
        return table(self.head, [[cell.text for cell in row] for row in self.rows])

    def csv(self) -> str:
        """One row per setting, numbers in full; `half` is half the width of the 95 % interval before it."""
        head = ["setting", "seeds", "runs", "baseline"]
        for column in self.columns:
            name = column.name.replace(" ", "_")
            head += [name, f"{name}_half"]
            if column.comparisons is not None:
                head += [f"{name}_{what}" for what in ("difference", "difference_half", "pairs", "p", "p_holm")]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        for k, member in enumerate(self.groups):
            row: list[object] = [member.name, len(member.complete), len(member.runs), self.baseline]
            for column in self.columns:
                row += _numbers(column.values[k])
                if column.comparisons is not None:
                    found = column.comparisons[k]
                    row += (
                        [*_numbers(found.difference), found.difference.n, found.p, found.adjusted]
                        if found
                        else [""] * 5
                    )
            writer.writerow(["" if value is None else value for value in row])
        return text.getvalue()

    def latex(self) -> str:
        """A `tabular` with the rules of the package booktabs; the explanation is a comment above it."""
        lines = [f"% {line}" for line in self.explanation.split(". ")]
        lines += [rf"\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}", r"\toprule"]
        lines += [" & ".join(map(_escaped, self.head)) + r" \\", r"\midrule"]
        for row in self.rows:
            cells = [rf"\textbf{{{_escaped(c.text)}}}" if c.clear else _escaped(c.text) for c in row]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def final_table(groups: Sequence[Group], baseline: str = "") -> Table:
    """One row per group, compared with the group of the name `baseline`.

    Without one it is the first group with a classical activation, else the first. Test scores are compared where runs
    have them, else the last validation scores. Raises BadData for a baseline that is no group.
    """
    base = _baseline(groups, baseline)
    ended = [run for group in groups for run in group.complete]
    tested = bool(ended) and all(run.of("test") for run in ended)
    columns = []
    for kind in ("test", "validation") if tested else ("validation",):
        for score in SCORES:
            name = f"{kind} {score}"
            values = [estimate(list(scores(group, name).values())) for group in groups]
            if any(values):
                compared = compare(groups, base, name) if kind == "test" or not tested else None
                columns.append(Column(name.replace("_", " "), values, compared))
    return Table(groups, base.name, columns, tested)


def _baseline(groups: Sequence[Group], name: str) -> Group:
    found = [group for group in groups if group.name == name] or [
        group for group in groups if group.runs[0].record["activation"]["label"] == name
    ]
    if not name:
        return groups[0]
    if len(found) != 1:
        problem = f"{len(found)} settings are of" if found else "no setting is"
        raise BadData(f"{problem} --baseline {name!r}; the settings are {'; '.join(g.name for g in groups)}")
    return found[0]


def _compared(found: Comparison | None) -> list[Cell]:
    if found is None:
        return [Cell(""), Cell("")]
    p = "" if found.adjusted is None else f"{found.adjusted:.2g}"
    return [Cell(found.difference.text(sign=True), found.clear), Cell(p, found.clear)]


def _numbers(value: Estimate | None) -> list[float | None]:
    return [value.mean, value.half] if value else [None, None]


def _escaped(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)
