"""Labelled images from a folder, CIFAR-10's binary files, a hub data set, or scikit-learn's digits."""

from __future__ import annotations

import hashlib
import os
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
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}  # in any case
HELD_OUT_FOLDERS = ("val", "validation", "test")


class Images(Protocol):
    """Numbered images with labels."""

    @property
    def labels(self) -> np.ndarray:
        """int64, one per image."""

    def image(self, number: int) -> Image.Image:
        """RGB, of any size unless `size` says one."""


@dataclass(frozen=True)
class ImageData:
    """The three splits, the number of classes, and how pixels are normalized."""

    name: str
    train: Images
    validation: Images
    test: Images
    classes: int
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    size: int | None  # height and width if all have the same, else None
    digest: str
    left: int = 0  # files that are no images by their endings


@dataclass(frozen=True)
class InMemory:
    """uint8 pixels of shape (n, height, width, 3)."""

    pixels: np.ndarray
    labels: np.ndarray

    def image(self, number: int) -> Image.Image:
        return Image.fromarray(self.pixels[number])


@dataclass(frozen=True)
class InFiles:
    """One file per image, decoded when asked for.

    Their names are one array of bytes, below the folder: a million Path objects take ten times as much memory, which
    every worker process would copy in counting references.
    """

    root: Path
    names: np.ndarray
    labels: np.ndarray

    def path(self, number: int) -> Path:
        """Of image `number`."""
        return self.root / os.fsdecode(bytes(self.names[number]))

    def image(self, number: int) -> Image.Image:
        try:
            return Image.open(self.path(number)).convert("RGB")
        except Exception as err:  # Pillow raises what its decoders raise
            raise BadData(f"{self.path(number)} cannot be decoded as an image: {err}") from err


@dataclass(frozen=True)
class Part:
    """Some of the images."""

    whole: Images
    numbers: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        labels: np.ndarray = self.whole.labels[self.numbers]
        return labels

    def image(self, number: int) -> Image.Image:
        return self.whole.image(int(self.numbers[number]))


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


def halves(held_out: Images) -> tuple[Part, Part]:
    """Held-out images as validation and test, drawn once for all. Raises BadData for a single image."""
    count = len(held_out.labels)
    if count < 2:
        raise BadData(f"validation and test need an image each, found {count} held out; give more")
    order = np.random.Generator(np.random.PCG64(0)).permutation(count)
    first, second = np.split(order, [count // 2])
    return Part(held_out, np.sort(first)), Part(held_out, np.sort(second))


def _in_memory(name: str, train: InMemory, held_out: InMemory, classes: int) -> ImageData:
    digest = hashlib.sha256()
    for part in (train, held_out):
        digest.update(part.pixels.tobytes())
        digest.update(part.labels.tobytes())
    mean, std = _mean_and_std(train.pixels)
    return ImageData(name, train, *halves(held_out), classes, mean, std, train.pixels.shape[1], digest.hexdigest())


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
    """Train, and what is held out: `val` and `test` where both are there, else a half of either for each."""
    if not (root / "train").is_dir():
        raise BadData(f"{root} has no folder train; the layout is train/CLASS/IMAGE and val/CLASS/IMAGE")
    there = [name for name in HELD_OUT_FOLDERS if _classes(root / name)]
    if not there:
        raise BadData(
            f"{root} has no folder {' or '.join(HELD_OUT_FOLDERS)} with a folder for each class; the layout is "
            "train/CLASS/IMAGE and val/CLASS/IMAGE"
        )
    classes = _classes(root / "train")
    held = [there[0], *(name for name in there[1:] if name == "test")]
    splits, left = {}, 0
    for name in ("train", *held):
        if name != "train" and (root / name).resolve() == (root / "train").resolve():
            raise BadData(f"{root / name} is the folder train; held-out images must be others")
        if (found := _classes(root / name)) != classes:
            odd = sorted(set(found) ^ set(classes))
            raise BadData(f"{root / name} has other classes than train: {', '.join(odd[:5])}")
        splits[name], passed = _images(root, name, classes)
        left += passed
    train, validation = splits["train"], splits[held[0]]
    parts: tuple[Images, Images] = (validation, splits["test"]) if len(held) == 2 else halves(validation)
    listing = "\n".join(
        f"{path} {path.stat().st_size}" for s in splits.values() for path in map(s.path, range(len(s.labels)))
    )
    digest = hashlib.sha256(listing.encode()).hexdigest()  # of names and sizes: ImageNet's 140 GB are not read for it
    return ImageData(str(root), train, *parts, len(classes), IMAGENET_MEAN, IMAGENET_STD, None, digest, left)


def _classes(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _images(root: Path, split: str, classes: Sequence[str]) -> tuple[InFiles, int]:
    """The images of a split, and how many other files lie among them."""
    names: list[bytes] = []
    labels: list[int] = []
    left = 0
    for k, name in enumerate(classes):
        files = sorted((root / split / name).iterdir())
        taken = [os.fsencode(f"{split}/{name}/{p.name}") for p in files if p.suffix.casefold() in SUFFIXES]
        if not taken and split == "train":
            empty = f"{root / split} holds no image of {name}"
            raise BadData(f"{empty}; images end in {', '.join(sorted(SUFFIXES))}; remove the class or give it images")
        names += taken
        labels += [k] * len(taken)
        left += len(files) - len(taken)
    if not names:
        raise BadData(f"{root / split} holds no images; they end in {', '.join(sorted(SUFFIXES))}")
    return InFiles(root, np.array(names), np.array(labels, dtype=np.int64)), left


def _hub(name: str, image: str = "image", label: str = "label") -> ImageData:
    """Train, and what is held out: a split for validation and a labelled test where both are there, else halves."""
    from datasets import load_dataset  # noqa: PLC0415

    try:
        found = load_dataset(name)
        held = [next(s for s in ("validation", "val", "test") if s in found)]
        held += [s for s in ("test",) if s in found and s not in held and min(found[s][label]) >= 0]
        train, *others = [
            InTable(f"{HUB}{name}:{s}", found[s], image, np.asarray(found[s][label], dtype=np.int64))
            for s in ("train", *held)
        ]
    except StopIteration:
        raise BadData(f"{HUB}{name} has splits {', '.join(found)}; it needs train, and validation or test") from None
    except Exception as err:  # datasets raises what its builders and the network raise
        raise BadData(f"{HUB}{name} cannot be read: {' '.join(str(err).split())[:200]}") from err
    parts: tuple[Images, ...] = tuple(others) if len(others) == 2 else halves(others[0])
    classes = int(max(table.labels.max() for table in (train, *others))) + 1
    prints = "".join(found[s]._fingerprint for s in ("train", *held))
    return ImageData(HUB + name, train, parts[0], parts[1], classes, IMAGENET_MEAN, IMAGENET_STD, None, prints)
