"""The matrix of surroundings: its cells can fail, and its page has every row and module."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.matrix import MARK, SURROUNDINGS, verdict
from learnact import generated
from learnact.generated import Hermite3, Tropical3

ROOT = Path(__file__).parents[2]
QUICK = {p.name: p for p in SURROUNDINGS if p.group == "plain"}


@pytest.mark.parametrize("name", QUICK)
def test_modules_work_in_surroundings_that_compile_nothing(name: str) -> None:
    place = QUICK[name]
    due = "refused" if place.refuses else "yes"
    assert [verdict(cls, place) for cls in (Hermite3, Tropical3)] == [due, due]


class Careless(Hermite3):
    """Off where a careless module would be."""

    def forward(self, x):
        recorded = torch._C._len_torch_dispatch_stack() > 0
        y = super().forward(x.contiguous())
        return y * (1 + 1e-3 * (recorded + (not x.is_contiguous()) + (x.dtype == torch.bfloat16) * 100))


@pytest.mark.parametrize("name", ["make_fx", "strided", "channels_last, per channel", "bfloat16 and float16"])
def test_a_careless_module_is_seen(name: str) -> None:
    assert verdict(Careless, QUICK[name]).startswith("BROKEN")


def test_an_error_that_is_not_the_promised_one_is_no_refusal() -> None:
    assert verdict(torch.nn.GELU, QUICK["torch.jit.script"]) == "BROKEN: not refused"


def test_the_page_has_every_row_and_module_and_nothing_broken() -> None:
    text = (ROOT / "docs/matrix.md").read_text(encoding="utf-8")
    rows = text[text.index(MARK) :].splitlines()
    cells = {row.split("|")[1].strip(): [c.strip() for c in row.split("|")[2:-1]] for row in rows if row[:1] == "|"}
    assert cells[""] == list(generated.MODULES)
    assert [p.name for p in SURROUNDINGS] == [name for name in cells if name.strip("- ")]
    assert {c for name, found in cells.items() if name.strip("- ") for c in found} <= {"yes", "refused"}
