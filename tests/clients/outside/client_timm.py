"""timm: six architectures as they are, by state_dict in a fresh process; its optimizer factory takes our groups."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from client_round_trip import fresh, keep, kept, output, trained

from learnact import calibrate, parameter_groups, swap, swap_per_channel


class _Absent(types.ModuleType):
    """Stands for torchvision, of which timm needs the image transforms alone; its models do not."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        modes = "NEAREST BILINEAR BICUBIC BOX HAMMING LANCZOS".split()
        return type(name, (), {mode: mode for mode in modes})


def without_torchvision() -> None:
    """Let timm be imported where torchvision is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        names = ("torchvision", "transforms", "transforms.functional", "datasets", "ops", "ops.misc", "utils", "models")
        for name in (n if n == "torchvision" else f"torchvision.{n}" for n in names):
            sys.modules[name] = _Absent(name)
            sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
            parent, _, last = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], last, sys.modules[name])


without_torchvision()
import timm  # noqa: E402

SPEC = "tropical:3"
"""It grows like |x|. After two steps a batch norm's running moments are far from the batch's, and a cubic that was
calibrated behind the latter overflows in evaluation mode; GELU and ReLU do not."""

NAMES = {
    "resnet18": 224, "vit_tiny_patch16_224": 224, "convnext_atto": 64, "efficientnet_b0": 64,
    "mobilenetv3_small_050": 64, "mixer_s32_224": 224,
}  # fmt: skip
"""Architecture -> image size."""
LOADED = """
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from client_timm import SPEC, batch, model_of
from client_round_trip import keep, kept, output
from learnact import swap
name = sys.argv[1]
model = model_of(name)
swap(model, SPEC)
model.load_state_dict(kept(Path(sys.argv[2]) / "trained.safetensors"))
keep(Path(sys.argv[2]) / "found.safetensors", {"logits": output(model, batch(name))})
"""


def model_of(name: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=4)


def batch(name: str) -> torch.Tensor:
    return torch.randn(2, 3, NAMES[name], NAMES[name], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_models_of_timm(name: str, tmp_path: Path) -> None:
    model, x = model_of(name), batch(name)
    paths = trained(model, x, lambda: (model(x) - 1.0).square().mean(), SPEC)
    assert paths
    keep(tmp_path / "trained.safetensors", model.state_dict())
    fresh(LOADED, name, tmp_path, Path(__file__).parent)
    assert kept(tmp_path / "found.safetensors")["logits"].equal(output(model, x))


@pytest.mark.parametrize("name", NAMES)
def test_one_shape_per_channel(name: str) -> None:
    model, x = model_of(name), batch(name)
    calibrate(swap_per_channel(model, SPEC, x), x)
    assert output(model, x).isfinite().all()


def test_the_optimizer_factory_takes_groups() -> None:
    from timm.optim import create_optimizer_v2  # noqa: PLC0415

    model = model_of("convnext_atto")
    swap(model, SPEC)
    optimizer = create_optimizer_v2(parameter_groups(model, lr=1e-3, weight_decay=0.1), opt="adamw", lr=1e-3)
    assert [g["lr"] for g in optimizer.param_groups] == [1e-3, 1e-3, 5e-3]
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0.0, 0.0]
