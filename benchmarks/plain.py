"""Deep nets without normalization and skips: z_l = W_l a_{l-1}, a_l = gain F(z_l), W_l from N(0, 1/fan_in)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

WIDTH = 64
"""Of the MLP."""
CHANNELS, SIDE = 12, 8
"""Of the convolutional net, and of its images."""


@dataclass(frozen=True)
class Net:
    """What stands in the place of F, its gain, and what `learnact.maps` knows it by."""

    name: str
    make: Callable[[], nn.Module]
    theory: tuple[str, str | None]
    gain: float = 1.0


class Plain(nn.Module):
    """Hidden layers, each with its activation, then a linear head; biases begin at 0."""

    def __init__(self, net: Net, hidden: Sequence[nn.Linear | nn.Conv2d], head: nn.Linear) -> None:
        super().__init__()
        self.gain = net.gain
        self.hidden = nn.ModuleList(hidden)
        self.activations = nn.ModuleList(net.make() for _ in hidden)
        self.head = head
        for layer in (*hidden, head):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, a: Tensor) -> Tensor:
        """(N, inputs), or (N, channels, height, width) -> (N, outputs)."""
        for layer, activation in zip(self.hidden, self.activations, strict=True):
            a = self.gain * activation(layer(a))
        return self.head(a if a.dim() == 2 else a.mean((2, 3)))


def mlp(net: Net, depth: int, inputs: int, outputs: int, width: int = WIDTH) -> Plain:
    """Linear layers of one width."""
    layers = [nn.Linear(inputs if k == 0 else width, width) for k in range(depth)]
    return Plain(net, layers, nn.Linear(width, outputs))


class Convolutional(nn.Module):
    """3x3 convolutions that wrap around, so that every pixel has nine neighbours; the mean over pixels at the end."""

    def __init__(self, net: Net, depth: int, outputs: int) -> None:
        super().__init__()
        layers = [
            nn.Conv2d(1 if k == 0 else CHANNELS, CHANNELS, 3, padding=1, padding_mode="circular") for k in range(depth)
        ]
        self.net = Plain(net, layers, nn.Linear(CHANNELS, outputs))

    def forward(self, a: Tensor) -> Tensor:
        """(N, SIDE * SIDE) -> (N, outputs)."""
        return self.net(a.view(-1, 1, SIDE, SIDE))


KINDS: dict[str, Callable[[Net, int], nn.Module]] = {
    "mlp": lambda net, depth: mlp(net, depth, SIDE * SIDE, 10),
    "conv": lambda net, depth: Convolutional(net, depth, 10),
}
"""Nets for 8x8 digits."""


def size(kind: str) -> str:
    """How wide these are, in words."""
    return f"width {WIDTH}" if kind == "mlp" else f"{CHANNELS} channels, 3x3 with circular padding, mean over pixels"
