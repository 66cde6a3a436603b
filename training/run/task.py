"""What language modelling and image classification do not share: model, loss, scores and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from learnact.training.config import Config, Convnext, Gpt2
from learnact.training.data.images import DIGITS, open_images
from learnact.training.data.pictures import Pictures
from learnact.training.data.tokenizer import BYTES
from learnact.training.data.tokens import account, open_text
from learnact.training.data.windows import Batch, Windows
from learnact.training.model.models import build_convnext, build_gpt2


@dataclass(frozen=True)
class Places:
    """Where the data is, as it was asked for; nothing given means what comes with Python or scikit-learn."""

    data: Sequence[str] = ()
    validation: Sequence[str] = ()  # of texts
    tokenizer: str = BYTES


class Batches(Protocol):
    """Numbered batches; equal numbers, equal batches, whichever process asks."""

    def batch(self, step: int, micro: int) -> Batch:
        """Training micro-batch `micro` of `step`."""

    def held_out_batches(self, split: str) -> int:
        """How many there are for the validation or the test."""

    def held_out(self, split: str, number: int) -> Batch:
        """Batch `number` of the validation or the test."""


class Task(Protocol):
    """One experiment on one data set."""

    @property
    def config(self) -> Config:
        """What it was opened with."""

    @property
    def batches(self) -> Batches:
        """Of all splits."""

    @property
    def unit(self) -> str:
        """Of the loss."""

    @property
    def counted(self) -> str:
        """What a throughput counts: tokens or images."""

    @property
    def per_sample(self) -> int:
        """How many of them a sample is."""

    @property
    def data(self) -> dict[str, Any]:
        """What the data is, with digests."""

    @property
    def places(self) -> Places:
        """Where it was found."""

    @property
    def account(self) -> list[str]:
        """What of it was taken and what was left, to be said."""

    def build(self) -> nn.Module:
        """The model with the seed's first weights and GELU in every place."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean training loss of a micro-batch."""

    def score(self, model: nn.Module, batch: Batch) -> tuple[int, dict[str, float]]:
        """Size of a held-out batch and the sums of its scores, `loss` among them."""


@dataclass(frozen=True)
class LanguageModelling:
    """Predict each token from those before it; the loss is cross-entropy in nats per token."""

    config: Gpt2
    batches: Windows
    vocabulary: int
    data: dict[str, Any]
    places: Places
    unit: str = "nats per token"
    counted: str = "tokens"

    @property
    def per_sample(self) -> int:
        return self.config.context

    @property
    def account(self) -> list[str]:
        return account(self.data)

    def build(self) -> nn.Module:
        return build_gpt2(self.config, self.vocabulary, self.vocabulary - 1)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        tokens = batch["tokens"]
        logits = model(input_ids=tokens[:, :-1]).logits
        return functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    def score(self, model: nn.Module, batch: Batch) -> tuple[int, dict[str, float]]:
        size = len(batch["tokens"])
        return size, {"loss": self.loss(model, batch).item() * size}


@dataclass(frozen=True)
class ImageClassification:
    """Name the class of an image; training targets are soft, scores count the first and the first five."""

    config: Convnext
    batches: Pictures
    classes: int
    data: dict[str, Any]
    places: Places
    unit: str = "nats per image"
    counted: str = "images"
    per_sample: int = 1

    @property
    def account(self) -> list[str]:
        train, validation, test = self.data["images"]
        left = f"; left: {self.data['left']:,} files that are no images by their endings" if self.data["left"] else ""
        return [f"{train:,} images to train on, {validation:,} to validate on, {test:,} to test on{left}"]

    def build(self) -> nn.Module:
        return build_convnext(self.config, self.classes)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits = model(pixel_values=batch["pixels"]).logits
        return functional.cross_entropy(logits.float(), batch["targets"])

    def score(self, model: nn.Module, batch: Batch) -> tuple[int, dict[str, float]]:
        logits, labels = model(pixel_values=batch["pixels"]).logits.float(), batch["labels"]
        best = logits.topk(min(5, self.classes)).indices == labels[:, None]
        sums = {
            "loss": functional.cross_entropy(logits, labels, reduction="sum"),
            "accuracy": best[:, 0].sum(),
            "accuracy_5": best.any(1).sum(),
        }
        return len(labels), {name: value.item() for name, value in sums.items()}


def open_task(config: Config, places: Places) -> Task:
    """The task of a configuration on texts or on an image data set. Raises BadData."""
    if isinstance(config, Gpt2):
        tokens = open_text(places.data, places.validation, places.tokenizer)
        windows = Windows(tokens, config.context, config.micro_batch, config.eval_windows, config.seed)
        return LanguageModelling(config, windows, tokens.vocabulary, tokens.record, places)
    assert isinstance(config, Convnext)
    images = open_images(places.data[0] if places.data else DIGITS, config.image_size)
    about = {
        "name": images.name,
        "digest": images.digest,
        "images": [len(part.labels) for part in (images.train, images.validation, images.test)],
        "left": images.left,
    }
    return ImageClassification(config, Pictures(images, config), images.classes, about, places)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on another device."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
