"""Keep what `learnact-train finetune` found: how far the swap is from the original, and what tuning the shapes gains.

    python -m benchmarks.finetune runs/tuned-* --name finetune-gpt2-books --out benchmarks/results

Run it where they were trained: they name their originals by path. Runs that differ in the original's seed alone
are one row. Prints the table and writes NAME.md and NAME.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import provenance, save, table
from learnact.training.study.page.statistics import estimate

SETTINGS = ("calibrate", "per_channel", "shared", "lr", "lr_factor", "steps", "batch")


def read(folder: Path) -> dict[str, Any]:
    """A run as a flat row. Raises OSError, KeyError and ValueError for a folder that holds none."""
    record = json.loads((folder / "config.json").read_text())
    scores = json.loads((folder / "finetune.json").read_text())
    config = record["config"]
    source = json.loads((Path(config["initial"]) / "config.json").read_text())["config"]
    losses = {name: scores[name]["loss"] for name in ("original", "swapped", "tuned")}
    of = f"{config['task']} {config['preset']}, {source['activation']}, {source['steps']} steps"
    settings = {name: config[name] for name in SETTINGS}
    return {"of": of, "activation": record["activation"]["label"], **settings, "seed": source["seed"], **losses}


def page(name: str, rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    """The results as markdown."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in ("of", "activation", *SETTINGS)), []).append(row)
    lines = []
    for members in groups.values():
        if len({m["seed"] for m in members}) < len(members):
            raise ValueError("two runs of one setting come from the same original")
        differences = [[m["swapped"] - m["original"] for m in members], [m["tuned"] - m["original"] for m in members]]
        changes = [e.text(sign=True) for d in differences if (e := estimate(d))]
        one = members[0]
        shapes = "one a channel" if one["per_channel"] else "one for all" if one["shared"] else "one a layer"
        rate = one["lr"] * one["lr_factor"]
        about_it = [one["of"], one["activation"], shapes, one["calibrate"], f"{rate:g}", one["steps"], len(members)]
        lines.append([*about_it, *changes])
    head = ["original", "activation", "shapes", "calibrate", "lr", "steps", "seeds", "swapped - original"]
    head.append("tuned - original")
    return f"""# {name}

Written by `python -m benchmarks.finetune RUN... --name {name} --out benchmarks/results`;
{about["date"]}, {about["cpu"]}, torch {about["versions"]["torch"]}.
Everything but the shapes stays as it was trained.

    learnact-train finetune ORIGINAL --activation SPEC@START --steps N --lr LR [--per-channel] --out RUN

Validation loss; mean differences over originals of several seeds, with 95 % intervals of Student's t.

{table(head, lines)}
"""


def main() -> int:
    """Read, print, write; 2 where a folder holds no fine-tuning."""
    parser = argparse.ArgumentParser(description="Keep the results of fine-tuning.")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of learnact-train finetune")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--out", type=Path, help="folder for NAME.md and NAME.json (default: none are written)")
    options = parser.parse_args()
    try:
        rows = [read(folder) for folder in options.runs]
        about = provenance()
        text = page(options.name, rows, about)
    except (OSError, KeyError, TypeError, ValueError) as err:
        print(f"not runs of learnact-train finetune that compare: {err!r}", file=sys.stderr)
        return 2
    print(text)
    if options.out:
        save(options.out / f"{options.name}.json", {**about, "rows": rows})
        (options.out / f"{options.name}.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
