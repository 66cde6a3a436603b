"""Images from every kind of place, augmented by number, mixed, and counted."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from learnact.training.config import Convnext
from learnact.training.data.augment import OPERATIONS, center_crop, erase, pad_crop, rand_augment, random_resized_crop
from learnact.training.data.images import InFiles, Part, open_images
from learnact.training.data.mix import mix, soft_targets
from learnact.training.data.pictures import Pictures
from learnact.training.errors import BadData
from learnact.training.run.evaluate import evaluate
from learnact.training.run.presets import configure

ROUNDING = 1e-6
"""Targets are sums of a few float32 numbers below one."""


def config(**changes: object) -> Convnext:
    found = configure("convnext", "micro", {"batch": 32, "micro_batch": 16, **changes})
    assert isinstance(found, Convnext)
    return found


def write_cifar(folder: Path, per_file: int = 4) -> np.ndarray:
    """Six files of noise; the rows of the first."""
    draw = np.random.Generator(np.random.PCG64(0))
    first = None
    for name in (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"):
        rows = draw.integers(0, 256, (per_file, 3073), dtype=np.uint8)
        rows[:, 0] %= 10
        rows.tofile(folder / name)
        first = rows if first is None else first
    return first


def write_folder(root: Path, size: tuple[int, int] = (40, 30)) -> None:
    for split in ("train", "val"):
        for color, name in enumerate(("ant", "bee")):
            (root / split / name).mkdir(parents=True)
            for k in range(3):
                Image.new("RGB", size, (color * 200, 20 * k, 0)).save(root / split / name / f"{k}.png")


def test_cifar_files_are_read_pixel_by_pixel(tmp_path: Path) -> None:
    rows = write_cifar(tmp_path)
    data = open_images(str(tmp_path), 32)
    assert [len(part.labels) for part in (data.train, data.validation, data.test)] == [20, 2, 2]
    assert data.classes == 10
    assert data.train.labels[:4].tolist() == rows[:, 0].tolist()
    pixels = np.asarray(data.train.image(2))
    assert pixels[5, 7].tolist() == [rows[2, 1 + c * 1024 + 5 * 32 + 7] for c in range(3)]
    every = np.stack([np.asarray(data.train.image(k)) for k in range(20)]) / 255
    assert data.mean == pytest.approx(every.mean((0, 1, 2)))
    assert data.std == pytest.approx(every.std((0, 1, 2)))


def test_damaged_cifar_files_are_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(b"\x01" * 5000)
    with pytest.raises(BadData, match="no whole number of records"):
        open_images(str(tmp_path), 32)
    (tmp_path / "data_batch_3.bin").write_bytes(b"\x0b" * 3073)
    with pytest.raises(BadData, match="label 11"):
        open_images(str(tmp_path), 32)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(BadData, match="six files"):
        open_images(str(tmp_path), 32)


def test_images_of_another_size_are_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    with pytest.raises(BadData, match="--image-size 32"):
        open_images(str(tmp_path), 64)
    with pytest.raises(BadData, match="multiple of 8"):
        open_images("digits", 12)


def test_a_folder_of_classes(tmp_path: Path) -> None:
    write_folder(tmp_path)
    data = open_images(str(tmp_path), 16)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.asarray(data.train.image(4))[0, 0].tolist() == [200, 20, 0]
    batches = Pictures(data, config(image_size=16, patch=1, resize="random-crop"))
    assert batches.batch(0, 0)["pixels"].shape == (16, 3, 16, 16)
    assert batches.held_out("validation", 0)["pixels"].shape == (3, 3, 16, 16)
    assert batches.held_out("test", 0)["pixels"].shape == (3, 3, 16, 16)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40), "truncated"])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes | str) -> None:
    write_folder(tmp_path)
    data = open_images(str(tmp_path), 16)
    damaged = tmp_path / "train/bee/0.png"
    damaged.write_bytes(content if isinstance(content, bytes) else damaged.read_bytes()[:-30])
    with pytest.raises(BadData, match=f"{damaged} cannot be decoded as an image"):
        data.train.image(3)


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no images at"):
        open_images(str(tmp_path / "none"), 32)
    with pytest.raises(BadData, match="no folder train"):
        open_images(str(tmp_path), 32)
    write_folder(tmp_path)
    (tmp_path / "val" / "bee").rename(tmp_path / "val" / "wasp")
    with pytest.raises(BadData, match="bee, wasp"):
        open_images(str(tmp_path), 32)
    (tmp_path / "val" / "wasp").rename(tmp_path / "val" / "bee")
    (tmp_path / "train" / "ant" / "0.png").write_bytes(b"no picture")
    with pytest.raises(BadData, match=r"0\.png cannot be decoded"):
        open_images(str(tmp_path), 16).train.image(0)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order() -> None:
    pictures = Pictures(open_images("digits", 8), config())
    count = len(pictures.data.train.labels)
    epochs = [[pictures._number(e * count + k) for k in range(count)] for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(count))
    assert epochs[0] != epochs[1]


def test_a_batch_is_told_by_its_number_alone() -> None:
    strong = config(rand_augment=9, erasing=0.5, mixup=0.8, cutmix=1.0, flip=True)
    pictures = Pictures(open_images("digits", 8), strong)
    first = pictures.batch(2, 1)
    pictures.batch(0, 0)
    again = Pictures(open_images("digits", 8), strong).batch(2, 1)
    assert all(first[k].equal(again[k]) for k in first)
    assert not first["pixels"].equal(pictures.batch(2, 0)["pixels"])
    assert not first["pixels"].equal(Pictures(pictures.data, replace(strong, seed=1)).batch(2, 1)["pixels"])


def test_training_pixels_are_normalized_and_validation_is_plain() -> None:
    pictures = Pictures(open_images("digits", 8), config())
    plain = torch.cat(
        [pictures.held_out("validation", k)["pixels"] for k in range(pictures.held_out_batches("validation"))]
    )
    assert len(plain) == len(pictures.data.validation.labels)
    assert plain.mean().abs() < 0.1  # the held-out tenth is not quite the mean of the rest
    assert plain.std() == pytest.approx(1, abs=0.1)
    assert pictures.held_out("test", 0)["pixels"].equal(pictures.held_out("test", 0)["pixels"])


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_keeps_the_size_and_does_something(name: str) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).integers(60, 190, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    changed = OPERATIONS[name](image, 0.9, 1.0)
    assert changed.size == image.size
    assert changed.mode == "RGB"
    assert not np.array_equal(np.asarray(changed), noise)


def test_rand_augment_and_crops_depend_on_their_random_numbers_alone() -> None:
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    for change in (
        lambda random: rand_augment(image, 9, random),
        lambda random: random_resized_crop(image, 8, random),
        lambda random: pad_crop(image, random),
    ):
        drawn = [np.asarray(change(Random(seed))) for seed in (0, 0, 1, 2, 3)]
        assert np.array_equal(drawn[0], drawn[1])
        assert any(not np.array_equal(drawn[0], other) for other in drawn[2:])
    assert center_crop(image, 8).size == random_resized_crop(image, 8, Random(0)).size == (8, 8)


def test_erasing_leaves_a_rectangle_of_noise() -> None:
    pixels = torch.zeros(3, 32, 32)
    erased = erase(pixels, 1.0, Random(0))
    changed = (erased != 0).all(0)
    rows, columns = changed.any(1).sum(), changed.any(0).sum()
    assert changed.sum() == rows * columns
    assert 0.01 < changed.float().mean() < 0.4
    assert erase(pixels, 0.0, Random(0)).equal(pixels)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_mixed_targets_are_the_shares_of_the_pixels(mixup: float, cutmix: float) -> None:
    labels = torch.arange(4)
    pixels = labels[:, None, None, None].float().expand(4, 3, 16, 16)
    for seed in range(10):
        mixed, targets = mix(pixels, soft_targets(labels, 4, 0.0), mixup, cutmix, seed)
        expected = targets @ labels.float()  # each image is its label: the mean of pixels is that of labels
        assert mixed.mean((1, 2, 3)) == pytest.approx(expected, abs=ROUNDING * 10)
        assert targets.sum(1) == pytest.approx(torch.ones(4), abs=ROUNDING)


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    target = soft_targets(torch.tensor([1]), 4, 0.1)
    assert target[0].tolist() == pytest.approx([0.025, 0.925, 0.025, 0.025], abs=ROUNDING)


def test_validation_and_test_share_no_image_and_are_drawn_once_for_all() -> None:
    data, again = open_images("digits", 8), open_images("digits", 8)
    assert isinstance(data.validation, Part)
    assert isinstance(data.test, Part)
    assert set(data.validation.numbers).isdisjoint(data.test.numbers)
    assert len(data.validation.labels) + len(data.test.labels) == len(data.validation.whole.labels)
    assert np.array_equal(data.validation.labels, again.validation.labels)
    image = data.test.whole.image(int(data.test.numbers[3]))
    assert np.array_equal(np.asarray(data.test.image(3)), np.asarray(image))


def test_a_folder_with_validation_and_test_has_them_as_they_are(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for name in ("ant", "bee"):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.new("RGB", (20, 20), (9, 9, 9)).save(tmp_path / "test" / name / "0.PNG")
        (tmp_path / "test" / name / "notes.txt").write_text("of the photographer")
    data = open_images(str(tmp_path), 16)
    assert [len(part.labels) for part in (data.train, data.validation, data.test)] == [6, 6, 2]
    assert np.asarray(data.test.image(1))[0, 0].tolist() == [9, 9, 9]
    assert data.left == 2


def test_images_that_are_trained_on_are_not_held_out(tmp_path: Path) -> None:
    write_folder(tmp_path)
    shutil.rmtree(tmp_path / "val")
    (tmp_path / "val").symlink_to(tmp_path / "train")
    with pytest.raises(BadData, match=r"val is the folder train"):
        open_images(str(tmp_path), 16)


def test_names_of_many_images_are_one_array(tmp_path: Path) -> None:
    write_folder(tmp_path)
    train = open_images(str(tmp_path), 16).train
    assert isinstance(train, InFiles)
    assert train.names.dtype.kind == "S"
    assert train.path(4) == tmp_path / "train/bee/1.png"


@pytest.mark.parametrize("workers", [0, 2])
def test_held_out_images_are_decoded_by_workers(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch tells by which process it was made."""
    batches = SimpleNamespace(
        held_out_batches=lambda split: 5,
        held_out=lambda split, number: {"pid": torch.tensor(os.getpid()), "number": torch.tensor(number)},
    )
    seen: list[dict[str, torch.Tensor]] = []
    task = SimpleNamespace(
        batches=batches,
        config=SimpleNamespace(workers=workers),
        score=lambda model, batch: (seen.append(batch), (1, {"loss": float(batch["number"])}))[1],
    )
    assert evaluate(task, torch.nn.Linear(1, 1), Accelerator(cpu=True), split="test") == {"loss": 2.0}  # type: ignore[arg-type]
    assert [int(batch["number"]) for batch in seen] == list(range(5))
    assert (os.getpid() in {int(batch["pid"]) for batch in seen}) is (workers == 0)
