"""Is held-out text in the text that is trained on? By file, before anything is tokenized; then by content."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learnact.training.data.sources import Source
from learnact.training.errors import BadData

PROBES = 32
"""Stretches of the held-out text, spread over all of it, that are looked for in the text to train on."""
LENGTH = 128  # tokens of a probe
MAY_REPEAT = 16
"""One probe in so many may be found: a licence or a verse stands in more than one book."""
BLOCK = 1 << 24  # tokens searched at a time


def refuse_shared_sources(train: Sequence[Source], held_out: Sequence[Source]) -> None:
    """Raise BadData for a file, or a split of a data set, that is in both texts."""
    ours = {source.place: source for source in train}
    for source in held_out:
        if source.place in ours:
            raise BadData(
                f"{source.name} is in the text to train on ({ours[source.place].name}) and in the validation text; "
                "name the files of --data one by one, without it"
            )


def refuse_shared_text(train: np.ndarray, held_out: np.ndarray) -> None:
    """Raise BadData where stretches of the held-out tokens occur in those to train on, under whatever name."""
    length = min(LENGTH, len(held_out))
    if not length:
        return
    count = min(PROBES, len(held_out) // length)
    starts = [k * (len(held_out) - length) // max(1, count - 1) for k in range(count)]
    probes = {held_out[s : s + length].astype(train.dtype).tobytes() for s in starts}
    found = sum(_occurs(train, probe, length) for probe in probes)
    if found > len(probes) // MAY_REPEAT:
        raise BadData(
            f"{found} of {len(probes)} stretches of {length} tokens, spread over the validation text, occur in the "
            "text to train on; give texts that share nothing, or leave out --validation"
        )


def _occurs(train: np.ndarray, probe: bytes, length: int) -> bool:
    """Whether the array holds the tokens of `probe` in a row."""
    size = train.dtype.itemsize
    for first in range(0, len(train), BLOCK):
        content = train[first : first + BLOCK + length - 1].tobytes()
        at = content.find(probe)
        while at >= 0:
            if at % size == 0:
                return True
            at = content.find(probe, at + 1)
    return False
