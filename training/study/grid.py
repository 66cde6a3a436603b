"""A grid of activations, starts and seeds: one process a run, each with the same steps and data."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from learnact import start_conditions
from learnact.training.config import FOR_GENERATED, GATED
from learnact.training.errors import BadConfig
from learnact.training.model.activation import choose
from learnact.training.model.expression import declaration_of, end_of, is_expression

OUTPUT = "output.txt"

OF_THE_STUDY = ("activation", "start", "seed", "out", "data", "validation", "tokenizer", "preset")
"""What one setting cannot have for itself: it is the same for all, or written in another place."""


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    activation: str
    start: str
    options: tuple[tuple[str, str], ...]  # of this setting alone: name and value
    seed: int
    folder: Path
    arguments: tuple[str, ...]  # of learnact-train


@dataclass(frozen=True)
class Outcome:
    """How a run's process ended."""

    cell: Cell
    code: int
    message: str  # the last line it said


def grid(
    task: str,
    activations: Sequence[str],
    starts: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    words: Sequence[str] = (),
    classical_words: Sequence[str] | None = None,
) -> list[Cell]:
    """Every activation with every start (its own, `SPEC@START`, or each of `starts`) and every seed, seeds outermost.

    So an interrupted study has compared all settings on the seeds that are done. An activation may have options of its
    own, `hermite:3@balanced,lr=4e-3`, and one of them several values, `lr=2e-3|4e-3`, a setting each; conditions belong
    to the start, `hermite:3@curved,curvature=2,lr=4e-3`. `words` are the
    other arguments of each run, `classical_words` those of a run with a classical activation, where they differ.
    Raises UnknownName, BadConfig.
    """
    settings = [setting for name in activations for setting in _settings(name, starts)]
    if len(set(settings)) < len(settings):
        raise BadConfig("the grid holds a setting twice; name each activation, start and options once")
    spared = words if classical_words is None else classical_words
    classical = {(name, start): not choose(name, start).learnable for name, start, _ in settings}
    if all(classical.values()) and spared != words:
        asked = ", ".join(f"--{name.replace('_', '-')}" for name in FOR_GENERATED)
        raise BadConfig(f"no activation of this study is generated, for which {asked} are; leave them out")
    cells = []
    for seed in seeds:
        for name, start, options in settings:
            parts = [_slug(name), _slug(start), *(f"{option}{value}" for option, value in options)]
            folder = out / f"{'-'.join(filter(None, parts))}-seed{seed}"
            own = ["--start", start] if start else []
            for option, value in options:
                own.append(f"--{option}={value}" if value else f"--{option}")  # one word: a switch refuses a value
            given = spared if classical[name, start] else words
            arguments = (task, *given, "--activation", name, *own, "--seed", str(seed), "--out", str(folder))
            cells.append(Cell(name, start, options, seed, folder, arguments))
    return cells


def conduct(cells: Sequence[Cell], jobs: int, niceness: int) -> list[Outcome]:
    """Run all cells, `jobs` at a time; a cell that was run before goes on or answers at once.

    A run that fails is an outcome, not the end of the study. An interruption ends the processes that are running.
    """
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}  # runs side by side would else wait for one another
    running: set[subprocess.Popen[bytes]] = set()
    stop = threading.Event()

    def one(cell: Cell) -> Outcome:
        cell.folder.mkdir(parents=True, exist_ok=True)
        with (cell.folder / OUTPUT).open("ab") as output:
            if stop.is_set():
                return Outcome(cell, -signal.SIGTERM, "not begun")
            process = subprocess.Popen(
                [sys.executable, "-m", "learnact.training.cli", *cell.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            running.add(process)
            _lower_priority(process.pid, niceness)
            code = process.wait()
            running.discard(process)
        said = (cell.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return Outcome(cell, code, said[-1] if said else "")

    outcomes = []
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(cells), unit="run", disable=None) as bar:
        try:
            for outcome in pool.map(one, cells):
                outcomes.append(outcome)
                bar.write(f"{outcome.cell.folder.name}: {outcome.message}")
                bar.update(1)
        except BaseException:
            stop.set()
            for process in tuple(running):
                process.terminate()
            raise
    return outcomes


def _lower_priority(process: int, niceness: int) -> None:
    """As `nice -n` does, where the system knows it; a process that has ended already needs none."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process, os.getpriority(os.PRIO_PROCESS, 0) + niceness)


Setting = tuple[str, str, tuple[tuple[str, str], ...]]
"""Activation, start, and options of its own."""


def split_setting(text: str) -> list[str]:
    """`SPEC[@START]` and each `option[=value]` after it, an expression's own commas left to it."""
    end = end_of(text) if is_expression(text) else 0
    first, *given = re.split(r",(?=[a-z][a-z-]*(?:=|,|$))", text[end:])
    return [text[:end] + first, *given]


def _settings(text: str, starts: Sequence[str]) -> list[Setting]:
    """`SPEC[@START][,option[=value[|value…]]…]`, where an option without a value is a switch."""
    name, *given = split_setting(text)
    spec, at, own = name.partition("@")
    if at and not own:
        raise BadConfig(f"{name!r} names no start after the @; leave it out")
    options = [option.partition("=") for option in given]
    if own:
        conditions = ["".join(o) for o in options if o[0] in start_conditions()]
        own, options = ",".join([own, *conditions]), [o for o in options if o[0] not in start_conditions()]
    if spec in GATED:
        spec, options = GATED[spec], [("gated", "", ""), *options]
    if twice := {o for o, _, _ in options if [n for n, _, _ in options].count(o) > 1}:
        raise BadConfig(f"{text!r} gives {', '.join(sorted(twice))} twice; write several values as in lr=2e-3|4e-3")
    if odd := [o for o, equals, value in options if o in OF_THE_STUDY or (equals and not all(value.split("|")))]:
        raise BadConfig(f"{text!r}: {odd[0]} is an option of the study, or has an empty value; write e.g. lr=2e-3|4e-3")
    choices = [[(option, value) for value in values.split("|")] for option, _, values in options]
    default = choose(spec, own)
    chosen = [own] if own or not default.learnable else list(starts) or [default.start]
    return [(spec, start, tuple(some)) for start in chosen for some in itertools.product(*choices)]


def _slug(name: str) -> str:
    if is_expression(name):
        return f"{_slug(str(declaration_of(name).name))}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return "".join(c if c.isalnum() or c == "_" else "-" for c in name.replace(":", ""))
