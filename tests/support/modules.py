"""Emitted files as modules."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from learnact.importing import import_file


def module_of(path: Path) -> ModuleType:
    """Import a file from wherever it lies, under a name that tells folders apart."""
    return import_file(path, f"{path.parent.name}_{path.stem}")
