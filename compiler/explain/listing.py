"""The families that ship with the compiler, and the degrees of them that are generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.emit import header
from learnact.compiler.emit.plan import generated_folder
from learnact.compiler.resolve import registry


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
    rows = []
    for name in registry.family_names():
        family = registry.family(name)
        degrees = family.degrees
        rows.append(
            {
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
        )
    return rows


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
