"""One training step of GPT-2 124M and of ConvNeXt-T, with GELU and with ours in its place; random weights and data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.device import Device
from learnact import generated
from learnact.training.model.swap import swap

ACTIVATIONS = ("GELU", "Hermite3", "Fourier6", "Tropical6", "Hermite5", "Hermite8")
BLOCKS = frozenset({"GPT2Block", "ConvNextLayer"})  # compiled one by one: equal blocks share their code
STEPS, WARM = 20, 4


@dataclass(frozen=True)
class Task:
    """A model, its batch, and what is counted in it."""

    name: str
    build: Callable[[bool], tuple[nn.Module, dict[str, Tensor]]]  # dry -> model and inputs, on the processor
    unit: str


def gpt2(dry: bool) -> tuple[nn.Module, dict[str, Tensor]]:
    """GPT-2 124M on 16 x 1024 tokens."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    tiny: dict[str, Any] = {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 64, "n_positions": 16}
    config = GPT2Config(activation_function="gelu", use_cache=False, **(tiny if dry else {}))
    config.bos_token_id = config.eos_token_id = 0
    tokens = torch.randint(config.vocab_size, (2, 16) if dry else (16, 1024))
    return GPT2LMHeadModel(config), {"input_ids": tokens, "labels": tokens}


def convnext(dry: bool) -> tuple[nn.Module, dict[str, Tensor]]:
    """ConvNeXt-T on 64 pictures of 224 x 224."""
    from transformers import ConvNextConfig, ConvNextForImageClassification  # noqa: PLC0415

    tiny: dict[str, Any] = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "image_size": 32}
    config = ConvNextConfig(num_labels=10 if dry else 1000, **(tiny if dry else {}))
    pictures = torch.randn(2, 3, 32, 32) if dry else torch.randn(64, 3, 224, 224)
    labels = torch.randint(config.num_labels, (len(pictures),))
    return ConvNextForImageClassification(config), {"pixel_values": pictures, "labels": labels}


TASKS = (Task("GPT-2 124M", gpt2, "tokens"), Task("ConvNeXt-T", convnext, "pictures"))


def measure(task: Task, name: str, device: Device) -> dict:
    """Compile the model's blocks, train some steps under bfloat16 autocast, and time them."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    model, batch = task.build(device.dry)
    if name != "GELU":
        swap(model, getattr(generated, name))
    model.to(device.name).train()
    batch = {key: value.to(device.name) for key, value in batch.items()}
    for module in model.modules():
        if type(module).__name__ in BLOCKS:
            module.compile(dynamic=False, backend=device.backend)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=not device.dry)

    def step() -> Tensor:
        with torch.autocast(device.name, torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    first = float(step())
    device.reset_peak()
    (seconds,) = device.interleaved([step], 1 if device.dry else STEPS, 1 if device.dry else WARM)
    last = float(step())
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ArithmeticError(f"{task.name} with {name}: the loss went from {first} to {last}")
    first_input = next(iter(batch.values()))
    count = first_input.numel() if task.unit == "tokens" else len(first_input)
    return {
        "model": task.name,
        "activation": name,
        "step_ms": round(seconds * 1e3, 2),
        "peak_gib": round(device.peak_gib(), 2),
        "unit": task.unit,
        "per_second": round(count / seconds),
        "first_loss": round(first, 4),
        "last_loss": round(last, 4),
    }
