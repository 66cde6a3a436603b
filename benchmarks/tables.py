"""How results are shown and kept: markdown tables, and JSON that says where and when its numbers come from."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

PACKAGES = ("torch", "triton", "sympy", "mpmath", "numpy", "transformers")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown, its columns padded so that it reads well in a terminal too."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    padded = [" | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines]
    rule = " | ".join("-" * w for w in widths)
    return "\n".join(f"| {line} |" for line in [padded[0], rule, *padded[1:]])


def provenance(*, extra: Iterable[str] = ()) -> dict[str, Any]:
    """Date, processor and versions of what takes part; packages that are not installed are left out."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_model(),
        "python": platform.python_version(),
        "versions": {name: found for name in (*PACKAGES, *extra) if (found := installed(name))},
    }


def installed(name: str) -> str | None:
    """Version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_model() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; the entries of `rows`, if any, take one line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = {key: value for key, value in content.items() if key != "rows"}
    text = json.dumps(rest, indent=1)
    if "rows" in content:
        lines = ",\n  ".join(json.dumps(row) for row in content["rows"])
        text = f'{text[:-2]},\n "rows": [\n  {lines}\n ]\n}}'
    path.write_text(text + "\n")
