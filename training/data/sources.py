"""Text as numbered pieces, from files, folders, a hub data set, or the Python that runs."""

from __future__ import annotations

import gzip
import itertools
import lzma
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from learnact.training.errors import BadData

HUB = "hub:"
SUFFIXES = (".txt", ".md", ".gz", ".xz")
"""What is read of a folder."""
PIECE = 1 << 20
"""Characters per piece of a file: enough for every core to have several, little enough to lose on an interruption."""


class Source(Protocol):
    """A text in pieces, each ending a line or a document; the same pieces every time."""

    @property
    def name(self) -> str:
        """Where it comes from."""

    @property
    def identity(self) -> str:
        """Another one for another content."""

    @property
    def documents(self) -> bool:
        """Whether each piece is a document of its own; else all together are one."""

    def pieces(self, skip: int) -> Iterator[str]:
        """All pieces but the first `skip`."""


@dataclass(frozen=True)
class TextFile:
    """A UTF-8 file, plain or compressed by gzip or xz; one document."""

    path: Path
    documents: bool = False

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def identity(self) -> str:
        stat = self.path.stat()
        return f"{self.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"

    def pieces(self, skip: int) -> Iterator[str]:
        return itertools.islice(self._pieces(), skip, None)

    def _pieces(self) -> Iterator[str]:
        try:
            with self._open() as file:
                while piece := file.read(PIECE):
                    yield piece + file.readline()
        except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as err:
            raise BadData(f"{self.path} cannot be read as UTF-8 text: {err}") from err

    def _open(self) -> IO[str]:
        opener = {".gz": gzip.open, ".xz": lzma.open}.get(self.path.suffix, open)
        return opener(self.path, "rt", encoding="utf-8", newline="")  # type: ignore[operator]


@dataclass(frozen=True)
class HubText:
    """The documents of a data set of Hugging Face, streamed: `hub:NAME[:SPLIT[:COLUMN]]`, NAME a folder too."""

    dataset: str
    split: str = "train"
    column: str = "text"

    @property
    def documents(self) -> bool:
        return True

    @property
    def name(self) -> str:
        return f"{HUB}{self.dataset}:{self.split}:{self.column}"

    @property
    def identity(self) -> str:
        return self.name

    def pieces(self, skip: int) -> Iterator[str]:
        from datasets import load_dataset  # noqa: PLC0415

        try:
            rows = load_dataset(self.dataset, split=self.split, streaming=True).skip(skip)
            for row in rows:
                yield row[self.column]
        except KeyError as err:
            raise BadData(f"{self.name}: rows have no column {err}; write {HUB}NAME:SPLIT:COLUMN") from err
        except Exception as err:  # datasets raises what its builders and the network raise
            raise BadData(f"{self.name} cannot be read: {' '.join(str(err).split())[:200]}") from err


@dataclass(frozen=True)
class Memory:
    """A text in memory."""

    name: str
    text: str
    documents: bool = False

    @property
    def identity(self) -> str:
        return self.name

    def pieces(self, skip: int) -> Iterator[str]:
        return iter([self.text][skip:])


def sources_of(names: Sequence[str]) -> list[Source]:
    """Files, folders (searched for SUFFIXES, in the order of their paths) and `hub:` names. Raises BadData."""
    return list(itertools.chain.from_iterable(map(_expand, names)))


def _expand(name: str) -> Iterable[Source]:
    if name.startswith(HUB):
        parts = name.removeprefix(HUB).split(":")
        if not parts[0] or len(parts) > 3:
            raise BadData(f"{name!r} is not {HUB}NAME[:SPLIT[:COLUMN]]")
        return [HubText(*parts)]
    path = Path(name)
    if path.is_file():
        return [TextFile(path)]
    if not path.is_dir():
        raise BadData(f"there is no text {name}; give files, folders or {HUB}NAME")
    files = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not files:
        raise BadData(f"folder {name} holds no text; files must end in {', '.join(SUFFIXES)}")
    return map(TextFile, files)
