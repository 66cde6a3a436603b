"""What the tests of learnact-train share: a model of a few hundred numbers, and the command line in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from learnact.training.cli.main import main

MODEL = ("--layers", "2", "--width", "16", "--heads", "2", "--context", "16", "--eval-windows", "8")
SHORT = ("--batch", "4", "--steps", "6", "--cpu")
TINY = ("gpt2", *MODEL, *SHORT)
"""Six steps of a GPT-2 of two layers, on the language reference."""


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run learnact-train; exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    said = capsys.readouterr()
    code = left.value.code
    assert isinstance(code, int)
    return code, said.out, said.err


def complaint(err: str) -> str:
    """The one line that an error leaves; progress bars may stand before it."""
    (line,) = (line for line in err.splitlines() if line.startswith("learnact-train: error: "))
    assert "Traceback" not in err
    return line


def lines(run: Path) -> list[dict[str, Any]]:
    """A run's log without the times and the memory."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    measured = {"seconds", "step_seconds", "tokens_per_second", "images_per_second", "peak_memory_bytes"}
    return [{k: v for k, v in line.items() if k not in measured} for line in found]


def losses(run: Path) -> list[float]:
    """Training losses, in order."""
    return [line["loss"] for line in lines(run) if line["kind"] == "train"]
