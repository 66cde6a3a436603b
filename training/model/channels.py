"""One shape per channel: how many channels each place has, told by the layer that feeds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learnact.training.model.swap import Match, Swapped, is_activation, places_of, swap

LAST = (nn.Linear, nn.LayerNorm)
"""Layers whose channels are the last dimension; so are those of transformers' Conv1D, which is a Linear transposed."""
SECOND = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
"""Layers whose channels are dimension 1."""


@dataclass(frozen=True)
class Channels:
    """Where the channels of a tensor are and how many."""

    count: int
    dim: int


def swap_per_channel(
    model: nn.Module,
    factory: Callable[..., nn.Module],
    run: Callable[[], object],
    match: Match | type[nn.Module] | tuple[type[nn.Module], ...] = is_activation,
) -> list[Swapped]:
    """Replace every activation by `factory(num_parameters=C, channel_dim=d)` of its own channels; `match` as in `swap`.

    `run` sends one batch through the model; the layer whose output an activation is given tells which dimension
    counts. Raises ValueError as `swap` does, and for a place that is fed by no known layer or by several widths.
    """
    old = {path: module for path, _, module in places_of(model, match)}
    found = _measured(model, old, run)
    makers = iter([_maker(factory, found[module]) for module in old.values()])
    return swap(model, lambda: next(makers)(), match)  # noqa: PLW0108  each place asks for the next maker


def _measured(
    model: nn.Module, places: Mapping[str, nn.Module], run: Callable[[], object]
) -> dict[nn.Module, Channels]:
    producer: dict[int, nn.Module] = {}
    alive: list[Tensor] = []  # an id is a tensor's only as long as the tensor lives
    found: dict[nn.Module, Channels] = {}
    feeds = (*LAST, *SECOND)

    def after(layer: nn.Module, _: object, output: Tensor) -> None:
        producer[id(output)] = layer
        alive.append(output)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        path = next(path for path, place in places.items() if place is module)
        found[module] = _channels(path, inputs[0], producer.get(id(inputs[0])), found.get(module))

    with ExitStack() as hooks, torch.no_grad():
        for module in dict.fromkeys(places.values()):
            hooks.callback(module.register_forward_pre_hook(before).remove)
        for layer in model.modules():
            if isinstance(layer, feeds) or type(layer).__name__ == "Conv1D":
                hooks.callback(layer.register_forward_hook(after).remove)
        if places:
            run()
    if silent := [path for path, module in places.items() if module not in found]:
        raise ValueError(f"the pass never reached {', '.join(silent)}; run the model on a whole batch")
    return found


def _channels(path: str, x: Tensor, layer: nn.Module | None, known: Channels | None) -> Channels:
    if layer is not None:
        dim = 1 if isinstance(layer, SECOND) else -1
    elif known is not None:
        dim = known.dim  # a second use, behind a sum for example
    else:
        raise ValueError(f"{path} is not fed by a layer with channels; give it a factory of its own")
    channels = Channels(x.shape[dim], dim)
    if known is not None and known != channels:
        raise ValueError(
            f"{path} is used on {known.count} and on {channels.count} channels; it needs one shape for all"
        )
    return channels


def _maker(factory: Callable[..., nn.Module], channels: Channels) -> Callable[[], nn.Module]:
    return lambda: factory(num_parameters=channels.count, channel_dim=channels.dim)
