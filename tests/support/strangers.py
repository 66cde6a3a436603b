"""Activations as people write them by hand: right ones, and faults of kinds that are found in public code."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def new_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def erf(x: Tensor) -> Tensor:
    return torch.erf(x)


def swish(x: Tensor, beta: Tensor) -> Tensor:
    return x * torch.sigmoid(beta * x)


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, with a parameter of shape (1,) as people write it."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), alpha))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x) ** 2 / self.alpha


class Saved(torch.autograd.Function):
    """a tanh(b x) with a backward of its own."""

    @staticmethod
    def forward(ctx, x, a, b):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, a, b)
        return a * torch.tanh(b * x)

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        x, a, b = ctx.saved_tensors
        t = torch.tanh(b * x)
        return g * a * b * (1 - t * t), (g * t).sum(), (g * a * x * (1 - t * t)).sum()


class Swapped(Saved):
    """The same with the gradients of a and b in the wrong order."""

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        slope, a, b = Saved.backward(ctx, g)
        return slope, b, a


class Drifting(Saved):
    """The same with a slope that is wrong by one part in a thousand."""

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        slope, a, b = Saved.backward(ctx, g)
        return slope * 1.001, a, b


def signed_power(x: Tensor, a: Tensor) -> Tensor:
    return a * torch.abs(x) ** 1 * torch.sign(x) ** 1


def where_sqrt(x: Tensor) -> Tensor:
    return torch.where(x > 0, torch.sqrt(x), torch.zeros_like(x))


def where_sinc(x: Tensor) -> Tensor:
    return torch.where(x == 0, torch.ones_like(x), torch.sin(x) / x)


def norm_relu(x: Tensor) -> Tensor:
    return torch.maximum(x / torch.abs(x) * torch.abs(x), torch.zeros_like(x))


def dead_gelu(x: Tensor) -> Tensor:
    return torch.where((x > -1.5) & (x < -1.25), torch.zeros_like(x), gelu(x))


def truncated_gelu(x: Tensor) -> Tensor:
    return torch.where(x < -5, torch.zeros_like(x), gelu(x))


def wrong_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.04715 * torch.pow(x, 3.0))))


def short_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(0.79788 * (x + 0.044715 * torch.pow(x, 3.0))))


def half_softplus(x: Tensor) -> Tensor:
    return torch.log1p(torch.exp(x))


def naive_elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.exp(torch.clamp(x, max=0)) - 1)


def naive_tail(x: Tensor) -> Tensor:
    return torch.clamp(x, min=0) + torch.log(1 + torch.exp(-torch.abs(x)))


def detached(x: Tensor) -> Tensor:
    return torch.tanh(x.detach()) + 0 * x


def on_the_gpu(x: Tensor) -> Tensor:
    return torch.tanh(x.to("nosuchdevice"))


def raises(x: Tensor) -> Tensor:
    raise RuntimeError("no luck\ntoday")


def endless(x: Tensor) -> Tensor:
    while True:
        time.sleep(0.01)


def endless_later(x: Tensor) -> Tensor:
    return endless(x) if x.numel() > 100 else torch.tanh(x)


def leaves(x: Tensor) -> Tensor:
    raise SystemExit(3)


def other_shape(x: Tensor) -> Tensor:
    return torch.tanh(x).sum(-1)


def other_dtype(x: Tensor) -> Tensor:
    return torch.tanh(x).float()


def no_tensor(x: Tensor) -> list[float]:
    return torch.tanh(x).flatten().tolist()


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def running(x: Tensor) -> Tensor:
    return torch.cumsum(torch.tanh(x), -1)


def noisy(x: Tensor) -> Tensor:
    return torch.tanh(x) * (1 + 1e-3 * torch.rand_like(x))


def flat_only(x: Tensor) -> Tensor:
    return torch.tanh(x).view(-1).view(x.shape)


def not_empty(x: Tensor) -> Tensor:
    return torch.tanh(x) + 0 * x.abs().max()


def two_inputs(x: Tensor, y: Tensor) -> Tensor:
    return torch.tanh(x) * y


NUMBER = 3


def squareplus(x: Tensor) -> Tensor:
    return (x + torch.sqrt(x * x + 4)) / 2


def erf_in_float(x: Tensor) -> Tensor:
    return torch.erf(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)


def asks(x: Tensor) -> Tensor:
    try:
        input()
    except EOFError:
        return torch.tanh(x)
    raise RuntimeError("somebody answered")


class Buffered(nn.Module):
    """a tanh(b x), neither of which is an nn.Parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.a = 1.0
        self.register_buffer("b", torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * torch.tanh(self.b * x)
