"""The families that ship with the compiler, and the degrees of them that are generated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.spec import Family
from learnact.compiler.emit import header
from learnact.compiler.emit.plan import generated_folder
from learnact.compiler.resolve import registry
from learnact.compiler.resolve.classical import classical_family, classical_names


def emitted(folder: Path) -> dict[str, Path]:
    """Map the arguments in every emitted file's header to the file."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        head = header.parse(path.read_text(encoding="utf-8"))
        if head is not None:
            found[head.arguments] = path
    return found


def families() -> list[dict[str, Any]]:
    """Give one row per family: name, title, formula, law, degrees, parameters, starts, fits, generated specs."""
    specs = list(emitted(generated_folder()))
    return [_row(registry.family(name), specs) for name in registry.family_names()]


def classical() -> list[dict[str, Any]]:
    """Give the same of every classical function; `scaled_NAME` is each with three numbers to learn."""
    specs = list(emitted(generated_folder()))
    return [_row(classical_family(name), specs) for name in classical_names()]


def _row(family: Family, specs: Sequence[str]) -> dict[str, Any]:
    name, degrees = family.name, family.degrees
    return {
        "name": name,
        "title": family.title,
        "formula": family.formula,
        "law": str(family.law),
        "degrees": [degrees[0], degrees[-1]] if degrees else None,
        "parameters": list(family.parameters),
        "starts": list(family.starts),
        "fits": list(CLASSICAL) if family.fit else [],
        "generated": [s for s in specs if s == name or s.startswith(f"{name}:")],
    }


def text(rows: list[dict[str, Any]]) -> str:
    """Write the rows for people."""
    lines = []
    for row in rows:
        low_high = row["degrees"]
        spec = row["name"] if low_high is None else f"{row['name']}:{low_high[0]}..{low_high[1]}"
        lines += [
            f"{spec:<28} {row['title']}",
            f"    F(x) = {row['formula']}",
            f"    law {row['law']}; parameters {', '.join(row['parameters'])}",
            f"    starts {', '.join(row['starts'])}; fits {', '.join(row['fits']) or 'none'}",
            f"    generated: {' '.join(row['generated']) or 'none'}",
            "",
        ]
    return "\n".join(lines)


def short(rows: list[dict[str, Any]]) -> str:
    """Write the classical functions for people, a line each."""
    lines = [f"    {row['name']:<16} {row['formula']}" for row in rows]
    head = "classical functions; scaled_NAME is scale NAME(stretch x) + offset, with starts as a family has"
    return "\n".join(["", head, *lines, ""])
