"""Files written whole or not at all, and the folder for what can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from learnact.errors import WriteError


def check_free(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Raise WriteError if a write would replace other content without `force`, or cannot replace what is there."""
    try:
        if force and not path.is_dir():
            return
        if path.exists() and (path.is_dir() or path.read_bytes() != _bytes(content)):
            raise WriteError(f"{path} exists already; give --force to replace it, or another place")
    except OSError as err:
        raise WriteError(f"cannot write {path}: {err.strerror or err}") from err


def write_whole(path: Path, content: str | bytes, *, force: bool = False) -> Path:
    """Write a file through a temporary neighbour, so that a reader never sees half of it.

    Makes missing folders; leaves a file of the same content as it is. Raises WriteError as `check_free` does, and
    when the folder cannot be written.
    """
    check_free(path, content, force=force)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and path.read_bytes() == _bytes(content):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(_bytes(content))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as err:
        raise WriteError(f"cannot write {path}: {err.strerror or err}") from err
    return path


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def cache_folder() -> Path:
    """Where compiled modules and tokenized texts are kept: LEARNACT_CACHE, or `learnact` in the user's cache folder."""
    if chosen := os.environ.get("LEARNACT_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "learnact"
