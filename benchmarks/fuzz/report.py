"""What a run of the fuzzer found: counts, and every finding as a line that shows it again."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


@dataclass
class Findings:
    """Counts of one run and its findings; the k-th trial depends on the seed and k alone."""

    what: str
    seed: int
    first: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str, str]] = field(default_factory=list)  # (trial, what is wrong, how to see it again)
    trials: int = 0
    seconds: float = 0.0  # processor time

    def until(self, seconds: float, count: int | None) -> Iterator[int]:
        """Numbers of trials until the processor time or the count is used up; says each minute how far it is."""
        begun = said = time.process_time()
        while (count is None or self.trials < count) and self.seconds < seconds:
            yield self.first + self.trials
            self.trials += 1
            now = time.process_time()
            self.seconds = now - begun
            if now - said > 60:
                said = now
                print(self.summary(), file=sys.stderr, flush=True)

    def count(self, what: str, times: int = 1) -> None:
        """Count something."""
        self.counts[what] += times

    def add(self, trial: int, fault: str, again: str) -> None:
        """Record a finding, and say it at once."""
        self.faults.append((trial, fault, again))
        print(f"{self.what} {self.seed}/{trial}: {fault}\n    {again}", flush=True)

    def summary(self) -> str:
        """One line."""
        parts = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        head = f"{self.what}, seed {self.seed}: {self.trials} trials in {self.seconds:.0f} s"
        return f"{head}; {parts}; {len(self.faults)} findings"


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Interrupt what runs inside after so many seconds of processor time. Raises TooLate there."""

    def late(_: int, __: FrameType | None) -> None:
        raise TooLate

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
