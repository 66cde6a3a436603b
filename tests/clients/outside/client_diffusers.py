"""diffusers: a U-Net and a transformer; what is called as a function is named; save_pretrained and its limits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from client_round_trip import SPEC, fresh, keep, kept, trained
from diffusers import UNet2DConditionModel

from learnact import swap

SHAPE = {
    "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 8,
    "attention_head_dim": 4, "norm_num_groups": 4, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
LOADED = """
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from client_diffusers import SPEC, batch, build, sample
from client_round_trip import keep, kept
from learnact import swap
folder = Path(sys.argv[1])
model = build()
swap(model, SPEC)
model.load_state_dict(kept(folder / "trained.safetensors"))
keep(folder / "found.safetensors", {"sample": sample(model)})
"""


def build() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**SHAPE)


def batch() -> tuple[torch.Tensor, int, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 4, 8, 8, generator=generator), 3, torch.randn(2, 5, 8, generator=generator)


def sample(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(*batch()).sample


def test_a_unet_trains_and_its_geglu_is_named(tmp_path: Path) -> None:
    model = build()
    with pytest.warns(UserWarning, match=r"ff\.net\.0 \(GEGLU: F\.gelu"):
        paths = trained(model, batch(), lambda: model(*batch()).sample.square().mean())
    assert any(path.endswith("nonlinearity") for path in paths)
    keep(tmp_path / "trained.safetensors", model.state_dict())
    fresh(LOADED, tmp_path, Path(__file__).parent)
    assert kept(tmp_path / "found.safetensors")["sample"].equal(sample(model))


def test_swapping_one_model_leaves_its_configuration() -> None:
    model = build()
    swap(model, SPEC)
    assert model.config.act_fn == "silu"  # diffusers' configurations are frozen: keep the state_dict
