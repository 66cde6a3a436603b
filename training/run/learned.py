"""The numbers that an activation has learned, place by place, as a log keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from learnact.training.model.learnable import numbers_of
from learnact.training.model.swap import Swapped

DIGITS = 9
"""Significant digits: they tell every float32 from the next."""


def count(places: Sequence[Swapped]) -> int:
    """Parameters of the activations; those of a shared one count once."""
    return sum(p.numel() for p in {id(p): p for s in places for p in s.new.parameters()}.values())


def coefficients(places: Sequence[Swapped], tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """For each place with parameters its path and their values; with a shape per channel, mean and deviation over them.

    `tensors` are what a checkpoint keeps of a model. A shared activation stands there under its first place.
    """
    first: dict[nn.Module, str] = {}
    found = []
    for place in places:
        path = first.setdefault(place.new, place.path)
        names = list(numbers_of(place.new))
        if names:
            channels = getattr(place.new, "num_parameters", 1) > 1
            values = {name: _values(tensors[f"{path}.{name}"].detach(), channels) for name in names}
            found.append({"path": place.path, "parameters": values})
    return found


def _values(tensor: Tensor, channels: bool) -> Any:
    if not channels:
        return _numbers(tensor)
    return {"mean": _numbers(tensor.mean(-1)), "deviation": _numbers(tensor.std(-1, correction=0))}


def _numbers(tensor: Tensor) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in tensor.flatten().tolist()]
