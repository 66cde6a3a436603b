"""A folder used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from learnact.training.errors import Busy, TrainError

LOCK = ".lock"
TRIALS = 100  # to make a folder and lock it before another process removes it


@contextmanager
def only_one(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system frees even when this process is killed.

    Makes the folder, and removes one it made when nothing was put into it. Raises Busy when another process holds the
    lock, unless it is to `wait`.
    """
    path = folder / LOCK
    lock, made = _locked(path, wait)
    with lock:
        try:
            yield
        finally:
            with suppress(OSError):  # another process may be making its lock by now
                if [p.name for p in folder.iterdir()] == [LOCK] and _is(lock, path):
                    path.unlink()
                    if made:
                        folder.rmdir()


def _locked(path: Path, wait: bool) -> tuple[IO[str], bool]:
    """The locked file of this name, and whether its folder had to be made.

    A file that was removed while it was waited for would lock nobody else out: then another is made.
    """
    for _ in range(TRIALS):
        made = not path.parent.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except OSError as err:
            problem = err  # the folder may have gone between the two
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            lock.close()
            raise Busy(f"another process is at work in {path.parent}; wait for it or choose another folder") from err
        if _is(lock, path):
            return lock, made
        lock.close()
        problem = OSError(None, "its lock is removed again and again")
    raise TrainError(f"cannot write to folder {path.parent}: {problem.strerror}") from problem


def _is(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
