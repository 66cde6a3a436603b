"""What a learnable activation is, and the groups in which an optimizer should train its parameters."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from learnact.training.errors import BadModel


def is_learnable(module: nn.Module | type[nn.Module]) -> bool:
    """Whether `module`, or a class, is a learnable activation that learnact emitted: its class says so."""
    kind = module if isinstance(module, type) else type(module)
    return bool(getattr(kind, "learnable_activation", False))


def is_emitted(module: nn.Module | type[nn.Module]) -> bool:
    """Whether learnact emitted the class of `module`, or this class: with parameters or without."""
    return hasattr(module if isinstance(module, type) else type(module), "learnable_activation")


def numbers_of(module: nn.Module) -> dict[str, Tensor]:
    """The tensors that make an emitted module's function, by name: its parameters, and buffers that do not learn."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def kept(model: nn.Module, *, repeated: bool = False) -> dict[str, Tensor]:
    """What a checkpoint of `model` keeps, by name: its parameters, and the buffers of learnable activations.

    `repeated` lists what is shared under each of its names.
    """
    found: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=not repeated))
    for path, module in model.named_modules(remove_duplicate=not repeated):
        if is_learnable(module):
            found |= {f"{path}.{name}" if path else name: t for name, t in module.named_buffers()}
    return found


def activation_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Every parameter of every learnable activation in `model`, each once.

    Per channel they have two dimensions and are no matrices: leave them out of optimizers for matrices, such as Muon.

    Raises BadModel for a model of keras, whose modules do not show.
    """
    if any(kind.__module__.split(".")[0] == "keras" for kind in type(model).__mro__):
        raise BadModel(
            "keras keeps the modules of its layers to itself and trains them by its own optimizers; leave activations "
            "out of decay by optimizer.exclude_from_weight_decay(var_list=layer.trainable_variables)"
        )
    modules = [m for m in model.modules() if is_learnable(m)]
    return list({id(p): p for m in modules for p in m.parameters()}.values())


def parameter_groups(
    model: nn.Module, *, lr: float, weight_decay: float, lr_factor: float = 5.0
) -> list[dict[str, Any]]:
    """Groups of the parameters of `model` for any torch optimizer, each with its own `lr` and `weight_decay`.

        parameters with two or more dimensions    lr              weight_decay
        with fewer: biases, norms                 lr              0
        of learnable activations, of any shape    lr lr_factor    0

    Weight decay would pull an activation's shape towards zero. A scheduler scales the `lr` of each group. Frozen
    parameters are in no group, empty groups are left out.

    Raises BadModel where nothing is left to train, for rates that are no finite numbers of at least 0, and for a model
    of keras.
    """
    if not isinstance(model, nn.Module):
        raise BadModel(f"parameter_groups takes a model (nn.Module), found {type(model).__name__}")
    for name, value in {"lr": lr, "weight_decay": weight_decay, "lr_factor": lr_factor}.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise BadModel(f"{name} must be a finite number of at least 0, found {value!r}")
    shapes = {id(p) for p in activation_parameters(model)}
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise BadModel(f"{type(model).__name__} has no parameter with requires_grad; there is nothing to train")
    groups: list[tuple[list[nn.Parameter], float, float]] = [
        ([p for p in trained if p.dim() > 1 and id(p) not in shapes], lr, weight_decay),
        ([p for p in trained if p.dim() <= 1 and id(p) not in shapes], lr, 0.0),
        ([p for p in trained if id(p) in shapes], lr * lr_factor, 0.0),
    ]
    return [{"params": p, "lr": rate, "weight_decay": decay} for p, rate, decay in groups if p]
