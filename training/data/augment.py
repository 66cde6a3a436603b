"""Random changes of one image that leave its class alone: crop, flip, RandAugment, erasing.

Pillow does the work, so that nothing but the caller's random numbers decides and no GPU is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

GRAY = (124, 116, 104)
"""Fills what rotation and shear uncover: ImageNet's mean colour."""
MAGNITUDES = 10
OPERATIONS_PER_IMAGE = 2
PROBABILITY = 0.5  # of each operation
SPREAD = 0.5  # standard deviation of the magnitude

Operation = Callable[[Image.Image, float, float], Image.Image]
"""image, strength in [0, 1], sign -> image."""


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC, fillcolor=GRAY
    )


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, s, sign: kind(image).enhance(max(0.1, 1 + 0.9 * s * sign))


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": lambda image, s, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, s, sign: ImageOps.equalize(image),
    "invert": lambda image, s, sign: ImageOps.invert(image),
    "rotate": lambda image, s, sign: image.rotate(30 * s * sign, Image.Resampling.BICUBIC, fillcolor=GRAY),
    "posterize": lambda image, s, sign: ImageOps.posterize(image, 4 - min(3, int(4 * s)) if s < 1 else 1),
    "solarize": lambda image, s, sign: ImageOps.solarize(image, round(255 * (1 - s))),
    "solarize_add": lambda image, s, sign: image.point(lambda v: min(255, v + int(110 * s)) if v < 128 else v),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear_x": lambda image, s, sign: _affine(image, (1, 0.3 * s * sign, 0, 0, 1, 0)),
    "shear_y": lambda image, s, sign: _affine(image, (1, 0, 0, 0.3 * s * sign, 1, 0)),
    "translate_x": lambda image, s, sign: _affine(image, (1, 0, 0.45 * s * sign * image.width, 0, 1, 0)),
    "translate_y": lambda image, s, sign: _affine(image, (1, 0, 0, 0, 1, 0.45 * s * sign * image.height)),
}
"""RandAugment's operations as timm has them, each growing with its strength (Cubuk et al. 2020)."""


def rand_augment(image: Image.Image, magnitude: float, random: Random) -> Image.Image:
    """Two operations drawn with replacement, each applied with probability 1/2 at about `magnitude` tenths."""
    for name in random.choices(sorted(OPERATIONS), k=OPERATIONS_PER_IMAGE):
        strength = min(1.0, max(0.0, random.gauss(magnitude, SPREAD) / MAGNITUDES))
        sign = random.choice((-1.0, 1.0))
        if random.random() < PROBABILITY:
            image = OPERATIONS[name](image, strength, sign)
    return image


def random_resized_crop(image: Image.Image, size: int, random: Random) -> Image.Image:
    """8 to 100 % of the area at an aspect of 3/4 to 4/3, resized to a square (Szegedy et al. 2015)."""
    area = image.width * image.height
    for _ in range(10):
        target = area * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
        if 0 < width <= image.width and 0 < height <= image.height:
            left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
            box = (left, top, left + width, top + height)
            return image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return center_crop(image, size, share=1.0)


def pad_crop(image: Image.Image, random: Random) -> Image.Image:
    """A crop of the same size from the image with a black border of an eighth."""
    border = max(1, image.width // 8)
    left, top = random.randint(0, 2 * border), random.randint(0, 2 * border)
    padded = ImageOps.expand(image, border)
    return padded.crop((left, top, left + image.width, top + image.height))


def center_crop(image: Image.Image, size: int, share: float = 0.875) -> Image.Image:
    """The central square of `share` of the shorter side, resized: how ImageNet is evaluated."""
    side = min(image.size) * share
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))


def erase(pixels: Tensor, probability: float, random: Random) -> Tensor:
    """Normal noise over a rectangle of 2 to 33 % of a normalized (3, H, W) image (Zhong et al. 2020)."""
    _, height, width = pixels.shape
    if random.random() >= probability:
        return pixels
    for _ in range(10):
        area = random.uniform(0.02, 1 / 3) * height * width
        aspect = math.exp(random.uniform(math.log(0.3), math.log(1 / 0.3)))
        tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < tall < height and 0 < wide < width:
            top, left = random.randint(0, height - tall), random.randint(0, width - wide)
            noise = torch.Generator().manual_seed(random.getrandbits(62))
            pixels = pixels.clone()
            pixels[:, top : top + tall, left : left + wide] = torch.randn(3, tall, wide, generator=noise)
            return pixels
    return pixels
