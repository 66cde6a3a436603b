"""An array on disk that grows block by block, with a journal of what is safely there."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from learnact.files import write_whole


@dataclass(frozen=True)
class Written:
    """What is on disk, and where the sources go on: `piece` of source number `source`."""

    key: str  # of what is written: an array of another key is begun anew
    source: int = 0
    piece: int = 0
    tokens: int = 0
    digest: str = ""  # SHA-256 of the digest before and the block


class GrowingArray:
    """`NAME.bin` and `NAME.journal` in a folder; opened again, they are cut back to the last whole record."""

    def __init__(self, folder: Path, name: str, key: str, dtype: np.dtype) -> None:
        self.dtype = dtype
        journal = folder / f"{name}.journal"
        lines = (
            journal.read_text(encoding="utf-8").split("\n")[:-1] if journal.is_file() else []
        )  # a torn last line has no end
        states = [Written(**json.loads(line)) for line in lines]
        if states and states[0].key != key:
            states = []
        self.state = states[-1] if states else Written(key)
        write_whole(journal, "".join(f"{json.dumps(asdict(s))}\n" for s in states), force=True)
        self._journal = journal.open("a", encoding="utf-8", newline="\n")
        self._array = (folder / f"{name}.bin").open("ab")
        self._array.truncate(self.state.tokens * dtype.itemsize)

    def append(self, block: np.ndarray, source: int, piece: int) -> None:
        """Write a block and record that `source` goes on at `piece`. Raises OSError on a full disk."""
        content = block.astype(self.dtype).tobytes()
        self._array.write(content)
        self._array.flush()
        os.fsync(self._array.fileno())
        digest = hashlib.sha256(self.state.digest.encode() + content).hexdigest()
        self.state = replace(
            self.state, source=source, piece=piece, tokens=self.state.tokens + len(block), digest=digest
        )
        self._journal.write(json.dumps(asdict(self.state)) + "\n")
        self._journal.flush()

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(self, *_: object) -> None:
        self._array.close()
        self._journal.close()
