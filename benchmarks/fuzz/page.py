"""Runs of the fuzzer as they are kept, in fuzz.json, and shown, in fuzz.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.fuzz.report import Findings
from benchmarks.tables import provenance, save, table

Row = dict[str, Any]
"""One run: kind, seed, first trial, trials, seconds, counts, findings, and where its numbers come from."""

INTRODUCTION = """\
Written by `python -m benchmarks.fuzz KIND --seed N --out benchmarks/results`; seconds are of processor time.

- texts: expressions, parameters, laws, names and SPECs, well formed, damaged or hostile. Each is to be accepted, or
  refused in one line, within 5 s and 1 GiB and without a warning. One of 100 is derived; seed 501 held a part of those
  to 30 s, and may have passed over some that take more than 5.
- derivations: E[F], E[F^2], E[F'^2] and the q-slope of random expressions under nine laws, as `derive` gives them,
  against an adaptive quadrature of the text that shares no code with the compiler, within 1e-8 and the stated error.
- families: modules that are emitted for random family files and expressions, against an interpreter of the text at 40
  digits: F, F' and every parameter's gradient in float64 and float32, in one tensor, strided, per channel, and traced
  by torch.compile; one file of 25 goes through the quick referee, one of 100 through the whole one, one of 60 through
  the proofs.

Open and mended count trials with a finding; a mended one was run again after the change and passes. Trials without a
finding were not run again after a later change."""

MENDED = (
    ("texts", "1, 2, 3", "nested `elu`, `hardswish` and `hardsigmoid`, `0.5**0.5**...`: minutes, or no end"),
    ("texts", "1, 2, 3", "three warnings of NumPy; `tan(erfc(x)*c)` failed in NumPy"),
    ("texts", "77/8456", "`tan` of an exact number beyond 64 bits failed in NumPy; such numbers are doubles there now"),
    ("texts", "77/9240", "`tan` of a root of a negative parameter was complex; it is refused as not real now"),
    ("texts", "501/2916", "a SPEC with a line break was refused in several lines"),
    ("texts", "501/3600", "`(30000**64 + abs(x))**0.5` took over a minute: quadrature asked for an absolute error"),
    ("texts", "501/35505", "20 nested `tanh` of `(atan(1e-3/x) - 1e3)/b` took over a minute; 6 may be nested now"),
    ("texts", "501/62368", "a complex derivative lost its imaginary part, with a warning; it is refused now"),
    ("texts", "501/64600", "`(1e-3)**x` to the fourth took over a minute: the same, where E[F^2] is 1e165"),
    ("texts", "501/77464", "20 nested `hardsigmoid` were refused after 5 s; 6 maxima may stand in one another, not 8"),
)
"""(kind, seed and trial, what was found and is mended), each with a test."""

REFERENCE = (
    ("derivations", "1", "`log(1 + x**2/2)/x` loses digits near 0 in the reference; it reads `log1p` now"),
    ("derivations", "77/31", "a jump between the end of a panel and its nearest node, which no node of a half saw"),
    (
        "derivations",
        "101/119",
        "a power of a constant 0, whose slope was infinity times 0, left out a part of the line",
    ),
)
"""Findings in which the compiler was right, by mpmath at 50 digits, and the reference wrong."""


def keep(folder: Path, found: Findings) -> None:
    """Put a run into fuzz.json, in the place of one of the same kind, seed and first trial; print fuzz.md from it.

    Trials that lie within an earlier run replace what that one found there: what is not found again is mended.
    """
    path = folder / "fuzz.json"
    held: list[Row] = json.loads(path.read_text())["rows"] if path.exists() else []
    origin = provenance()
    row = {
        "kind": found.what,
        "seed": found.seed,
        "first": found.first,
        "trials": found.trials,
        "seconds": round(found.seconds),
        "counts": dict(sorted(found.counts.items())),
        "findings": [{"trial": k, "fault": fault, "again": again} for k, fault, again in found.faults],
        "mended": [],
        "date": origin["date"],
        "versions": origin["versions"],
    }
    around = next((r for r in held if r["trials"] > row["trials"] and _within(row, r)), None)
    if around:
        _mend(around, row)
    rows = sorted(held if around else [*(r for r in held if _key(r) != _key(row)), row], key=_key)
    save(path, {"cpu": origin["cpu"], "python": origin["python"], "rows": rows})
    (folder / "fuzz.md").write_text(page(rows))


def _key(row: Row) -> tuple[str, int, int]:
    return row["kind"], row["seed"], row["first"]


def _within(row: Row, other: Row) -> bool:
    same = (row["kind"], row["seed"]) == (other["kind"], other["seed"])
    return same and other["first"] <= row["first"] <= row["first"] + row["trials"] <= other["first"] + other["trials"]


def _mend(around: Row, row: Row) -> None:
    """Take over what the inner run found, and note what it did not find again."""
    again = range(row["first"], row["first"] + row["trials"])
    found = {f["trial"] for f in row["findings"]}
    around["mended"] += [f for f in around["findings"] if f["trial"] in again and f["trial"] not in found]
    around["findings"] = [f for f in around["findings"] if f["trial"] not in again] + row["findings"]


def page(rows: Sequence[Row]) -> str:
    """The whole page."""
    by_seed: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        by_seed.setdefault((row["kind"], row["seed"]), []).append(row)
    runs = []
    for (kind, seed), own in by_seed.items():
        trials, seconds = (f"{sum(r[key] for r in own):,}" for key in ("trials", "seconds"))
        mended, left = (len({f["trial"] for r in own for f in r[key]}) for key in ("mended", "findings"))
        runs.append([kind, seed, _ranges(own), trials, seconds, mended, left])
    parts = ["# Fuzzing", INTRODUCTION, table(["kind", "seed", "trials", "number", "seconds", "mended", "open"], runs)]
    for kind in dict.fromkeys(r["kind"] for r in rows):
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(row["counts"] if row["kind"] == kind else {})
        parts += [
            f"## {kind.capitalize()}",
            table(["what", "number"], [[w, f"{n:,}"] for w, n in sorted(counts.items())]),
        ]
    left = [
        f"- {r['kind']}, seed {r['seed']}, trial {f['trial']}: {f['fault']}\n\n{_indented(f['again'])}"
        for r in rows
        for f in r["findings"]
    ]
    parts += ["## Findings that are open", "\n".join(left) or "None."]
    head = ["kind", "seed/trial", "what"]
    parts += ["## Found and mended", "Each with a test.", table(head, MENDED)]
    parts += ["## Faults of the reference", "The compiler was right, by mpmath at 50 digits.", table(head, REFERENCE)]
    versions = {", ".join(f"{k} {v}" for k, v in r["versions"].items()) for r in rows}
    parts.append(f"Run with {'; '.join(sorted(versions))}.")
    return "\n\n".join(parts) + "\n"


def _ranges(rows: Sequence[Row]) -> str:
    """0-1999, 3000-3999: the trials of these runs, neighbours joined."""
    joined: list[list[int]] = []
    for row in sorted(rows, key=_key):
        first, beyond = row["first"], row["first"] + row["trials"]
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], beyond)
        else:
            joined.append([first, beyond])
    return ", ".join(f"{first}-{beyond - 1}" for first, beyond in joined)


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
