"""Keeps the comparison with the largest error / bound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from learnact.compiler.verify.measured import Array


class Broken(Exception):
    """A property that the emitted file must have and has not."""


class NotApplicable(Exception):
    """The check does not apply to this activation; the report says why."""


def expect(holds: bool, otherwise: str) -> None:
    """Raises Broken, with the message `otherwise`, unless `holds`."""
    if not holds:
        raise Broken(otherwise)


@dataclass(frozen=True)
class Finding:
    """What a check found; it passes when the worst error is within its bound."""

    worst: float
    bound: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the promise holds; an error that is no number never does."""
        return self.worst <= self.bound


def kept(*promises: str) -> Finding:
    """The finding when all of these promises hold."""
    return Finding(0.0, 0.0, "; ".join(promises))


@dataclass
class Ledger:
    """Collects errors with their bounds."""

    count: int = 0
    ratio: float = -1.0
    worst: float = 0.0
    bound: float = 0.0
    where: str = ""
    left: dict[str, int] = field(default_factory=dict)  # reason -> numbers that could not be compared

    def compare(self, errors: Array | float, bounds: Array | float, where: str, at: Array | None = None) -> None:
        """Note errors (any shape, or a number) against bounds of the same shape, met at the points `at`."""
        error, bound = (np.atleast_1d(np.asarray(v, dtype=float)).ravel() for v in np.broadcast_arrays(errors, bounds))
        if not error.size:
            return
        self.count += error.size
        with np.errstate(all="ignore"):
            ratio = np.where(bound > 0, error / bound, np.where(error > 0, np.inf, 0.0))
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        k = int(np.argmax(ratio))
        if ratio[k] > self.ratio:
            self.ratio, self.worst, self.bound = float(ratio[k]), float(error[k]), float(bound[k])
            self.where = where if at is None else f"{where}, x = {np.broadcast_to(at, error.shape)[k]:.6g}"

    def leave(self, count: int, reason: str) -> None:
        """Note so many numbers as not compared."""
        if count:
            self.left[reason] = self.left.get(reason, 0) + int(count)

    def finding(self, what: str) -> Finding:
        """The worst comparison in words. Raises Broken when nothing was compared: that is no success."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.left.items())
        left = f"; not compared: {reasons}" if reasons else ""
        expect(self.count > 0, f"not one of the {what} could be compared{left}")
        return Finding(self.worst, self.bound, f"{self.count} {what}{left}; worst at {self.where}")
