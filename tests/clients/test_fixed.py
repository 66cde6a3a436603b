"""Activations without parameters in transformers' models: the name in the configuration builds them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import learnact.transformers  # noqa: F401  (makes the names known)
from learnact import swap

FRESH = """
import sys
import torch
from transformers import GPT2LMHeadModel
import learnact.transformers
model = GPT2LMHeadModel.from_pretrained(sys.argv[1]).eval()
print(type(model.transformer.h[0].mlp.act).__name__, model(torch.arange(8)[None]).logits.sum().item())
"""


@pytest.mark.parametrize(("spec", "cls"), [("mish", "Mish"), ("leaky_relu2", "LeakyRelu2"), ("gelu", "Gelu")])
def test_saved_and_loaded_in_a_fresh_process_it_is_the_same_function(spec: str, cls: str, tmp_path: Path) -> None:
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 32, "n_positions": 8}
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    tokens = torch.arange(8)[None]
    swap(model, spec, run={"input_ids": tokens})
    assert model.config.activation_function == f"learnact.transformers:{spec}"
    model.save_pretrained(tmp_path)
    done = subprocess.run([sys.executable, "-c", FRESH, tmp_path], capture_output=True, text=True, check=True)
    name, total = done.stdout.split()
    assert name == cls
    assert float(total) == pytest.approx(model(tokens).logits.sum().item(), rel=1e-5)
