"""Training loops of others: transformers' Trainer, accelerate; every group at its own rate, saved and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from client_architectures import batch, build
from client_round_trip import fresh, kept, output
from torch import nn
from transformers import Trainer, TrainingArguments

from learnact import activation_parameters, calibrate, parameter_groups, swap

LOADED = """
from client_architectures import CONFIGS, batch
from client_round_trip import keep, output
import learnact.transformers
keep(sys.argv[2], {"logits": output(CONFIGS["gpt2"][0].from_pretrained(sys.argv[1]), batch("gpt2"))})
"""
RATES, DECAYS = [1e-3, 1e-3, 5e-3], [0.1, 0.0, 0.0]


class OwnGroups(Trainer):
    """The way that works with every strategy of Trainer's, for it makes the optimizer when the model is ready."""

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            args = self.args
            groups = parameter_groups(model or self.model, lr=args.learning_rate, weight_decay=args.weight_decay)
            self.optimizer = torch.optim.AdamW(groups, betas=(args.adam_beta1, args.adam_beta2))
        return self.optimizer


def swapped() -> nn.Module:
    model = build("gpt2")
    calibrate(swap(model, "hermite:3", run=batch("gpt2")), batch("gpt2"), "balanced")
    return model


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    settings = {"learning_rate": 1e-3, "weight_decay": 0.1, "max_steps": 2, "per_device_train_batch_size": 2}
    quiet = {"report_to": [], "disable_tqdm": True, "save_steps": 1, "use_cpu": True, "lr_scheduler_type": "constant"}
    return TrainingArguments(str(folder), **{**settings, **quiet, **changes})


def rows() -> list[dict[str, torch.Tensor]]:
    return [{"input_ids": row, "labels": row} for row in batch("gpt2")["input_ids"]]


@pytest.mark.parametrize("way", ["optimizers", "create_optimizer"])
def test_trainer_trains_activations_at_their_rate_and_its_model_loads_elsewhere(way: str, tmp_path: Path) -> None:
    model = swapped()
    before = [p.detach().clone() for p in activation_parameters(model)]
    if way == "optimizers":
        optimizer = torch.optim.AdamW(parameter_groups(model, lr=1e-3, weight_decay=0.1))
        trainer = Trainer(model, arguments(tmp_path), train_dataset=rows(), optimizers=(optimizer, None))
    else:
        trainer = OwnGroups(model, arguments(tmp_path), train_dataset=rows())
    trainer.train()
    assert [g["lr"] for g in trainer.optimizer.param_groups] == RATES
    assert [g["weight_decay"] for g in trainer.optimizer.param_groups] == DECAYS
    assert all(not p.equal(b) for p, b in zip(activation_parameters(model), before, strict=True))
    trainer.save_model(str(tmp_path / "model"))
    if way == "optimizers":
        fresh(LOADED, tmp_path / "model", tmp_path / "logits.safetensors")
        assert kept(tmp_path / "logits.safetensors")["logits"].equal(output(model, batch("gpt2")))


def test_trainer_alone_would_decay_activations_and_take_one_rate(tmp_path: Path) -> None:
    trainer = Trainer(swapped(), arguments(tmp_path), train_dataset=rows())
    groups = trainer.create_optimizer().param_groups
    shapes = {id(p) for p in activation_parameters(trainer.model)}
    decays = {g["weight_decay"] for g in groups for p in g["params"] if id(p) in shapes}
    assert decays == {0.1}  # what parameter_groups is for


def test_trainer_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    whole, part = swapped(), swapped()
    OwnGroups(whole, arguments(tmp_path / "whole"), train_dataset=rows()).train()
    OwnGroups(part, arguments(tmp_path / "part", max_steps=1), train_dataset=rows()).train()
    again = swapped()
    OwnGroups(again, arguments(tmp_path / "part"), train_dataset=rows()).train(
        resume_from_checkpoint=str(tmp_path / "part/checkpoint-1")
    )
    assert all(a.equal(b) for a, b in zip(again.parameters(), whole.parameters(), strict=True))


def test_accelerate_trains_saves_and_loads(tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    model = swapped().train()
    made = torch.optim.AdamW(parameter_groups(model, lr=1e-3, weight_decay=0.1))
    schedule = torch.optim.lr_scheduler.LambdaLR(made, lambda step: 1.0 / (1 + step))
    model, optimizer, schedule = accelerator.prepare(model, made, schedule)
    for _ in range(2):
        accelerator.backward(model(**batch("gpt2")).logits.square().mean())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([rate / 3 for rate in RATES])
    accelerator.save_state(str(tmp_path / "state"))
    accelerator.save_model(model, str(tmp_path / "model"))
    expected = output(accelerator.unwrap_model(model), batch("gpt2"))
    other = swapped()
    other.load_state_dict(kept(tmp_path / "model/model.safetensors"), strict=False)  # the tied head is stored once
    other.tie_weights()
    assert output(other, batch("gpt2")).equal(expected)
    with torch.no_grad():
        for parameter in activation_parameters(model):
            parameter.zero_()
    accelerator.load_state(str(tmp_path / "state"))
    assert output(accelerator.unwrap_model(model), batch("gpt2")).equal(expected)
