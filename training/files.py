"""Files written whole, folders used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from learnact.training.errors import Busy, TrainError


def replace(path: Path, text: str) -> None:
    """Write a file through a temporary neighbour: a reader sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def only_one(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system frees even when this process is killed.

    Makes the folder. Raises Busy when another process holds the lock, unless it is to `wait`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as err:
        raise TrainError(f"cannot write to folder {folder}: {err.strerror}") from err
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Busy(f"another process is at work in {folder}; wait for it or choose another folder") from err
        yield
