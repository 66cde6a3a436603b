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
HELD_OUT = ("validation", "test")
"""What is looked at during a run, and what only once, after its last step."""


@dataclass(frozen=True)
class Windows:
    """Windows at random places of the text to train on; of the others at most `eval_windows`, spread evenly over each.

    A batch is {"tokens": int64 of shape (micro_batch, context + 1)}: inputs and, shifted by one, targets.
    Raises BadData for a text shorter than one window.
    """

    tokens: Tokens
    context: int
    micro_batch: int
    eval_windows: int
    seed: int

    def __post_init__(self) -> None:
        for split in ("train", *HELD_OUT):
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

    def held_out_batches(self, split: str) -> int:
        """How many batches the validation or the test takes; the last may be smaller."""
        return -(-len(self._spread(split)) // self.micro_batch)

    def held_out(self, split: str, number: int) -> Batch:
        """Batch `number` of the validation or the test."""
        starts = self._spread(split)[number * self.micro_batch : (number + 1) * self.micro_batch]
        return self._windows(getattr(self.tokens, split), starts)

    def _spread(self, split: str) -> list[int]:
        """First tokens of the windows: the text is cut into windows, of which these are at equal distances."""
        there = (len(getattr(self.tokens, split)) - 1) // self.context
        taken = min(self.eval_windows, there)
        return [k * there // taken * self.context for k in range(taken)]

    def _windows(self, text: np.ndarray, starts: list[int]) -> Batch:
        rows = [text[s : s + self.context + 1].astype(np.int64) for s in starts]
        return {"tokens": torch.from_numpy(np.stack(rows))}
