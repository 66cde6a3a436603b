"""Batches of images, each told by the number of its step and micro-batch alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from learnact.training.config import Convnext
from learnact.training.data.augment import center_crop, erase, pad_crop, rand_augment, random_resized_crop
from learnact.training.data.images import ImageData, Images
from learnact.training.data.mix import mix, soft_targets
from learnact.training.data.randomness import seed_of
from learnact.training.data.windows import Batch

EVAL_BATCH = 256


@dataclass(frozen=True)
class Pictures:
    """Training batches pass through all images in a new order each epoch, augmented; the others are plain.

    Training: {"pixels": (micro_batch, 3, size, size), "targets": (micro_batch, classes)}; held out: "labels"
    instead of targets.
    """

    data: ImageData
    config: Convnext

    def batch(self, step: int, micro: int) -> Batch:
        """Micro-batch `micro` of `step`."""
        config = self.config
        first = step * config.batch + micro * config.micro_batch
        positions = range(first, first + config.micro_batch)
        numbers = [self._number(p) for p in positions]
        pixels = torch.stack([self._augmented(n, p) for n, p in zip(numbers, positions, strict=True)])
        labels = torch.from_numpy(self.data.train.labels[numbers])
        targets = soft_targets(labels, self.data.classes, config.smoothing)
        seed = seed_of("mix", config.seed, step, micro)
        pixels, targets = mix(pixels, targets, config.mixup, config.cutmix, seed)
        return {"pixels": pixels, "targets": targets}

    def held_out_batches(self, split: str) -> int:
        """How many batches the validation or the test takes; the last may be smaller."""
        return -(-len(self._images(split).labels) // EVAL_BATCH)

    def held_out(self, split: str, number: int) -> Batch:
        """Batch `number` of the validation or the test."""
        whole = self._images(split)
        labels = whole.labels[number * EVAL_BATCH : (number + 1) * EVAL_BATCH]
        images = [whole.image(number * EVAL_BATCH + k) for k in range(len(labels))]
        if self.data.size is None:
            images = [center_crop(image, self.config.image_size) for image in images]
        return {"pixels": torch.stack([self._tensor(i) for i in images]), "labels": torch.from_numpy(labels)}

    def _images(self, split: str) -> Images:
        images: Images = getattr(self.data, split)
        return images

    def _number(self, position: int) -> int:
        epoch, place = divmod(position, len(self.data.train.labels))
        return int(_order(self.config.seed, epoch, len(self.data.train.labels))[place])

    def _augmented(self, number: int, position: int) -> Tensor:
        config = self.config
        random = Random(seed_of("augment", config.seed, position))
        image = self.data.train.image(number)
        if config.resize == "random-crop":
            image = random_resized_crop(image, config.image_size, random)
        else:
            if image.size != (config.image_size, config.image_size):
                image = center_crop(image, config.image_size, share=1.0)
            image = pad_crop(image, random)
        if config.flip and random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if config.rand_augment:
            image = rand_augment(image, config.rand_augment, random)
        return erase(self._tensor(image), config.erasing, random)

    def _tensor(self, image: Image.Image) -> Tensor:
        mean, std = (torch.tensor(v, dtype=torch.float32)[:, None, None] for v in (self.data.mean, self.data.std))
        pixels = torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).float()
        return (pixels / 255 - mean) / std


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, length: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed_of("order", seed, epoch))).permutation(length)
