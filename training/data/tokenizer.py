"""Text to token numbers: bytes, or GPT-2's byte pairs from local files or the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from learnact.training.errors import BadData

END_OF_TEXT = "<|endoftext|>"
BYTES = "bytes"
FILE_NAMES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"), ("gpt2_encoder.json", "gpt2_vocab.bpe"))
"""What the vocabulary and the merges of GPT-2 are called, by transformers and by OpenAI."""


class TextTokenizer(Protocol):
    """What preparing a text needs."""

    @property
    def name(self) -> str:
        """What it was asked for as."""

    @property
    def digest(self) -> str:
        """Equal for equal tokenizers."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""

    @property
    def end(self) -> int:
        """The token between documents."""

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One array of token numbers per text."""


@dataclass(frozen=True)
class Bytes:
    """The 256 bytes and an end of text."""

    name: str = BYTES
    digest: str = BYTES
    vocabulary: int = 257
    end: int = 256

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.frombuffer(text.encode(), dtype=np.uint8) for text in texts]


@dataclass(frozen=True)
class BytePairs:
    """A byte-level BPE tokenizer; `encode` uses all cores."""

    name: str
    tokenizer: Tokenizer

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()

    @property
    def vocabulary(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    @property
    def end(self) -> int:
        number: int | None = self.tokenizer.token_to_id(END_OF_TEXT)
        if number is None:
            raise BadData(f"tokenizer {self.name} has no {END_OF_TEXT}; it must have one to keep documents apart")
        return number

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray(encoding.ids) for encoding in self.tokenizer.encode_batch_fast(list(texts))]


def tokenizer_of(name: str) -> TextTokenizer:
    """`bytes`; a tokenizer.json; a folder with GPT-2's two files; or a name on the hub. Raises BadData."""
    if name == BYTES:
        return Bytes()
    path = Path(name)
    if path.is_file():
        return BytePairs(name, _guarded(name, lambda: Tokenizer.from_file(str(path))))
    if path.is_dir():
        if (path / "tokenizer.json").is_file():
            return tokenizer_of(str(path / "tokenizer.json"))
        for vocabulary, merges in FILE_NAMES:
            if (path / vocabulary).is_file() and (path / merges).is_file():
                return BytePairs(name, _guarded(name, lambda v=path / vocabulary, m=path / merges: _gpt2(v, m)))
        pairs = " or ".join(f"{v} and {m}" for v, m in FILE_NAMES)
        raise BadData(f"{path} holds no tokenizer; it needs tokenizer.json, or {pairs}")
    return BytePairs(name, _guarded(name, lambda: Tokenizer.from_pretrained(name)))


def _gpt2(vocabulary: Path, merges: Path) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False)])
    return tokenizer


def _guarded(name, read):  # type: ignore[no-untyped-def]
    try:
        return read()
    except Exception as err:  # tokenizers raises plain Exception for anything it cannot read or reach
        raise BadData(
            f"tokenizer {name!r} is neither `{BYTES}`, nor a file or folder that can be read, nor reachable on the hub "
            f"({' '.join(str(err).split())[:120]})"
        ) from err
