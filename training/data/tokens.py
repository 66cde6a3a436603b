"""A text as token numbers on disk: written once, in order, resumable; read as a memory map."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from learnact.errors import WriteError
from learnact.files import cache_folder, write_whole
from learnact.training.data.corpus import load_corpus
from learnact.training.data.drawn import drawn_sources, is_drawn
from learnact.training.data.growing import GrowingArray
from learnact.training.data.overlap import refuse_shared_sources, refuse_shared_text
from learnact.training.data.sources import Found, Memory, Source, shortened, sources_of
from learnact.training.data.tokenizer import BYTES, TextTokenizer, tokenizer_of
from learnact.training.errors import BadData, NoSpace
from learnact.training.lock import only_one

HELD_OUT = 0.05
"""Share of the tokens, from the end, that is held out where no text is given for it."""
FORMAT = 2
"""Of the record: what an earlier one lacks is prepared again."""
GROUP = 64  # pieces tokenized at a time, then recorded
RECORD = "tokens.json"
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Tokens:
    """Token numbers of three disjoint texts, and how many different ones there are."""

    train: np.ndarray
    validation: np.ndarray  # the first half of the held-out text
    test: np.ndarray  # the second half
    vocabulary: int
    record: dict[str, Any]  # where they come from, with digests


def open_text(data: Sequence[str], validation: Sequence[str], tokenizer: str) -> Tokens:
    """Open a folder that `prepare` wrote, or prepare texts into the user's cache folder first. Raises BadData."""
    if len(data) == 1 and (Path(data[0]) / RECORD).is_file():
        found = open_tokens(Path(data[0]))
        if validation or not _is_tokenizer_of(found, tokenizer):
            raise BadData(
                f"{data[0]} was prepared, with tokenizer {found.record['tokenizer']}; leave out --validation and "
                "--tokenizer, or give the texts themselves"
            )
        return found
    return open_tokens(prepare(data, validation, tokenizer))


def _is_tokenizer_of(tokens: Tokens, tokenizer: str) -> bool:
    if tokenizer in {BYTES, tokens.record["tokenizer"]}:  # bytes: also where none was asked for
        return True
    try:
        return tokenizer_of(tokenizer).digest == tokens.record["tokenizer_digest"]
    except BadData:
        return False


def prepare(
    data: Sequence[str], validation: Sequence[str], tokenizer: str, folder: Path | None = None, *, quiet: bool = False
) -> Path:
    """Tokenize texts into `folder` (default: one of the cache, named by their digest); go on where it was left.

    Without `data`, the text is the language reference of this Python. Raises BadData, also where held-out text is in
    the text to train on, and NoSpace.
    """
    if validation and not data:
        raise BadData("a validation text needs a text to train on; give --data too")
    encoder = tokenizer_of(tokenizer)
    if not data:
        sources = {split: Found([_reference(split)], []) for split in SPLITS}
    elif is_drawn(validation):
        sources = drawn_sources(sources_of(data, training=True), validation)
    else:
        sources = {"train": sources_of(data, training=True), "validation": sources_of(validation)}
    refuse_shared_sources(sources["train"].sources, sources["validation"].sources)
    asked = {
        "format": FORMAT,
        "tokenizer": encoder.digest,
        "sources": {split: [source.identity for source in found.sources] for split, found in sources.items()},
    }
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    folder = folder or cache_folder() / f"tokens-{key[:16]}"
    with only_one(folder, wait=True):
        _prepare_into(folder, key, sources, encoder, quiet)
    return folder


def _prepare_into(folder: Path, key: str, sources: dict[str, Found], encoder: TextTokenizer, quiet: bool) -> None:
    if (folder / RECORD).is_file():
        if json.loads((folder / RECORD).read_text(encoding="utf-8"))["key"] != key:
            raise BadData(
                f"{folder} holds the tokens of another text, or as another version wrote them; choose another folder"
            )
        return
    record: dict[str, Any] = {
        "key": key,
        "tokenizer": encoder.name,
        "tokenizer_digest": encoder.digest,
        "vocabulary": encoder.vocabulary,
        "dtype": _dtype(encoder).name,
    }
    try:
        for split in SPLITS:
            record[split] = _write(folder, split, key, sources[split], encoder, quiet)
        _refuse_overlap(folder, record)
    except (OSError, WriteError) as err:
        raise NoSpace(
            f"cannot write tokens to {folder}: {getattr(err, 'strerror', None) or err}; what is there is kept"
        ) from err
    write_whole(folder / RECORD, json.dumps(record, indent=1) + "\n", force=True)


def _refuse_overlap(folder: Path, record: dict[str, Any]) -> None:
    if not record["validation"]["tokens"]:
        return
    try:
        train, held_out = (np.memmap(folder / f"{s}.bin", dtype=record["dtype"], mode="r") for s in SPLITS)
        refuse_shared_text(train, held_out)
    except BadData:
        for split in SPLITS:
            for ending in ("bin", "journal"):
                (folder / f"{split}.{ending}").unlink()
        raise


def open_tokens(folder: Path) -> Tokens:
    """Map what `prepare` wrote into memory. Raises BadData for a folder that is damaged or not prepared."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        arrays = [np.fromfile(folder / f"{s}.bin", dtype=record["dtype"], count=0) for s in SPLITS]
        arrays = [
            np.memmap(folder / f"{s}.bin", dtype=record["dtype"], mode="r") if record[s]["tokens"] else empty
            for s, empty in zip(SPLITS, arrays, strict=True)
        ]
    except (OSError, ValueError, KeyError) as err:
        raise BadData(f"{folder} holds no prepared text ({err}); `learnact-train prepare` writes one") from err
    for split, array in zip(SPLITS, arrays, strict=True):
        if len(array) != record[split]["tokens"]:
            raise BadData(f"{folder}/{split}.bin has {len(array)} tokens, {RECORD} says {record[split]['tokens']}")
    train, held_out = arrays
    if not len(held_out):
        cut = int(len(train) * (1 - HELD_OUT))
        train, held_out = train[:cut], train[cut:]
    half = len(held_out) // 2
    return Tokens(train, held_out[:half], held_out[half:], record["vocabulary"], record)


def account(record: dict[str, Any]) -> list[str]:
    """What a prepared text was made of and what its folders held besides, a line for each text."""
    lines = []
    for split in SPLITS:
        about = record[split]
        if not about["sources"]:
            lines.append(f"{split} and test text: the last {HELD_OUT:.0%} of it, a half each")
            continue
        name = split if split == "train" else f"{split} and test"
        left = f"; left: {shortened(about['left'])}" if about.get("left") else ""
        lines.append(f"{name} text: {about['tokens']:,} tokens of {shortened(about['sources'])}{left}")
    return lines


def _write(folder: Path, split: str, key: str, found: Found, encoder: TextTokenizer, quiet: bool) -> dict[str, Any]:
    sources = found.sources
    with (
        GrowingArray(folder, split, key, _dtype(encoder)) as out,
        tqdm(unit="tok", unit_scale=True, initial=out.state.tokens, desc=split, disable=quiet or None) as bar,
    ):
        begun = out.state
        for at, source in list(enumerate(sources))[begun.source :]:
            skip = begun.piece if at == begun.source else 0
            for number, texts, last in _groups(source, skip):
                block = _encode(encoder, texts, each_ends=source.documents, last_ends=last)
                out.append(block, *((at + 1, 0) if last else (at, number)))
                bar.update(len(block))
        if sources and out.state.tokens <= len(sources):
            raise BadData(f"the text is empty: {', '.join(s.name for s in sources)}")
        return {
            "tokens": out.state.tokens,
            "digest": out.state.digest,
            "sources": [s.name for s in sources],
            "left": found.left,
        }


def _encode(encoder: TextTokenizer, texts: Sequence[str], *, each_ends: bool, last_ends: bool) -> np.ndarray:
    """The tokens of some pieces in a row, an end of text after each document."""
    end = np.array([encoder.end], dtype=np.uint32)
    arrays = []
    for ids in encoder.encode(texts):
        arrays += [ids, end] if each_ends else [ids]
    if last_ends and not each_ends:
        arrays.append(end)
    return np.concatenate(arrays) if arrays else np.empty(0, np.uint32)


def _groups(source: Source, skip: int) -> Iterator[tuple[int, list[str], bool]]:
    """Up to GROUP pieces, the number of the piece after them, and whether there is none."""
    pieces = source.pieces(skip)
    group = list(itertools.islice(pieces, GROUP))
    while True:
        following = list(itertools.islice(pieces, GROUP))
        skip += len(group)
        yield skip, group, not following
        if not following:
            return
        group = following


def _reference(split: str) -> Memory:
    corpus = load_corpus()
    text = corpus.train if split == "train" else corpus.held_out
    return Memory(f"python-reference:{split}:{corpus.digest[:16]}", text)


def _dtype(encoder: TextTokenizer) -> np.dtype:
    return np.dtype(np.uint16 if encoder.vocabulary <= 1 << 16 else np.uint32)
