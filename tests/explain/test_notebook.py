"""What a notebook shows of the compiler's products."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

from learnact import derive, verify
from learnact.compiler.explain import formats


class Cells(HTMLParser):
    """The texts of a table's cells, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.texts = False, []

    def handle_starttag(self, tag, attrs):
        if tag == "td":
            self.open = True
            self.texts.append("")

    def handle_endtag(self, tag):
        self.open = self.open and tag != "td"

    def handle_data(self, data):
        if self.open:
            self.texts[-1] += data


def test_a_derivation_shows_itself_as_markdown_and_as_latex():
    derivation = derive("hermite:3")
    assert derivation._repr_markdown_() == formats.markdown(derivation)
    assert derivation._repr_latex_() == formats.latex(derivation)


def test_a_report_is_a_table_with_a_row_for_every_check():
    report = verify("sinusoid", quick=True)
    hostile = dataclasses.replace(report.checks[0], passed=False, detail="<b>1 & 2</b>")
    report = dataclasses.replace(report, checks=(hostile, *report.checks[1:]))
    cells = Cells()
    cells.feed(report._repr_html_())
    rows = [cells.texts[k : k + 6] for k in range(0, len(cells.texts), 6)]
    assert [row[1] for row in rows] == [c.name for c in (*report.checks, *report.skipped)]
    assert rows[0][0] == "FAIL"
    assert rows[0][5] == "<b>1 & 2</b>"
    assert "<b>" not in report._repr_html_()
