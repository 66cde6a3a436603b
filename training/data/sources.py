"""Text as numbered pieces, from files, folders, a hub data set, or the Python that runs."""

from __future__ import annotations

import gzip
import itertools
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from learnact.training.errors import BadData

HUB = "hub:"
SUFFIXES = (".txt", ".md", ".gz", ".xz")
"""What is read of a folder."""
DOCUMENTATION = frozenset(
    ("authors", "changelog", "changes", "citation", "code_of_conduct", "contributing", "contributors", "copying",
     "licence", "license", "notice", "readme")
)  # fmt: skip
"""Files of these names, whatever their endings, are about the data."""
HELD_OUT = frozenset("dev eval evaluation heldout holdout test testing val valid validation".split())
"""A file or folder whose name begins or ends with such a word is no text to train on."""
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
    def place(self) -> str:
        """The same for the same text, by whatever path it was given."""

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
        return f"{self.place} {stat.st_size} {stat.st_mtime_ns}"

    @property
    def place(self) -> str:
        return str(self.path.resolve())

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

    @property
    def place(self) -> str:
        return self.name

    def count(self) -> int:
        """How many documents it has; counted where the data set does not say so. Raises BadData."""
        from datasets import load_dataset_builder  # noqa: PLC0415

        try:
            splits = load_dataset_builder(self.dataset).info.splits or {}
        except Exception as err:
            raise BadData(f"{self.name} cannot be read: {' '.join(str(err).split())[:200]}") from err
        stated = splits[self.split].num_examples if self.split in splits else 0
        return stated or sum(1 for _ in self.pieces(0))

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

    @property
    def place(self) -> str:
        return self.name

    def pieces(self, skip: int) -> Iterator[str]:
        return iter([self.text][skip:])


@dataclass(frozen=True)
class Found:
    """The sources that some names stand for, and what their folders hold besides, each with the reason."""

    sources: list[Source]
    left: list[str]


def sources_of(names: Sequence[str], *, training: bool = False) -> Found:
    """Files, folders (searched for SUFFIXES, in the order of their paths) and `hub:` names.

    Of a folder, what is hidden or documentation is left, and in a text for `training` what is held out by its name; a
    file that is named itself is taken. Raises BadData.
    """
    found = Found([], [])
    for name in names:
        if name.startswith(HUB):
            parts = name.removeprefix(HUB).split(":")
            if not parts[0] or len(parts) > 3:
                raise BadData(f"{name!r} is not {HUB}NAME[:SPLIT[:COLUMN]]")
            found.sources.append(HubText(*parts))
        elif Path(name).is_file():
            found.sources.append(TextFile(Path(name)))
        elif Path(name).is_dir():
            _search(Path(name), training, found)
        else:
            raise BadData(f"there is no text {name}; give files, folders or {HUB}NAME")
    return found


def _search(folder: Path, training: bool, found: Found) -> None:
    taken, left = [], []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        reason = _why_left(path.relative_to(folder), training)
        if reason:
            left.append(f"{path.relative_to(folder)} ({reason})")
        else:
            taken.append(TextFile(path))
    if not taken:
        kind = "text to train on" if training else "text"
        there = f"; left: {shortened(left)}" if left else ""
        raise BadData(
            f"folder {folder} holds no {kind}; files must end in {', '.join(SUFFIXES)}, or be named themselves{there}"
        )
    found.sources.extend(taken)
    found.left.extend(left)


def _why_left(path: Path, training: bool) -> str:
    """Why a file of a folder is no text of it; empty where it is one."""
    if any(part.startswith(".") for part in path.parts):
        return "hidden"
    if path.suffix not in SUFFIXES:
        return "no text by its ending"
    if path.name.partition(".")[0].casefold() in DOCUMENTATION:
        return "documentation"
    if training and any(map(_held_out, path.parts)):
        return "held out by its name"
    return ""


def _held_out(name: str) -> bool:
    for part in name.casefold().replace("held-out", "heldout").replace("held_out", "heldout").split("."):
        words = re.findall("[a-z]+", part)
        if words and not HELD_OUT.isdisjoint((words[0], words[-1])):
            return True
    return False


def shortened(names: Sequence[str], most: int = 6) -> str:
    """Some names of a list, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
