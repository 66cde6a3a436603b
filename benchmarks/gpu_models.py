"""One training step of GPT-2 124M and of ConvNeXt-T, with GELU and with ours in its place; random weights and data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.device import Attempt, Device
from learnact import generated
from learnact.training.model.swap import swap

ACTIVATIONS = ("GELU", "Hermite3", "Fourier6", "Tropical6", "Hermite5")
BLOCKS = frozenset({"GPT2Block", "ConvNextLayer"})  # compiled one by one: equal blocks share their code
STEPS, WARM = 20, 4
GIB = 34.0  # of the device's memory that one model in training may take


@dataclass(frozen=True)
class Task:
    """A model, its batch, and what is counted in it."""

    name: str
    build: Callable[[bool], tuple[nn.Module, dict[str, Tensor]]]  # dry -> model and inputs, on the processor
    unit: str


def gpt2(dry: bool) -> tuple[nn.Module, dict[str, Tensor]]:
    """GPT-2 124M on 32 x 1024 tokens."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    tiny: dict[str, Any] = {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 64, "n_positions": 16}
    config = GPT2Config(activation_function="gelu", use_cache=False, **(tiny if dry else {}))
    config.bos_token_id = config.eos_token_id = 0
    tokens = torch.randint(config.vocab_size, (2, 16) if dry else (32, 1024))
    return GPT2LMHeadModel(config), {"input_ids": tokens, "labels": tokens}


def convnext(dry: bool) -> tuple[nn.Module, dict[str, Tensor]]:
    """ConvNeXt-T on 256 pictures of 224 x 224."""
    from transformers import ConvNextConfig, ConvNextForImageClassification  # noqa: PLC0415

    tiny: dict[str, Any] = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "image_size": 32}
    config = ConvNextConfig(num_labels=10 if dry else 1000, **(tiny if dry else {}))
    pictures = torch.randn(2, 3, 32, 32) if dry else torch.randn(256, 3, 224, 224)
    labels = torch.randint(config.num_labels, (len(pictures),))
    return ConvNextForImageClassification(config), {"pixel_values": pictures, "labels": labels}


TASKS = (Task("GPT-2 124M", gpt2, "tokens"), Task("ConvNeXt-T", convnext, "pictures"))


def activations(device: Device) -> tuple[str, ...]:
    """Names of what is put in GELU's place, GELU itself first."""
    return ("Hermite3",) if device.dry else ACTIVATIONS


def compilation(task: Task, name: str, device: Device) -> None:
    """Compile one model's blocks and train one step, to fill Inductor's cache on disk."""
    step, _ = ready(task, name, device)
    step()


def ready(task: Task, name: str, device: Device) -> tuple[Callable[[], Tensor], dict[str, Tensor]]:
    """One training step of the model, its blocks compiled, and the batch that it trains on."""
    torch._dynamo.config.recompile_limit = (
        256  # all models share their blocks' code: an entry a width, dtype, activation
    )
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

    return step, batch


def measure(task: Task, names: Sequence[str], device: Device, attempt: Attempt) -> list[dict]:
    """Train the model with each activation under bfloat16 autocast, and time their steps in turn.

    One row each for those that `attempt` lets be made ready; ratios are to GELU. The peak is what a step holds beside
    parameters, gradients' and optimizer's state of all the models.
    """
    trained: dict[str, tuple[Callable[[], Tensor], float, float]] = {}
    count = 0
    for name in names:
        found = attempt(f"{task.name} with {name}", partial(warmed, task, name, device))
        if found:
            step, batch, first, peak = found
            trained[name] = step, first, peak
            given = next(iter(batch.values()))
            count = given.numel() if task.unit == "tokens" else len(given)
    rounds, warm = (1, 1) if device.dry else (STEPS, WARM)
    times = device.interleaved([step for step, _, _ in trained.values()], rounds, warm)
    seconds = dict(zip(trained, times, strict=True))
    rows = []
    for name, (step, first, peak) in trained.items():
        last = float(step())
        if not math.isfinite(last):
            raise ArithmeticError(f"{task.name} with {name}: the loss went from {first} to {last}")
        rows.append(
            {
                "model": task.name,
                "activation": name,
                "step_ms": round(seconds[name] * 1e3, 2),
                "ratio": round(seconds[name] / seconds.get("GELU", math.nan), 3),
                "peak_gib": round(peak, 2),
                "unit": task.unit,
                "per_second": round(count / seconds[name]),
                "first_loss": round(first, 4),
                "last_loss": round(last, 4),
            }
        )
    return rows


def warmed(task: Task, name: str, device: Device) -> tuple[Callable[[], Tensor], dict[str, Tensor], float, float]:
    """A step that has run twice, its batch, its first loss, and the GiB that the second step needed beside state."""
    step, batch = ready(task, name, device)
    first = float(step())
    device.reset_peak()
    before = device.peak_gib()
    step()
    device.synchronize()
    return step, batch, first, device.peak_gib() - before
