"""A folder used by one process at a time, on every system that `filelock` knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from learnact.training.errors import Busy, TrainError

LOCK = ".lock"
TRIALS = 100  # to make a folder and lock it before another process removes it


@contextmanager
def only_one(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system frees even when this process is killed.

    Processes that this one forks do not hold it: `filelock` closes its descriptor in them. Makes the folder, and
    removes one it made when nothing was put into it. Raises Busy when another process holds the lock, unless it is to
    `wait`, and TrainError where the folder cannot be written.
    """
    path = folder / LOCK
    lock, made = _locked(path, wait)
    try:
        yield
    finally:
        empty = False
        with suppress(OSError):  # another process may be making its lock by now
            empty = [p.name for p in folder.iterdir()] == [LOCK]
            if empty:
                path.unlink()  # while it is held: who waits for it then makes another
        lock.release()
        if made and empty:
            with suppress(OSError):
                folder.rmdir()


def _locked(path: Path, wait: bool) -> tuple[BaseFileLock, bool]:
    """The held lock of this name, and whether its folder had to be made."""
    lock = FileLock(path, thread_local=False)
    for _ in range(TRIALS):
        made = not path.parent.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=wait)
        except Timeout as err:
            raise Busy(f"another process is at work in {path.parent}; wait for it or choose another folder") from err
        except FileNotFoundError as err:
            problem: OSError = err  # the folder went between the two
            continue
        except OSError as err:
            problem = err
            break
        return lock, made
    raise TrainError(f"cannot write to folder {path.parent}: {problem.strerror or problem}") from problem
