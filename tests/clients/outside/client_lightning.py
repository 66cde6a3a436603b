"""lightning: groups from configure_optimizers, a checkpoint loaded in a fresh process, training resumed."""

from __future__ import annotations

import logging
from pathlib import Path

import lightning
import torch
from client_models import batch
from client_round_trip import fresh, keep, kept, output
from lightning_module import Module
from torch.utils.data import DataLoader, TensorDataset

from learnact import activation_parameters

LOADED = """
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from client_models import batch
from client_round_trip import keep, output
from lightning_module import Module
model = Module.load_from_checkpoint(sys.argv[1], weights_only=True)
keep(Path(sys.argv[2]), {"logits": output(model, batch("timm"))})
"""


def trainer(folder: Path, steps: int) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return lightning.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, enable_checkpointing=True, log_every_n_steps=1,
    )  # fmt: skip


def data() -> DataLoader:
    return DataLoader(TensorDataset(batch("timm")), batch_size=2, num_workers=0)


def test_lightning_trains_saves_loads_and_resumes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Module()
    before = [p.detach().clone() for p in activation_parameters(model)]
    keep(tmp_path / "first.safetensors", model.state_dict())
    run = trainer(tmp_path, 2)
    run.fit(model, data())
    assert [g["lr"] for g in run.optimizers[0].param_groups] == [1e-3, 1e-3, 5e-3]
    assert all(not p.equal(b) for p, b in zip(activation_parameters(model), before, strict=True))
    run.save_checkpoint(tmp_path / "last.ckpt")
    fresh(LOADED, tmp_path / "last.ckpt", tmp_path / "found.safetensors", Path(__file__).parent)
    assert kept(tmp_path / "found.safetensors")["logits"].equal(output(model, batch("timm")))
    again = Module()
    trainer(tmp_path, 4).fit(again, data(), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert not output(again, batch("timm")).equal(output(model, batch("timm")))
