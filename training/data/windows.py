"""Batches of token windows, each told by the number of its step and micro-batch alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from learnact.training.data.randomness import generator
from learnact.training.data.tokens import Tokens
from learnact.training.errors import BadData

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Windows:
    """Windows of a text at random places for training, one after another for validation.

    A batch is {"tokens": int64 of shape (micro_batch, context + 1)}: inputs and, shifted by one, targets.
    Raises BadData for a text shorter than one window.
    """

    tokens: Tokens
    context: int
    micro_batch: int
    eval_windows: int
    seed: int

    def __post_init__(self) -> None:
        for split in ("train", "validation"):
            found = len(getattr(self.tokens, split))
            if found <= self.context:
                raise BadData(
                    f"the {split} text has {found} tokens, one window takes {self.context + 1}; give more text or a "
                    "smaller --context"
                )

    def batch(self, step: int, micro: int) -> Batch:
        """Micro-batch `micro` of `step`."""
        draw = generator("windows", self.seed, step, micro)
        starts = torch.randint(len(self.tokens.train) - self.context, (self.micro_batch,), generator=draw)
        return self._windows(self.tokens.train, starts.tolist())

    @property
    def validation_batches(self) -> int:
        """How many batches the validation takes; the last may be smaller."""
        windows = min(self.eval_windows, (len(self.tokens.validation) - 1) // self.context)
        return -(-windows // self.micro_batch)

    def validation(self, number: int) -> Batch:
        """Validation batch `number`: neighbouring windows."""
        windows = min(self.eval_windows, (len(self.tokens.validation) - 1) // self.context)
        mine = range(number * self.micro_batch, min((number + 1) * self.micro_batch, windows))
        return self._windows(self.tokens.validation, [k * self.context for k in mine])

    def _windows(self, text: np.ndarray, starts: list[int]) -> Batch:
        rows = [text[s : s + self.context + 1].astype(np.int64) for s in starts]
        return {"tokens": torch.from_numpy(np.stack(rows))}
