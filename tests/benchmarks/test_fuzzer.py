"""The fuzzer for a few seconds: nothing is found at a fixed seed, and planted faults are."""

from __future__ import annotations

import random

import pytest

from benchmarks.fuzz import derivations, families, texts
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


def test_a_wrong_moment_and_a_wrong_module_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Findings("planted", 0)
    values = {"a": "1"}
    moments = derivations.moments
    monkeypatch.setattr(derivations, "moments", lambda text, at, law: moments(text.replace("sin", "cos"), at, law))
    derivations.compared(found, 0, "a*sin(x)", values, "normal")
    assert len(found.faults) == 6  # three moments of two starts
    _, cls = families.module_of(families.from_expression("a*sin(x)", values, "Trial"))
    assert families.disagreements(cls, "a*sin(x)", values, values)[0] == []
    assert families.disagreements(cls, "a*sin(1.0001*x)", values, values)[0]


def test_a_trial_depends_on_its_number_alone() -> None:
    assert families.drawn(random.Random("families 1 5")) == families.drawn(random.Random("families 1 5"))
