"""Progress: named steps on a terminal, nothing elsewhere, and nothing of it on stdout."""

from __future__ import annotations

import io
import sys

import pytest

from learnact import derive, verify
from learnact.compiler.cli.main import main
from learnact.compiler.cli.progress import progress
from learnact.compiler.emit.check import check
from learnact.compiler.emit.plan import GENERATED, generated_folder


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_steps_are_named_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with progress("verify") as watch:
        for name in ("header", "imports", "compile"):
            watch(name, 3)
    shown = screen.getvalue()
    assert [name in shown for name in ("verify", "header", "imports", "compile")] == [True] * 4
    assert shown.index("header") < shown.index("33%") < shown.index("66%") < shown.index("100%")


def fail_inside() -> None:
    with progress("verify") as watch:
        watch("header", 2)
        watch("imports", 1 // 0)


def test_a_step_that_fails_leaves_the_terminal_in_order(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert screen.getvalue().endswith("\n")  # the error starts on a line of its own
    assert "100%" not in screen.getvalue()


@pytest.mark.parametrize(
    "arguments", [["derive", "hermite:2"], ["verify", "--quick", "sinusoid"], ["emit", "sinusoid"]]
)
def test_nothing_is_printed_where_stderr_is_no_terminal(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    assert capsys.readouterr().err == ""


def test_a_terminal_on_stderr_leaves_stdout_as_it_is(capsys, monkeypatch):
    for screen in (io.StringIO(), terminal := Terminal()):
        monkeypatch.setattr(sys, "stderr", screen)
        with pytest.raises(SystemExit):
            main(["derive", "hermite:2"])
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]
    assert "balanced" in terminal.getvalue()


def test_every_start_check_and_module_is_reported():
    steps: list[tuple[str, int]] = []
    derivation = derive("hermite:2", watch=lambda *step: steps.append(step))
    assert steps == [(s.name, len(derivation.starts)) for s in derivation.starts]
    steps.clear()
    report = verify("sinusoid", quick=True, watch=lambda *step: steps.append(step))
    made = {check.name for check in report.checks} | {skipped.name for skipped in report.skipped}
    assert {name for name, _ in steps} < made
    assert {count for _, count in steps} == {len(steps)}
    steps.clear()
    check(generated_folder(), watch=lambda *step: steps.append(step))
    assert steps == [(spec, len(GENERATED)) for spec in GENERATED]
