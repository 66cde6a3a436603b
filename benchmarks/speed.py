"""How fast are the emitted activations? Against compiled GELU, hand-written torch, other packages, and a plain copy.

    make bench                                            # everything, into benchmarks/results
    python -m benchmarks.speed --quick                    # shows that everything runs, in under two minutes
    PYTHONPATH=peers python -m benchmarks.speed --sections main,peers      # benchmarks/peers.py says what to install

Ratios are to compiled nn.GELU in the same rounds. The floor of a step is what it must move (forward: x in, y out;
backward: x and the gradient in, dx out) at the speed at which a copy moves it. See benchmarks/timing.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks import page
from benchmarks.cases import Section, sections
from benchmarks.peers import PACKAGES
from benchmarks.tables import provenance, save
from benchmarks.timing import Prepared, copied, fresh_compiler, interleave, prepare

ROUNDS = 15
QUICK_ROUNDS = 5
COPIES = {"forward": 1.0, "both": 2.5}  # what a step must move, in units of a copy: 2 tensors, and 2 + 3


def measure(section: Section, rounds: int, failures: list[str]) -> list[dict]:
    """Compile the section's cases, time them together, and give one row each; what does not run goes to `failures`."""
    torch.set_num_threads(section.threads)
    torch.manual_seed(0)
    fresh_compiler()
    x = torch.randn(shape(section.numel)).to(section.dtype)
    ready: list[Prepared] = []
    for case in section.cases:
        try:
            ready.append(prepare(case, x))
        except Exception as err:  # whatever a compiler throws: the other cases are still worth knowing
            line = next((text for text in str(err).splitlines() if text.strip()), type(err).__name__)
            failures.append(f"{section.name}: {case.name} {case.route}: {line}")
            print(f"FAILED {failures[-1]}", file=sys.stderr)
        else:
            print(f"{section.name}: {case.name} {case.route} ready", file=sys.stderr)
    copy = copied(x)
    interleave([*ready, copy], rounds)
    reference = ready[0]  # GELU, compiled
    by_name = {p.case.name: p for p in ready}
    rows = []
    for p in ready:
        row = {
            "section": section.name,
            "name": p.case.name,
            "route": p.case.route,
            "numel": section.numel,
            "dtype": str(section.dtype).removeprefix("torch."),
            "threads": section.threads,
            "rounds": len(p.times["both"]),
            "saved": round(p.saved, 2),
            "peak": None if p.peak is None else round(p.peak, 1),
            "loops": p.loops,
        }
        for what, copies in COPIES.items():
            row[f"{what}_ms"] = round(p.median(what) * 1e3, 5)
            row[f"{what}_ratio"] = round(p.ratio(what, reference), 3)
            row[f"{what}_floor"] = round(p.ratio(what, copy) / copies, 2)
        if hand := by_name.get(f"by hand: {p.case.name}"):
            row["hand_ratio"] = round(p.ratio("both", hand), 3)
        rows.append(row)
    return rows


def write(folder: Path, rows: list[dict]) -> None:
    """Put rows beside those of other sections that the folder's page holds already."""
    path = folder / "speed.json"
    everything = page.merged(path, rows)
    save(path, {**provenance(extra=PACKAGES), "about": page.INTRODUCTION, "rows": everything})
    (folder / "speed.md").write_text(page.render(everything))
    page.plot(everything, folder / "speed.png")


def shape(numel: int) -> tuple[int, ...]:
    """Rows of 3072, the width of GPT-2's hidden layer, where that divides."""
    return (numel // 3072, 3072) if numel % 3072 == 0 else (numel,)


def main() -> int:
    """Measure, print, write; 1 if a case did not run. Slow is no failure: numbers are the machine's too."""
    parser = argparse.ArgumentParser(description="Speed against compiled GELU, peers and the memory floor.")
    parser.add_argument("--quick", action="store_true", help="few cases and rounds, small tensors")
    parser.add_argument("--sections", help="by comma, as named in the table; 'degrees of ...' by 'degrees'")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, quick {QUICK_ROUNDS}")
    parser.add_argument("--out", type=Path, help="folder for speed.json, speed.md and speed.png (default: none)")
    options = parser.parse_args()
    wanted = options.sections.split(",") if options.sections else None
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    chosen = [s for s in sections(quick=options.quick) if wanted is None or s.name.split(" of ")[0] in wanted]
    if not chosen:
        names = sorted({s.name.split(" of ")[0] for s in sections(quick=options.quick)})
        parser.error(f"no section is called {options.sections}; there are {', '.join(names)}")
    rows: list[dict] = []
    failures: list[str] = []
    for section in chosen:
        if len(section.cases) > 1:
            rows += measure(section, rounds, failures)
            print(page.section_table(section.name, [r for r in rows if r["section"] == section.name]), flush=True)
            if options.out:  # after every section, for the whole takes half an hour
                write(options.out, rows)
    print(page.verdict(rows))
    for failure in failures:
        print(f"did not run: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
