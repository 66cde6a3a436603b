"""The referee's report: one line for every check, and whether all hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Check:
    """One named check: the worst error found, and its bound."""

    name: str
    passed: bool
    worst: float  # at the point where error / bound is largest; the number of broken promises if there is no error
    bound: float  # the bound at that point; 0 where a promise either holds or does not
    detail: str
    seconds: float


@dataclass(frozen=True)
class Skipped:
    """A check that was not made, and why. It counts neither for nor against the file."""

    name: str
    reason: str


@dataclass(frozen=True)
class Report:
    """All checks of one emitted file."""

    spec: str  # SPEC of the declaration
    file: str  # name of the emitted file
    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...] = ()  # with the reason of each

    @property
    def ok(self) -> bool:
        """Whether something was checked and everything that was checked holds."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that do not hold."""
        return tuple(check.name for check in self.checks if not check.passed)

    def table(self) -> str:
        """One aligned line a check: verdict, name, worst error, bound, seconds, detail."""
        rows = [("", "check", "worst", "bound", "s", "")]
        for c in self.checks:
            rows.append(
                ("ok" if c.passed else "FAIL", c.name, f"{c.worst:.2g}", f"{c.bound:.2g}", f"{c.seconds:.2f}", c.detail)
            )
        rows += [("skip", s.name, "-", "-", "-", s.reason) for s in self.skipped]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = []
        for verdict, name, worst, bound, seconds, detail in rows:
            left = f"{verdict:<{widths[0]}}  {name:<{widths[1]}}"
            numbers = f"{worst:>{widths[2]}}  {bound:>{widths[3]}}  {seconds:>{widths[4]}}"
            lines.append(f"{left}  {numbers}  {detail}".rstrip())
        return "\n".join([f"{self.spec}  {self.file}", *lines, self.summary()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("", "check", "worst", "bound", "seconds", ""))
        rows = [
            ("ok" if c.passed else "FAIL", c.name, f"{c.worst:.2g}", f"{c.bound:.2g}", f"{c.seconds:.2f}", c.detail)
            for c in self.checks
        ]
        rows += [("skip", s.name, "", "", "", s.reason) for s in self.skipped]
        cell = '<td style="white-space: nowrap; text-align: left">{}</td>'
        body = "".join(f"<tr>{''.join(cell.format(escape(text)) for text in row)}</tr>" for row in rows)
        caption = escape(f"{self.spec}, {self.file}: {self.summary()}")
        return f"<table><caption>{caption}</caption><tr>{head}</tr>{body}</table>"

    def summary(self) -> str:
        """The verdict in one line."""
        seconds = sum(check.seconds for check in self.checks)
        counts = f"{len(self.checks)} checks, {len(self.failed)} failed, {len(self.skipped)} skipped in {seconds:.1f} s"
        return f"{'ok' if self.ok else 'FAIL'}: {counts}"

    def as_dict(self) -> dict[str, Any]:
        """The report as dictionaries, lists, strings and numbers; errors beyond a double's range become strings."""
        checks = [asdict(check) for check in self.checks]
        for check in checks:
            for key in ("worst", "bound"):
                if not abs(check[key]) < float("inf"):
                    check[key] = str(check[key])
        skipped = [asdict(s) for s in self.skipped]
        return {"spec": self.spec, "file": self.file, "ok": self.ok, "checks": checks, "skipped": skipped}
