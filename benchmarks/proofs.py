"""Is every emitted file what is declared? Proofs for all families and degrees, and for the files in generated/.

    python -m benchmarks.proofs                                  # every family and degree, with Triton kernels
    python -m benchmarks.proofs --only hermite,tropical --degrees 3,5
    python -m benchmarks.proofs --page docs/proofs.md            # the files in generated/, as the page prints them

Each file's own Python runs on tensors of expressions, and F, dF/dx and every dF/dparameter that it computes, in eager,
compiled, per-channel and kernel code, is brought to the declared one (docs/proofs.md says how). Exit status 1 if an
identity fails. With --out, rows of other activations that are there stay.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.moments import NAMES, specs
from benchmarks.tables import provenance, save, table
from learnact import classical_names
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit import emit
from learnact.compiler.emit.plan import GENERATED, generated_folder
from learnact.compiler.resolve.registry import family, resolve
from learnact.compiler.verify.prove import SECONDS, prove
from learnact.compiler.verify.report import Identity

INTRODUCTION = f"""\
Written by `python -m benchmarks.proofs --out benchmarks/results`. Each file is emitted with Triton kernels; identities
are F, dF/dx and every dF/dparameter, once for each different expression by which the file computes it. Time limit of a
proof: {SECONDS:g} s. How it is proved: `docs/proofs.md`."""


@dataclass(frozen=True)
class Row:
    """One file."""

    activation: str
    identities: int
    proved: int
    checked: int
    failed: int
    open: tuple[str, ...]  # what is checked alone or failed, and why
    seconds: float  # processor time

    @classmethod
    def of(cls, activation: Activation, source: str) -> Row:
        """Prove the file's identities."""
        begin = time.process_time()
        found = prove(activation, source)
        counts = Counter(i.verdict for i in found)
        notes = tuple(map(note, (i for i in found if i.verdict != "proved")))
        seconds = time.process_time() - begin
        name = activation.names.spec
        return cls(name, len(found), counts["proved"], counts["checked"], counts["failed"], notes, seconds)


def note(identity: Identity) -> str:
    """What an identity lacks for a proof."""
    return f"{identity.what} ({identity.situations[0]}) {identity.verdict}: {identity.detail}"


def report(rows: Iterable[Row], *, timed: bool) -> str:
    """The rows as a table, and under it what is not proved."""
    rows = list(rows)
    head = ["activation", "identities", "proved", "checked", "failed", *(["s"] if timed else [])]
    cells = [
        [r.activation, r.identities, r.proved, r.checked, r.failed, *([f"{r.seconds:.1f}"] if timed else [])]
        for r in rows
    ]
    groups: dict[str, list[str]] = {}
    for r in rows:
        for text in r.open:
            groups.setdefault(text, []).append(r.activation)
    notes = [f"- {text}: {', '.join(names)}" for text, names in groups.items()]
    total = [sum(getattr(r, k) for r in rows) for k in ("identities", "proved", "checked", "failed")]
    summary = "{} identities: {} proved, {} checked, {} failed.".format(*total)
    return "\n".join([table(head, cells), "", summary, *(["", *notes] if notes else [])])


def bare(spec: str) -> Activation:
    """The activation without fits, which take long and are no part of a proof."""
    activation = resolve(spec)
    return replace(activation, family=replace(activation.family, fit=None))


def generated(only: Iterable[str] = GENERATED) -> list[Row]:
    """A row for each file in generated/, but for those on a grid, which no proof follows."""
    rows = []
    for activation in (a for a in map(resolve, only) if a.grid is None):
        rows.append(Row.of(activation, (generated_folder() / f"{activation.names.slug}.py").read_text()))
    return rows


def main() -> int:
    """Prove what is asked for; 0 if nothing fails."""
    parser = argparse.ArgumentParser(description="Proofs that emitted files compute what is declared.")
    parser.add_argument("--only", default=",".join(NAMES), help="families and classical functions, by comma")
    parser.add_argument("--degrees", help="degrees, by comma (default: all)")
    parser.add_argument("--out", type=Path, help="folder for proofs.json and proofs.md (default: none are written)")
    parser.add_argument("--page", type=Path, help="prove generated/ in place of that, and put the table into this page")
    options = parser.parse_args()
    if options.page:
        rows = generated()
        head = options.page.read_text().partition(MARK)[0]
        options.page.write_text(f"{head}{MARK}\n\n{report(rows, timed=False)}\n")
        return int(any(r.failed for r in rows))
    degrees = [int(n) for n in options.degrees.split(",")] if options.degrees else None
    names = [n for n in options.only.split(",") if n in classical_names() or family(n).grid is None]
    kept = options.out / "proofs.json" if options.out else None
    held = {r["activation"]: Row(**r) for r in json.loads(kept.read_text())["rows"]} if kept and kept.exists() else {}
    rows: list[Row] = []
    for spec in specs(names, degrees):
        activation = bare(spec)
        source = emit(activation, backend="both" if activation.parameters else "torch").text
        held[spec] = Row.of(activation, source)
        rows.append(held[spec])
        print(f"{spec}: {rows[-1].seconds:.1f} s", file=sys.stderr, flush=True)
        if options.out:  # row by row: what is done stays when the rest is stopped
            every = [held[name] for name in specs(NAMES) if name in held]
            save(options.out / "proofs.json", {**provenance(), "limit": SECONDS, "rows": [asdict(r) for r in every]})
            page = f"# Proofs\n\n{INTRODUCTION}\n\n{report(every, timed=True)}\n"
            (options.out / "proofs.md").write_text(page)
    print(report(rows, timed=True))
    return int(any(r.failed for r in rows))


MARK = "<!-- printed by `python -m benchmarks.proofs --page docs/proofs.md`: do not edit below -->"

if __name__ == "__main__":
    sys.exit(main())
