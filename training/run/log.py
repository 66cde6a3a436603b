"""The numbers of a run: one JSON object a line, trackers beside it, and a progress bar."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from learnact.files import write_whole
from learnact.training.run.trackers import Trackers

NAME = "metrics.jsonl"
OF_THE_END = {"test", "learned"}
"""Kinds that are written after the last step: a run that goes on from there writes them again."""


class Log:
    """Appends to a run's log. Lines later than the step that a run goes on from are dropped first."""

    def __init__(self, folder: Path, step: int, steps: int, trackers: Trackers) -> None:
        path = folder / NAME
        before = read(folder) if path.is_file() and step else []
        lines = [line for line in before if line["step"] <= step and line["kind"] not in OF_THE_END]
        write_whole(path, "".join(f"{json.dumps(line)}\n" for line in lines), force=True)
        self._file = path.open("a", encoding="utf-8", newline="\n")
        self._trackers = trackers
        self._bar = tqdm(total=steps, initial=step, unit="step", disable=None, dynamic_ncols=True)

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one line; `step` counts the updates done."""
        self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._file.flush()
        if kind == "train":
            self._bar.update(1)
            self._bar.set_postfix(loss=f"{values['loss']:.4f}", refresh=False)
        elif kind in {"eval", "test"}:
            scores = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            self.say(f"step {step}: {'validation' if kind == 'eval' else kind} {scores}")
        self._trackers.write(kind, step, values)

    def say(self, text: str) -> None:
        """A line on the terminal that leaves the bar whole."""
        self._bar.write(text, file=sys.stderr)

    def sync(self) -> None:
        """Have all lines on the disk: a checkpoint must not be ahead of its log."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close file, bar and trackers."""
        self._bar.close()
        self._file.close()
        self._trackers.close()


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's log; a torn last line is left out."""
    with (folder / NAME).open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
