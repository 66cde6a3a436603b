"""The page that compares functions: complete, up to date, and its yes and no true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sympy as sp

from learnact.compiler.analyse.properties import Properties
from learnact.compiler.declare.symbols import x
from learnact.compiler.explain import compare
from learnact.compiler.resolve.expression import parse

PAGE = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")
SAMPLED = ("relu", "erf", "gaussian", "leaky_relu2", "hermite:3", "prelu", "polyrelu:3", "hermite:3@curved,curvature=2")


@pytest.mark.parametrize("name", SAMPLED)
def test_the_page_holds_what_is_computed_now(name: str) -> None:
    assert f"\n{compare.row(name)}\n" in PAGE


def test_the_page_holds_every_function_once_and_every_column() -> None:
    head = "\n".join(compare.introduction())
    assert PAGE.startswith(f"{head}\n")
    names = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert [n.split("@")[0] for n in names] == [n.split("@")[0] for n in compare.functions()]
    assert {line.count(" | ") for line in PAGE.splitlines() if line.startswith("| `")} == {len(compare.COLUMNS)}


KNOWN = {
    "x": ("odd", "1", "increasing", "no"),
    "-abs(x)": ("even", "1", "no", "no"),
    "abs(x)*x": ("odd", "2", "increasing ~", "no"),
    "tanh(x)": ("odd", "no", "increasing ~", "yes ~"),
    "exp(-x**2)": ("even", "no", "no", "yes ~"),
    "Max(x, 0.1*x)": ("no", "1", "increasing", "no"),
    "Min(Max(x, -1), 1)": ("odd", "no", "increasing", "yes"),
    "x**3 - 3*x": ("odd", "no", "no", "no"),
    "log(1 + x**2)": ("even", "no", "no", "no ~"),
    "-x - tanh(x)": ("odd", "no", "decreasing ~", "no ~"),
    "x + 1e-9*x**2": ("no", "no", "no", "no"),
    "sqrt(abs(x))": ("even", "0.5 ~", "no", "no ~"),
}


@pytest.mark.parametrize("text", KNOWN)
def test_properties(text: str) -> None:
    held = Properties(sp.sympify(parse(text, {"x": x})))
    assert tuple(map(str, (held.parity, held.homogeneous, held.monotone, held.bounded))) == KNOWN[text]
