"""English text that every Python carries: the language reference behind `help()`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pydoc_data.topics import topics

HELD_OUT = 0.1
"""Share of the text, in whole topics from the end of the alphabet, that is held out."""
PARAGRAPH = 80
"""Characters of a paragraph whose repetition is no coincidence: `while` is a topic and a section of `compound`."""


@dataclass(frozen=True)
class Corpus:
    """Two disjoint sets of topics that share no paragraph."""

    train: str
    held_out: str
    digest: str  # SHA-256 of all text: it differs between versions of Python


def load_corpus() -> Corpus:
    """The topics in alphabetical order, the last of them held out, but for those that repeat one before them."""
    texts = [f"{name}\n\n{topics[name]}\n\n" for name in sorted(topics)]
    sizes = [len(text.encode()) for text in texts]
    size, cut = 0, 0
    while size < (1 - HELD_OUT) * sum(sizes):
        size += sizes[cut]
        cut += 1
    cut = min(cut, len(texts) - 1)
    digest = hashlib.sha256("".join(texts).encode()).hexdigest()
    known = set().union(*map(_paragraphs, texts[:cut]))
    held_out = [text for text in texts[cut:] if known.isdisjoint(_paragraphs(text))]
    return Corpus("".join(texts[:cut]), "".join(held_out), digest)


def _paragraphs(text: str) -> set[str]:
    return {paragraph for p in text.split("\n\n") if len(paragraph := p.strip()) >= PARAGRAPH}
