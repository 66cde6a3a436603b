"""peft: LoRA on the matrices, activations in `modules_to_save`; adapters loaded in a fresh process, merged and not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from client_architectures import batch, build
from client_round_trip import fresh, kept, output
from peft import LoraConfig, get_peft_model

from learnact import activation_parameters, calibrate, parameter_groups, swap

LOADED = """
from client_architectures import CONFIGS, batch
from client_round_trip import keep, output
from peft import PeftModel
import learnact.transformers
base = CONFIGS[sys.argv[3]][0].from_pretrained(sys.argv[1])
model = PeftModel.from_pretrained(base, f"{sys.argv[1]}/adapter")
adapted = output(model, batch(sys.argv[3]))
keep(sys.argv[2], {"adapted": adapted, "merged": output(model.merge_and_unload(), batch(sys.argv[3]))})
"""
MERGED = 1e-5
"""Largest difference that a merge may make: W x + B A x against (W + B A) x, in float32 numbers of size 1."""


@pytest.mark.parametrize(("name", "target", "act"), [("gpt2", "c_attn", "act"), ("llama", "q_proj", "act_fn")])
def test_lora_trains_and_saves_the_activations(name: str, target: str, act: str, tmp_path: Path) -> None:
    model, given = build(name), batch(name)
    calibrate(swap(model, "hermite:3", run=given), given)
    model.save_pretrained(tmp_path)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=[target], modules_to_save=[act]))
    trained = [p for p in activation_parameters(adapted) if p.requires_grad]
    assert len(trained) == 2
    before = [p.detach().clone() for p in trained]
    groups = parameter_groups(adapted.train(), lr=1e-2, weight_decay=0.1)
    assert [g["lr"] for g in groups] == [1e-2, 5e-2]  # matrices of the adapters, and activations
    optimizer = torch.optim.AdamW(groups)
    for _ in range(2):
        optimizer.zero_grad()
        adapted(**given).logits.square().mean().backward()
        optimizer.step()
    assert all(not p.equal(b) for p, b in zip(trained, before, strict=True))
    expected = output(adapted, given)
    adapted.save_pretrained(tmp_path / "adapter")
    fresh(LOADED, tmp_path, tmp_path / "found.safetensors", name)
    found = kept(tmp_path / "found.safetensors")
    assert found["adapted"].equal(expected)
    torch.testing.assert_close(found["merged"], expected, atol=MERGED, rtol=0)
