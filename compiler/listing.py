"""What there is: the families that ship with the compiler, and which of their degrees are generated."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from learnact.compiler import header, registry
from learnact.compiler.errors import BadDeclaration
from learnact.compiler.functions import CLASSICAL


def generated_folder() -> Path:
    """Where the committed compiler output lies: the package learnact.generated. Raises BadDeclaration."""
    spec = importlib.util.find_spec("learnact.generated")
    if spec is None or not spec.submodule_search_locations:
        raise BadDeclaration("the package learnact.generated is not installed; name the folder")
    return Path(next(iter(spec.submodule_search_locations)))


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
