"""Gated blocks: their product is F(u) v, u and v two linear maps of the block's input (Dauphin et al. 2017).

With u and v independent and E[v] = 0, as they are at the first weights,

    E[(F(u) v)^2]  = E[F(u)^2] E[v^2]        what the next layer is fed
    E[(F'(u) v)^2] = E[F'(u)^2] E[v^2]       of the gradient, by which u's branch is multiplied
    E[F(u)^2]                                and v's branch

So F = G/s, s^2 = E[v^2], makes of the product what G alone makes of u in a block without a gate: E[(F v)^2] = E[G^2]
and E[(F' v)^2] = E[G'^2]. With G the start that preserves the second moment, E[G^2] = E[u^2] and E[G'^2] = 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction

from torch import Tensor, nn

from learnact.training.model.moments import Pool

MULTIPLE = 8
"""Of the hidden width: what matrix units take in bfloat16."""


def gated_width(width: int) -> int:
    """Hidden width of a gated block as large as one of 4 * width: 2/3 of that, to the nearest multiple of MULTIPLE."""
    return max(1, round(Fraction(8 * width, 3 * MULTIPLE))) * MULTIPLE


def gates(model: nn.Module) -> dict[nn.Module, list[nn.Module]]:
    """Activation F -> the layers whose outputs it is multiplied with, of all gated blocks; several if F is shared."""
    found: dict[nn.Module, list[nn.Module]] = {}
    for module in model.modules():
        if getattr(module, "is_gated", False):
            found.setdefault(module.act, []).append(module.c_up)  # type: ignore[arg-type]
    return found


@contextmanager
def watching_gates(found: Mapping[nn.Module, Sequence[nn.Module]], pools: dict[nn.Module, Pool]) -> Iterator[None]:
    """Empty `pools`, and fill it as the model runs: activation -> what it is multiplied with, v before F(u)."""
    pools.clear()

    def note(activation: nn.Module, output: Tensor) -> None:
        pools.setdefault(activation, Pool("a gate")).add(output)

    with ExitStack() as hooks:
        for activation, layers in found.items():
            for layer in layers:
                hooks.callback(layer.register_forward_hook(lambda _, __, y, a=activation: note(a, y)).remove)
        yield
