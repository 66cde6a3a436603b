"""Questions to code that somebody else wrote, in a process of its own that can be stopped, or in this one."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from learnact.compiler.verify import stranger
from learnact.compiler.verify.stranger import Wrong
from learnact.errors import BadTarget

Message = dict[str, Any]
RUN = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
"""Run a file by its path without its folder on the import path, where the names of its neighbours would hide others."""

NO_COMPILER = {"TORCHDYNAMO_DISABLE": "1"}  # code that bears @torch.compile runs eagerly
ONE_COMPILER = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}  # no pool of processes is left behind
LOADING = 60.0  # seconds for Python and torch to start on a busy machine, and then for the code to be imported


class NoAnswer(Exception):
    """The process said nothing in time, or ended."""


@dataclass(frozen=True)
class Match:
    """How the declared parameters reach the code."""

    matched: Mapping[str, str]  # name -> argument, or the path of the parameter or attribute
    unjudged: Mapping[str, str]  # name -> why its gradient is not judged
    fixed: tuple[str, ...]  # names whose values cannot be set
    numbers: tuple[str, ...]  # names of Python numbers, which are not rounded to the dtype
    own: Mapping[str, Sequence[float]]  # name -> the values that a module brings
    judged: tuple[str, ...]  # names whose gradients answers hold, in order

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Match:
        """Read the first `reply`."""
        lists = {name: tuple(reply[name]) for name in ("fixed", "numbers", "judged")}
        return cls(matched=reply["matched"], unjudged=reply["unjudged"], own=reply["own"], **lists)


class Dialogue(Protocol):
    """Whoever answers."""

    def meet(self, parameters: Mapping[str, Sequence[float]], scalars: Sequence[str], seconds: float) -> Match:
        """Find the code and match `parameters`, `scalars` among them, in so many `seconds`.

        Raises BadTarget where the code cannot be judged.
        """

    def ask(self, question: Message, seconds: float) -> Message:
        """The answer to one `question` within so many `seconds`.

        Raises Wrong where the code raises or returns no tensor like its input, NoAnswer where it is silent.
        """

    def close(self) -> None:
        """End it."""


@dataclass
class Here:
    """A live object, judged in this process: nothing stops code that never returns."""

    subject: Any
    _stranger: stranger.Stranger | None = field(default=None, init=False)

    def meet(self, parameters: Mapping[str, Sequence[float]], scalars: Sequence[str], seconds: float) -> Match:
        try:
            known = self._stranger = stranger.Stranger(self.subject, parameters, scalars)
        except stranger.Unusable as err:
            raise BadTarget(f"{self.name} cannot be judged: {err}") from err
        return Match.of({name: getattr(known, name) for name in Match.__dataclass_fields__})

    @property
    def name(self) -> str:
        """What the object calls itself."""
        return getattr(self.subject, "__name__", type(self.subject).__name__)

    def ask(self, question: Message, seconds: float) -> Message:
        assert self._stranger is not None
        try:
            return self._stranger.answer(question)
        except Wrong:
            raise
        except (Exception, SystemExit) as err:
            raise Wrong(f"raised {stranger.one_line(err)}") from err

    def close(self) -> None:
        self._stranger = None


class Process:
    """`FILE.py:callable` or `package.module:callable` in a process of its own, in which nothing or all is compiled."""

    def __init__(self, name: str, *, compiled: bool) -> None:
        self.name = name
        command = [sys.executable, "-c", RUN, str(Path(stranger.__file__).resolve())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # what the code starts ends with it
            env={**os.environ, **(ONE_COMPILER if compiled else NO_COMPILER)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def meet(self, parameters: Mapping[str, Sequence[float]], scalars: Sequence[str], seconds: float) -> Match:
        try:
            self._reply(LOADING)
            self.ask({"name": self.name}, LOADING)
            return Match.of(self.ask({"parameters": parameters, "scalars": list(scalars)}, seconds))
        except (NoAnswer, Wrong) as err:
            raise BadTarget(f"{self.name} cannot be judged: {err}") from err

    def ask(self, question: Message, seconds: float) -> Message:
        """The answer to one `question` within so many `seconds`.

        Raises Wrong and NoAnswer as `Dialogue.ask`, BadTarget for code that cannot be judged at all.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as err:
            raise NoAnswer("it ended the process") from err
        reply = self._reply(seconds)
        if "unusable" in reply:
            raise BadTarget(f"{self.name} cannot be judged: {reply['unusable']}")
        if "wrong" in reply:
            raise Wrong(reply["wrong"])
        return reply

    def _reply(self, seconds: float) -> Message:
        try:
            line = self._lines.get(timeout=max(seconds, 0.01))
        except queue.Empty:
            self.close()
            raise NoAnswer(f"it did not answer within {seconds:.0f} s") from None
        if not line:
            raise NoAnswer(f"it ended the process, with the code {self._process.wait()}")
        reply: Message = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process, and what it started."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._reader.join(timeout=1)
        with suppress(OSError):  # what was not yet written to a process that has ended
            assert self._process.stdin is not None
            self._process.stdin.close()
        if not self._reader.is_alive():
            assert self._process.stdout is not None
            self._process.stdout.close()
