"""The referee's report: one line for every check, and whether all hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Literal, get_args

Verdict = Literal["proved", "checked", "failed"]
"""proved: by normal forms; checked: numbers agree to 25 digits, a helper is within its bound; failed: they differ."""


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
class Identity:
    """One identity between an emitted file and its declaration, and how it stands."""

    what: str  # F, dF/dx, dF/d(parameter), a start, or a helper
    situations: tuple[str, ...]  # in which the file computes it so
    verdict: Verdict
    detail: str  # cells of a proof; why there is none; where and by how much it fails
    seconds: float


@dataclass(frozen=True)
class Report:
    """All checks of one emitted file."""

    spec: str  # SPEC of the declaration
    file: str  # name of the emitted file
    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...] = ()  # with the reason of each
    proofs: tuple[Identity, ...] = field(default=(), kw_only=True)  # where they were asked for

    @property
    def ok(self) -> bool:
        """Whether something was checked and everything that was checked holds."""
        holds = all(check.passed for check in self.checks) and all(p.verdict != "failed" for p in self.proofs)
        return bool(self.checks) and holds

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks and identities that do not hold."""
        names = [check.name for check in self.checks if not check.passed]
        return (*names, *(p.what for p in self.proofs if p.verdict == "failed"))

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
        proofs = ["", *identity_table(self.proofs), ""] if self.proofs else []
        return "\n".join([f"{self.spec}  {self.file}", *lines, *proofs, self.summary()])

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
        failed = sum(not check.passed for check in self.checks)
        counts = f"{len(self.checks)} checks, {failed} failed, {len(self.skipped)} skipped in {seconds:.1f} s"
        if self.proofs:
            counts += f"; {tally(self.proofs)} in {sum(p.seconds for p in self.proofs):.1f} s"
        return f"{'ok' if self.ok else 'FAIL'}: {counts}"

    def as_dict(self) -> dict[str, Any]:
        """The report as dictionaries, lists, strings and numbers; errors beyond a double's range become strings."""
        checks = [asdict(check) for check in self.checks]
        for check in checks:
            for key in ("worst", "bound"):
                if not abs(check[key]) < float("inf"):
                    check[key] = str(check[key])
        skipped = [asdict(s) for s in self.skipped]
        report = {"spec": self.spec, "file": self.file, "ok": self.ok, "checks": checks, "skipped": skipped}
        return {**report, "proofs": [asdict(p) for p in self.proofs]} if self.proofs else report


def tally(proofs: Sequence[Identity]) -> str:
    """How many identities are proved, checked and failed."""
    counts = {verdict: sum(p.verdict == verdict for p in proofs) for verdict in get_args(Verdict)}
    return f"{len(proofs)} identities, " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items())


def identity_table(proofs: Sequence[Identity]) -> list[str]:
    """One aligned line an identity: verdict, name, seconds, detail, and the situations in which it is computed."""
    rows = [("", "identity", "s", "", "")]
    rows += [(p.verdict, p.what, f"{p.seconds:.2f}", p.detail, "; ".join(p.situations)) for p in proofs]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}{'  in: ' if e else ''}{e}".rstrip()
        for a, b, c, d, e in rows
    ]
