"""Numbered batches through worker processes, in order; an error comes out as it went in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from learnact.training.data.windows import Batch
from learnact.training.errors import TrainError

Number = TypeVar("Number")


def feed(
    numbers: Sequence[Number], batch: Callable[[Number], Batch], workers: int, device: torch.device
) -> Iterator[Batch]:
    """The batch of each number. Raises what `batch` raises of TrainError.

    Raised in a worker, it would come out of the loader with the worker's whole traceback as its message.
    """
    pinned = device.type == "cuda"
    for made in DataLoader(_Numbered(numbers, batch), batch_size=None, num_workers=workers, pin_memory=pinned):
        if isinstance(made, TrainError):
            raise made
        yield made


@dataclass(frozen=True)
class _Numbered(Dataset["Batch | TrainError"], Generic[Number]):
    numbers: Sequence[Number]
    batch: Callable[[Number], Batch]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Batch | TrainError:
        try:
            return self.batch(self.numbers[index])
        except TrainError as err:
            return err
