"""Modules that note at construction which activation they have, and compute by the note: corrected after a swap."""

from __future__ import annotations

from torch import nn

Undo = tuple[object, str, object]
"""Object, attribute, value before."""


def correct(model: nn.Module, replaced: list[tuple[nn.Module, str]]) -> list[Undo]:
    """Correct what hosts noted about activations that were replaced; return how to take it back.

    `replaced` lists host and attribute. Of others nothing is known: the pass that `swap` runs shows which call what.

    - nn.TransformerEncoderLayer: `activation_relu_or_gelu` chooses a fused kernel in evaluation mode, which computes
      ReLU or GELU whatever `activation` is; 0 chooses the layer's own forward.
    - nn.TransformerEncoder: `use_nested_tensor` packs padded batches for that kernel, so it is off where a layer lacks
      it.
    """
    undo: list[Undo] = []
    for host, name in replaced:
        if isinstance(host, nn.TransformerEncoderLayer) and name == "activation":
            _set(host, "activation_relu_or_gelu", 0, undo)
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder) and any(
            not getattr(layer, "activation_relu_or_gelu", 1) for layer in module.layers
        ):
            _set(module, "use_nested_tensor", False, undo)
    return undo


def take_back(undo: list[Undo]) -> None:
    """Set everything to what it was."""
    for host, name, value in reversed(undo):
        setattr(host, name, value)


def _set(host: nn.Module, name: str, value: object, undo: list[Undo]) -> None:
    old = getattr(host, name, None)
    if old != value:
        undo.append((host, name, old))
        setattr(host, name, value)
