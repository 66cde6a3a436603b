"""The fuzzer for a few seconds: nothing is found at a fixed seed, and planted faults are."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fuzz import derivations, families, files, page, texts
from benchmarks.fuzz.report import Findings
from learnact.errors import BadExpression


def test_texts_are_read_or_refused() -> None:
    found = texts.texts(seed=11, seconds=60, count=150)
    assert found.trials == 150
    assert found.faults == []


def test_derivations_agree() -> None:
    found = derivations.derivations(seed=1, seconds=60, count=6, first=1)
    assert found.counts["moments in closed form"] + found.counts["moments by quadrature"] >= 12
    assert found.faults == []


def test_emitted_files_agree() -> None:
    found = families.families(seed=1, seconds=60, count=6, first=1)
    assert found.counts["numbers compared"] > 200
    assert found.faults == []


def test_a_text_that_breaks_the_rules_is_found() -> None:
    def warns() -> None:
        import warnings  # noqa: PLC0415

        warnings.warn("overflow", stacklevel=1)

    def raises(error: Exception) -> None:
        raise error

    assert "warning" in texts.judged(texts.Case("", warns, ""))[1]
    assert "several lines" in texts.judged(texts.Case("", lambda: raises(BadExpression("a\nb")), ""))[1]
    assert "KeyError" in texts.judged(texts.Case("", lambda: raises(KeyError("a")), ""))[1]
    assert texts.judged(texts.Case("", lambda: raises(BadExpression("one line")), "")) == ("refused", "")


@pytest.mark.parametrize(
    ("text", "values", "law"),
    [
        ("a*selu(hardswish(max((x + pi), (x if x >= 0.5 else x)))) + d*x", {"a": "1", "d": "0.1"}, "normal:0.3"),
        ("a*Max(10*(x-0.3),0)**0.51+b*x", {"a": "1", "b": "0.5"}, "exponential"),
    ],
    ids=["a jump beside a panel's end", "an infinite slope times 0"],
)
def test_the_reference_is_right_where_it_was_wrong(text: str, values: dict[str, str], law: str) -> None:
    found = Findings("planted", 0)
    derivations.compared(found, 0, text, values, law)
    assert found.faults == []
    assert sum(found.counts.values()) == 8


def test_the_reference_says_nothing_where_it_meets_no_numbers() -> None:
    found = derivations.Numbers.of("log(x)", {}, "normal")
    assert set(found.values.values()) == {None}


def test_a_wrong_moment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Findings("planted", 0)
    moments = derivations.moments
    monkeypatch.setattr(derivations, "moments", lambda text, *rest: moments(text.replace("sin", "cos"), *rest))
    derivations.compared(found, 0, "a*sin(x)", {"a": "1"}, "normal")
    assert len(found.faults) == 8  # four numbers of two starts


ALL_WAYS = ("float64:", "float32:", "all at once", "strided", "per channel", "traced")


@pytest.fixture(scope="module")
def sine() -> tuple[families.Trial, str]:
    """A declaration, and its emitted text."""
    ranges = {"a": families.ANY, "b": families.POSITIVE}
    trial = families.of_expression("a*sin(b*x)", {"a": "1.31", "b": "0.77"}, ranges)
    return trial, families.module_of(trial.declare())[0]


@pytest.mark.parametrize(
    ("ways", "before", "after"),
    [
        (set(ALL_WAYS), "slope = b * part2", "slope = part2"),
        ({"per channel"}, "    return parameter.view(", "    return 1.001 * parameter.view("),
        ({"traced"}, "rows.flatten(0, -2).sum(0)", "rows.flatten(0, -2).sum(0) * 2"),
        ({"traced"}, "r * s * (-0.16666656732559204", "r * s * (-0.17666656732559204"),
    ],
    ids=["slope", "channels", "sums of rows", "sine"],
)
def test_a_wrong_module_is_found(sine: tuple[families.Trial, str], ways: set[str], before: str, after: str) -> None:
    trial, source = sine
    assert before in source
    namespace: dict[str, type] = {}
    exec(source.replace(before, after), namespace)
    wrong, _ = families.disagreements(namespace["Trial"], trial, rows=True)
    assert {way for way in ALL_WAYS if any(f", {way}" in line for line in wrong)} == ways


@pytest.mark.parametrize("shape", sorted(set(files.SHAPES)))
def test_a_family_file_says_what_the_interpreter_reads(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shape of a file; and a text that says another thing is seen."""
    monkeypatch.setattr(files, "SHAPES", (shape,))
    trial = families.of_file(random.Random(f"files {shape}"))
    activation = trial.declare()
    assert bool(activation.family.basis) == (shape == "recurrence")
    _, cls = families.module_of(activation)
    wrong, count = families.disagreements(cls, trial)
    assert wrong == []
    assert count > 100
    assert families.disagreements(cls, replace(trial, text=f"({trial.text}) + 0.0001*x"))[0]


def test_runs_are_kept_in_place_of_earlier_ones(tmp_path: Path) -> None:
    one, again, other = (
        Findings("texts", 5, trials=10),
        Findings("texts", 5, trials=20),
        Findings("texts", 5, 20, trials=7),
    )
    again.add(3, "takes 9.0 s", "parse('x', NAMES)")
    for found in (one, other, again):
        page.keep(tmp_path, found)
    rows = json.loads((tmp_path / "fuzz.json").read_text())["rows"]
    assert [(r["first"], r["trials"], len(r["findings"])) for r in rows] == [(0, 20, 1), (20, 7, 0)]
    text = (tmp_path / "fuzz.md").read_text()
    assert re.search(r"texts +\| 5 +\| 0-26 +\| 27 +\| 0 +\| 0 +\| 1 ", text)
    assert "- texts, seed 5, trial 3: takes 9.0 s\n\n      parse('x', NAMES)" in text
    page.keep(tmp_path, Findings("texts", 5, 3, trials=1))  # mended, and run again
    text = (tmp_path / "fuzz.md").read_text()
    assert re.search(r"texts +\| 5 +\| 0-26 +\| 27 +\| 0 +\| 1 +\| 0 ", text)
    assert "takes 9.0 s" not in text


def test_a_trial_depends_on_its_number_alone() -> None:
    one, other = (families.drawn(random.Random("families 1 5")) for _ in range(2))
    assert (one.text, one.values, one.again) == (other.text, other.values, other.again)
