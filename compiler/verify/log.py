"""Makes checks one by one, times them, and turns each result or exception into a line of the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from learnact.compiler.verify.ledger import Broken, Finding, NotApplicable
from learnact.compiler.verify.report import Check, Skipped
from learnact.compiler.verify.subject import Subject

CheckFunction = Callable[[Subject], Finding]
LONGEST = 300  # characters of an exception's message that a report repeats


@dataclass
class Log:
    """The checks made so far on one subject."""

    subject: Subject
    checks: list[Check] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def make(self, name: str, check: CheckFunction) -> bool:
        """Make one check and return whether it holds; an exception is a failure."""
        begin = time.perf_counter()
        try:
            finding = check(self.subject)
        except NotApplicable as reason:
            self.skip([name], str(reason))
            return True
        except Broken as promise:
            finding, passed = Finding(1.0, 0.0, str(promise)), False
        except Exception as err:
            words = " ".join(str(err).split())[:LONGEST]
            finding, passed = Finding(1.0, 0.0, f"raised {type(err).__name__}: {words}"), False
        else:
            passed = finding.passed
        seconds = time.perf_counter() - begin
        self.checks.append(Check(name, passed, finding.worst, finding.bound, finding.detail, seconds))
        return passed

    def skip(self, names: Iterable[str], reason: str) -> None:
        """Note checks that are not made."""
        self.skipped += [Skipped(name, reason) for name in names]
