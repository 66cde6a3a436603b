"""Models of libraries that are not installed beside this torch, by their structure; and those of torch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class BasicBlock(nn.Module):
    """torchvision's ResNet: one ReLU, in place, behind the first norm and behind the sum; the last norm starts at 0."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.downsample(x)
        return self.relu(out)


def torchvision_resnet() -> nn.Module:
    """Stem, two blocks, pooling, classifier."""
    stem = (nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
    blocks = (BasicBlock(8, 8, 1), BasicBlock(8, 16, 2))
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


class GELU(nn.Module):
    """timm's own, which is no nn.GELU."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x)


class BatchNormAct2d(nn.BatchNorm2d):
    """timm's norm that holds the activation behind it."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop, self.act = nn.Identity(), nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


class SqueezeExcite(nn.Module):
    """timm's, with a gate that is no hidden activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_reduce, self.act1 = nn.Conv2d(width, width // 4, 1), nn.ReLU(inplace=True)
        self.conv_expand, self.gate = nn.Conv2d(width // 4, width, 1), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.act1(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        return x * self.gate(self.conv_expand(squeezed))


class VitBlock(nn.Module):
    """timm's transformer block, with layer scale and an MLP of timm's GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gamma = nn.Parameter(0.1 * torch.ones(width))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), GELU(), nn.Dropout(0.1), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        heads = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.gamma * self.proj(heads)
        return x + self.gamma * self.mlp(self.norm2(x))


class TimmHybrid(nn.Module):
    """EfficientNet's stem and gate, then a vision transformer on its patches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn, self.se = nn.Conv2d(3, 16, 4, 4, bias=False), BatchNormAct2d(16), SqueezeExcite(16)
        self.blocks, self.head = nn.Sequential(VitBlock(16), VitBlock(16)), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.se(self.bn(self.stem(x)))
        return self.head(self.blocks(x.flatten(2).transpose(1, 2)).mean(1))


class GEGLU(nn.Module):
    """diffusers': the gate is a function in forward."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * out)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class GatedModule(nn.Module):
    """The same with a module for the gate, as diffusers' SwiGLU has it."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.proj, self.activation = nn.Linear(width, 2 * out), nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * self.activation(gate)


class UNetBlock(nn.Module):
    """diffusers' residual block (one SiLU for two norms) and feed-forward with GEGLU."""

    def __init__(self, gate: type[nn.Module] = GEGLU) -> None:
        super().__init__()
        self.norm1, self.norm2, self.nonlinearity = nn.GroupNorm(2, 8), nn.GroupNorm(2, 8), nn.SiLU()
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.ff = nn.Sequential(gate(8, 16), nn.Dropout(0.0), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.conv2(self.nonlinearity(self.norm2(self.conv1(self.nonlinearity(self.norm1(x))))))
        return x + self.ff(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Sequences(nn.Module):
    """nn.Transformer on a source and a target."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(16, 2, 2, 1, 32, 0.1, "gelu", batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.transformer(x, x[:, :4])


IMAGES, TOKENS = (4, 3, 32, 32), (3, 6, 16)
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "torchvision": (torchvision_resnet, IMAGES, {"2": 1, "4.relu": 2, "5.relu": 2}),
    "timm": (TimmHybrid, IMAGES, {"bn.act": 1, "se.act1": 1, "blocks.0.mlp.1": 1, "blocks.1.mlp.1": 1}),
    "diffusers": (lambda: UNetBlock(GatedModule), (2, 8, 6, 6), {"nonlinearity": 2, "ff.0.activation": 1}),
    "nn.Transformer": (Sequences, TOKENS, {
        "transformer.encoder.layers.0.activation": 1, "transformer.encoder.layers.1.activation": 1,
        "transformer.decoder.layers.0.activation": 1,
    }),
}  # fmt: skip
"""Client -> what builds its model, the shape of a batch, and path -> calls of every activation."""


def batch(name: str) -> Tensor:
    """The batch of a client, of seed 1."""
    return torch.randn(MODELS[name][1], generator=torch.Generator().manual_seed(1))
