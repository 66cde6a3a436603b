"""Mixup and cutmix of a micro-batch with itself in reverse, and the soft targets that go with them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """One-hot rows with `smoothing` spread over all classes: (n,) -> (n, classes)."""
    hot = functional.one_hot(labels, classes).float()
    return hot * (1 - smoothing) + smoothing / classes


def mix(pixels: Tensor, targets: Tensor, mixup: float, cutmix: float, seed: int) -> tuple[Tensor, Tensor]:
    """Mix (n, 3, H, W) and (n, classes) by mixup or cutmix, each with probability 1/2 where both are on.

    A share drawn from Beta(alpha, alpha) of every image is its own (Zhang et al. 2018, Yun et al. 2019).
    """
    if not (mixup or cutmix):
        return pixels, targets
    draw = np.random.Generator(np.random.PCG64(seed))
    cut = bool(cutmix) and (not mixup or draw.random() < 0.5)
    alpha = cutmix if cut else mixup
    own = float(draw.beta(alpha, alpha))
    if cut:
        pixels, own = _paste(pixels, own, draw)
    else:
        pixels = torch.lerp(pixels.flip(0), pixels, own)
    return pixels, torch.lerp(targets.flip(0), targets, own)


def _paste(pixels: Tensor, own: float, draw: np.random.Generator) -> tuple[Tensor, float]:
    """A box of the other image over the own one; return the share that is truly left of the own."""
    height, width = pixels.shape[-2:]
    side = (1 - own) ** 0.5
    tall, wide = round(height * side), round(width * side)
    row, column = int(draw.integers(height)), int(draw.integers(width))
    top, bottom = np.clip([row - tall // 2, row - tall // 2 + tall], 0, height)
    left, right = np.clip([column - wide // 2, column - wide // 2 + wide], 0, width)
    mixed = pixels.clone()
    mixed[..., top:bottom, left:right] = pixels.flip(0)[..., top:bottom, left:right]
    return mixed, 1 - float((bottom - top) * (right - left)) / (height * width)
