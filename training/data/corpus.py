"""English text that every Python carries: the language reference behind `help()`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pydoc_data.topics import topics

HELD_OUT = 0.1
"""Share of the text, in whole topics from the end of the alphabet, that is kept for validation."""


@dataclass(frozen=True)
class Corpus:
    """Two disjoint sets of topics."""

    train: str
    validation: str
    digest: str  # SHA-256 of all text: it differs between versions of Python


def load_corpus() -> Corpus:
    """The topics in alphabetical order, the last of them held out."""
    texts = [f"{name}\n\n{topics[name]}\n\n" for name in sorted(topics)]
    sizes = [len(text.encode()) for text in texts]
    size, cut = 0, 0
    while size < (1 - HELD_OUT) * sum(sizes):
        size += sizes[cut]
        cut += 1
    cut = min(cut, len(texts) - 1)
    digest = hashlib.sha256("".join(texts).encode()).hexdigest()
    return Corpus("".join(texts[:cut]), "".join(texts[cut:]), digest)
