"""Labelled images from a folder, CIFAR-10's binary files, a hub data set, or scikit-learn's digits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from learnact.training.data.sources import HUB
from learnact.training.errors import BadData

DIGITS = "digits"
HELD_OUT = 0.2
"""Share of the digits, drawn once for all, that is validation."""
CIFAR_TRAIN = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
CIFAR_TEST = "test_batch.bin"
CIFAR_CLASSES = 10
CIFAR_SIZE = 32
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".JPEG", ".JPG", ".PNG"}


class Images(Protocol):
    """Numbered images with labels."""

    @property
    def labels(self) -> np.ndarray:
        """int64, one per image."""

    def image(self, number: int) -> Image.Image:
        """RGB, of any size unless `size` says one."""


@dataclass(frozen=True)
class ImageData:
    """Both splits, the names of the classes, and how pixels are normalized."""

    name: str
    train: Images
    validation: Images
    classes: int
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    size: int | None  # height and width if all have the same, else None
    digest: str


@dataclass(frozen=True)
class InMemory:
    """uint8 pixels of shape (n, height, width, 3)."""

    pixels: np.ndarray
    labels: np.ndarray

    def image(self, number: int) -> Image.Image:
        return Image.fromarray(self.pixels[number])


@dataclass(frozen=True)
class InFiles:
    """One file per image, decoded when asked for."""

    paths: Sequence[Path]
    labels: np.ndarray

    def image(self, number: int) -> Image.Image:
        try:
            return Image.open(self.paths[number]).convert("RGB")
        except Exception as err:  # Pillow raises what its decoders raise
            raise BadData(f"{self.paths[number]} cannot be decoded as an image: {err}") from err


@dataclass(frozen=True)
class InTable:
    """A split of a hub data set."""

    name: str
    rows: Any
    column: str
    labels: np.ndarray

    def image(self, number: int) -> Image.Image:
        try:
            image: Image.Image = self.rows[number][self.column].convert("RGB")
        except Exception as err:  # datasets decodes by Pillow
            raise BadData(f"row {number} of {self.name} cannot be decoded as an image: {err}") from err
        return image


def open_images(name: str, size: int) -> ImageData:
    """`digits`; a folder with CIFAR-10's binary files, or with train/CLASS/ and val/CLASS/; `hub:NAME[:IMAGE[:LABEL]]`.

    Raises BadData, also where all images have one size and it is not `size`.
    """
    if name == DIGITS:
        data = _digits(size)
    elif name.startswith(HUB):
        data = _hub(*name.removeprefix(HUB).split(":"))
    else:
        path = Path(name)
        if not path.is_dir():
            raise BadData(f"there are no images at {name}; give a folder, {HUB}NAME, or {DIGITS}")
        cifar = next((p for p in (path, path / "cifar-10-batches-bin") if (p / CIFAR_TEST).is_file()), None)
        data = _cifar(cifar) if cifar else _folder(path)
    if data.size not in {None, size}:
        raise BadData(
            f"{name} has images of {data.size}x{data.size} pixels, asked are {size}; use --image-size {data.size}"
        )
    return data


def _in_memory(name: str, train: InMemory, validation: InMemory, classes: int) -> ImageData:
    digest = hashlib.sha256()
    for part in (train, validation):
        digest.update(part.pixels.tobytes())
        digest.update(part.labels.tobytes())
    mean, std = _mean_and_std(train.pixels)
    return ImageData(name, train, validation, classes, mean, std, train.pixels.shape[1], digest.hexdigest())


def _mean_and_std(pixels: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per channel, from counts of the 256 levels: no copy of the pixels as floating-point numbers."""
    levels = np.arange(256) / 255
    shares = [np.bincount(pixels[..., c].ravel(), minlength=256) / pixels[..., c].size for c in range(3)]
    means = [float(share @ levels) for share in shares]
    deviations = [float(np.sqrt(share @ (levels - m) ** 2)) for share, m in zip(shares, means, strict=True)]
    return tuple(means), tuple(deviations)


def _digits(size: int) -> ImageData:
    from sklearn.datasets import load_digits  # noqa: PLC0415

    if size % 8:
        raise BadData(f"digits have 8x8 pixels and are enlarged by whole factors; {size} is no multiple of 8")
    found = load_digits()
    gray = np.rint(found.images * (255 / 16)).astype(np.uint8).repeat(size // 8, 1).repeat(size // 8, 2)
    pixels = np.repeat(gray[..., None], 3, axis=3)
    labels = found.target.astype(np.int64)
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    held, kept = np.split(order, [int(HELD_OUT * len(order))])
    return _in_memory(DIGITS, InMemory(pixels[kept], labels[kept]), InMemory(pixels[held], labels[held]), 10)


def _cifar(folder: Path) -> ImageData:
    train = [_cifar_file(folder / name) for name in CIFAR_TRAIN]
    joined = InMemory(np.concatenate([p.pixels for p in train]), np.concatenate([p.labels for p in train]))
    return _in_memory(str(folder), joined, _cifar_file(folder / CIFAR_TEST), CIFAR_CLASSES)


def _cifar_file(path: Path) -> InMemory:
    """Records of one label byte and 3 x 32 x 32 pixels."""
    record = 1 + 3 * CIFAR_SIZE**2
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as err:
        raise BadData(f"cannot read {path}: {err.strerror}; CIFAR-10's binary version has six files") from err
    if not len(content) or len(content) % record:
        raise BadData(f"{path} has {len(content)} bytes, which is no whole number of records of {record}")
    rows = content.reshape(-1, record)
    if rows[:, 0].max() >= CIFAR_CLASSES:
        raise BadData(f"{path} has label {rows[:, 0].max()}; CIFAR-10's are below {CIFAR_CLASSES}")
    pixels = rows[:, 1:].reshape(-1, 3, CIFAR_SIZE, CIFAR_SIZE).transpose(0, 2, 3, 1)
    return InMemory(np.ascontiguousarray(pixels), rows[:, 0].astype(np.int64))


def _folder(root: Path) -> ImageData:
    splits = {}
    classes: list[str] = []
    for split, names in (("train", ("train",)), ("validation", ("val", "validation", "test"))):
        folder = next((root / n for n in names if (root / n).is_dir()), None)
        if folder is None:
            raise BadData(
                f"{root} has no folder {' or '.join(names)}; the layout is train/CLASS/IMAGE and val/CLASS/IMAGE"
            )
        found = sorted(p.name for p in folder.iterdir() if p.is_dir())
        classes = classes or found
        if found != classes:
            odd = sorted(set(found) ^ set(classes))
            raise BadData(f"{folder} has other classes than train: {', '.join(odd[:5])}")
        pairs = [(p, k) for k, c in enumerate(classes) for p in sorted((folder / c).iterdir()) if p.suffix in SUFFIXES]
        if not pairs:
            raise BadData(f"{folder} holds no images; they end in {', '.join(sorted(SUFFIXES))}")
        empty = sorted(set(range(len(classes))) - {k for _, k in pairs})
        if empty and split == "train":
            raise BadData(
                f"{folder} holds no image of {', '.join(classes[k] for k in empty[:5])}; remove these classes"
            )
        splits[split] = InFiles([p for p, _ in pairs], np.array([k for _, k in pairs], dtype=np.int64))
    listing = "\n".join(f"{p} {p.stat().st_size}" for s in splits.values() for p in s.paths)
    digest = hashlib.sha256(listing.encode()).hexdigest()  # of names and sizes: ImageNet's 140 GB are not read for it
    return ImageData(
        str(root), splits["train"], splits["validation"], len(classes), IMAGENET_MEAN, IMAGENET_STD, None, digest
    )


def _hub(name: str, image: str = "image", label: str = "label") -> ImageData:
    from datasets import load_dataset  # noqa: PLC0415

    try:
        found = load_dataset(name)
        held = next(split for split in ("validation", "val", "test") if split in found)
        tables = [
            InTable(f"{HUB}{name}:{s}", found[s], image, np.asarray(found[s][label], dtype=np.int64))
            for s in ("train", held)
        ]
    except StopIteration:
        raise BadData(f"{HUB}{name} has splits {', '.join(found)}; it needs train, and validation or test") from None
    except Exception as err:  # datasets raises what its builders and the network raise
        raise BadData(f"{HUB}{name} cannot be read: {' '.join(str(err).split())[:200]}") from err
    train, validation = tables
    classes = int(max(train.labels.max(), validation.labels.max())) + 1
    prints = "".join(found[s]._fingerprint for s in ("train", held))
    return ImageData(HUB + name, train, validation, classes, IMAGENET_MEAN, IMAGENET_STD, None, prints)
