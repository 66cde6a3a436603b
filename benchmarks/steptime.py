"""What a training step costs: the median time between the steps of runs of `learnact-train`, the first one's as 1.

    python -m benchmarks.steptime RUN... --name steptime-gpt2 --out benchmarks/results

Train the runs one after the other on a machine that does nothing else. The committed ones took 30 steps, two threads.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.tables import provenance, save, table
from learnact.training import log

WARM_UP = 10
"""Steps that are not counted: they compile, and fill caches."""


def read(folder: Path) -> dict[str, Any]:
    """A run as a flat row."""
    record = json.loads((folder / "config.json").read_text())
    config = record["config"]
    clocks = [line["seconds"] for line in log.read(folder) if line["kind"] == "train"][WARM_UP:]
    step = statistics.median(later - earlier for earlier, later in itertools.pairwise(clocks))
    return {
        "task": f"{config['task']} {config['preset']}",
        "activation": record["activation"]["label"],
        "route": "compiled" if config["compile"] else "eager",
        "batch": config["batch"],
        "ms": round(step * 1e3, 1),
    }


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(description="Time per training step.")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, the baseline first")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--out", type=Path, help="folder for NAME.md and NAME.json (default: none are written)")
    options = parser.parse_args()
    rows = [read(folder) for folder in options.runs]
    cells = [[*row.values(), f"{row['ms'] / rows[0]['ms']:.2f}"] for row in rows]
    about = provenance()
    text = f"""# {options.name}

Written by `python -m benchmarks.steptime RUN... --name {options.name} --out benchmarks/results`;
{about["date"]}, {about["cpu"]}, torch {about["versions"]["torch"]}. Medians between steps, forward to optimizer.

{table(["task", "activation", "route", "batch", "ms a step", "ratio"], cells)}
"""
    print(text)
    if options.out:
        save(options.out / f"{options.name}.json", {**about, "rows": rows})
        (options.out / f"{options.name}.md").write_text(text)


if __name__ == "__main__":
    main()
