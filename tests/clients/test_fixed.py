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
for folder in sys.argv[1:]:
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    print(type(model.transformer.h[0].mlp.act).__name__, model(torch.arange(8)[None]).logits.sum().item())
"""

CLASSES = {"mish": "Mish", "leaky_relu2": "LeakyRelu2", "gelu": "Gelu", "scaled_snake": "ScaledSnake"}


def test_saved_and_loaded_in_a_fresh_process_they_are_the_same_functions(tmp_path: Path) -> None:
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 32, "n_positions": 8}
    tokens, wanted = torch.arange(8)[None], []
    for spec in CLASSES:
        torch.manual_seed(0)
        model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).eval()
        swap(model, spec, run={"input_ids": tokens})
        assert model.config.activation_function.startswith(f"learnact.transformers:{spec}")
        model.save_pretrained(tmp_path / spec)
        wanted.append(model(tokens).logits.sum().item())
    folders = [str(tmp_path / spec) for spec in CLASSES]
    done = subprocess.run([sys.executable, "-c", FRESH, *folders], capture_output=True, text=True, check=True)
    names, totals = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert list(names) == list(CLASSES.values())
    assert [float(t) for t in totals] == pytest.approx(wanted, rel=1e-5)
