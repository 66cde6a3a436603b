"""English text that every Python carries, as bytes: the language reference behind `help()`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pydoc_data.topics import topics

import torch
from torch import Tensor

HELD_OUT = 0.1
"""Share of the text, in whole topics from the end of the alphabet, that is kept for validation."""


@dataclass(frozen=True)
class Corpus:
    """Two disjoint sets of topics; each a 1-d int64 tensor of byte values 0..255."""

    train: Tensor
    validation: Tensor
    digest: str  # SHA-256 of all text: it differs between versions of Python


def load_corpus() -> Corpus:
    """The topics in alphabetical order, the last of them held out."""
    texts = [f"{name}\n\n{topics[name]}\n\n".encode() for name in sorted(topics)]
    total = sum(map(len, texts))
    size, cut = 0, 0
    while size < (1 - HELD_OUT) * total:
        size += len(texts[cut])
        cut += 1
    cut = min(cut, len(texts) - 1)
    digest = hashlib.sha256(b"".join(texts)).hexdigest()
    return Corpus(_bytes(texts[:cut]), _bytes(texts[cut:]), digest)


def batches(text: Tensor, *, count: int, size: int, length: int, seed: int) -> list[Tensor]:
    """`count` batches of shape (size, length), windows drawn at random; equal seeds draw equal windows."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(text) - length + 1, (count, size), generator=generator)
    return [text[row[:, None] + torch.arange(length)] for row in starts]


def windows(text: Tensor, length: int) -> Tensor:
    """The text cut into windows of shape (n, length), the remainder dropped."""
    return text[: len(text) // length * length].reshape(-1, length)


def _bytes(texts: list[bytes]) -> Tensor:
    return torch.tensor(list(b"".join(texts)))
