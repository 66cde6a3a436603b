"""Documents of a data set held out at random, as nanoGPT holds out of OpenWebText: `--validation documents:0.0005`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from learnact.training.data.sources import Found, HubText
from learnact.training.errors import BadData

DOCUMENTS = "documents:"
SEED = 2357
"""nanoGPT's: with it and a share of 0.0005 the documents held out of OpenWebText are the same 4,007."""


@dataclass(frozen=True)
class Drawn:
    """The documents of a data set that a random permutation puts first, or the others; in the data set's order."""

    whole: HubText
    share: float
    seed: int
    held_out: bool
    documents: bool = True

    @property
    def name(self) -> str:
        """Where it comes from."""
        return f"{self.whole.name}, {'the' if self.held_out else 'without the'} {self.share:g} drawn by {self.seed}"

    @property
    def identity(self) -> str:
        """Another one for another content."""
        return self.name

    @property
    def place(self) -> str:
        """Another one for each side, for they share no document."""
        return self.name

    def pieces(self, skip: int) -> Iterator[str]:
        """All its documents but the first `skip`. Raises BadData."""
        kept = (text for k, text in enumerate(self.whole.pieces(0)) if (k in self._drawn) == self.held_out)
        return itertools.islice(kept, skip, None)

    @cached_property
    def _drawn(self) -> frozenset[int]:
        """As `train_test_split` of datasets draws them, which shuffles the numbers of the documents."""
        count = self.whole.count()
        taken = math.ceil(self.share * count)
        if not 0 < taken < count:
            raise BadData(f"{self.share:g} of the {count:,} documents of {self.whole.name} leave none on one side")
        return frozenset(np.random.default_rng(self.seed).permutation(count)[:taken].tolist())


def is_drawn(validation: Sequence[str]) -> bool:
    """Whether the held-out text is a share of the documents of the text to train on."""
    return any(name.startswith(DOCUMENTS) for name in validation)


def drawn_sources(train: Found, validation: Sequence[str]) -> dict[str, Found]:
    """Split the one data set of `train` by `documents:SHARE[:SEED]`: the text to train on, the one held out.

    Raises BadData for another form, and where the text is no data set of documents.
    """
    parts = validation[0].removeprefix(DOCUMENTS).split(":")
    try:
        share, seed = float(parts[0]), int(parts[1]) if len(parts) > 1 else SEED
        good = 0 < share < 1 and seed >= 0 and len(parts) <= 2 and len(validation) == 1
    except ValueError:
        good = False
    if not good:
        raise BadData(f"{' '.join(validation)!r} is not {DOCUMENTS}SHARE[:SEED]; write {DOCUMENTS}0.0005")
    if len(train.sources) != 1 or not isinstance(train.sources[0], HubText):
        raise BadData(f"{validation[0]} divides the documents of one hub:NAME; name the validation text of others")
    whole = train.sources[0]
    return {
        "train": Found([Drawn(whole, share, seed, held_out=False)], train.left),
        "validation": Found([Drawn(whole, share, seed, held_out=True)], []),
    }
