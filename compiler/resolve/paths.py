"""The file that a SPEC names: relative to the current folder when asked for, to the emitted file when in its header."""

from __future__ import annotations

import os
from pathlib import Path

from learnact.errors import BadDeclaration


def split(spec: str) -> tuple[str, str] | None:
    """`path/file.py:object:5` as path and rest; None for a SPEC without a file."""
    path, separator, rest = spec.partition(".py:")
    return (f"{path}.py", rest) if separator else None


def as_seen_from(folder: Path, spec: str) -> str:
    """The same SPEC, its file relative to `folder`: what a header says, wherever the tree with both is moved.

    Raises BadDeclaration where no relative path leads from the folder to the file (another drive).
    """
    parts = split(spec)
    if parts is None:
        return spec
    path = Path(parts[0])
    return f"{_between(path.parent.resolve() / path.name, folder)}:{parts[1]}"


def from_within(folder: Path, spec: str) -> str:
    """Undo `as_seen_from`: the same SPEC, its file relative to the current folder. Raises BadDeclaration as it does."""
    parts = split(spec)
    if parts is None:
        return spec
    return f"{_between(Path(os.path.normpath(folder.resolve() / parts[0])), Path())}:{parts[1]}"


def _between(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError as err:
        raise BadDeclaration(f"no relative path leads from {folder} to {path}; put both on one drive") from err
