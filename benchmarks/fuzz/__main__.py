"""Random texts, derivations and files.

    python -m benchmarks.fuzz texts --seconds 600 --seed 1
    python -m benchmarks.fuzz derivations|families [--count N] [--first K]

Prints counts, and each finding with a line of Python that shows it again; the k-th trial of a seed is always the same
(`--first K --count 1`). Exit status 1 if there is a finding. With --out the run is kept in fuzz.json, in the place of
an earlier one of the same kind, seed and first trial, and fuzz.md is printed from it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.fuzz.page import keep

KINDS = ("texts", "derivations", "families")


def main() -> int:
    """Run one kind; 0 if nothing was found."""
    parser = argparse.ArgumentParser(description="Random texts, derivations, files and faults, and what they show.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--count", type=int, help="trials (default: until the time is up)")
    parser.add_argument("--out", type=Path, help="folder for fuzz.json and fuzz.md (default: none are written)")
    options = parser.parse_args()
    run = getattr(importlib.import_module(f"benchmarks.fuzz.{options.kind}"), options.kind)
    found = run(options.seed, options.seconds, options.count, options.first)
    print(found.summary())
    if options.out:
        keep(options.out, found)
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
