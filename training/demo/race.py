"""Train several copies of one small GPT-2 side by side: same first weights, same data, another activation each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from learnact.training.data.corpus import Corpus, batches, windows
from learnact.training.model.swap import Swapped


@dataclass(frozen=True)
class Setting:
    """Model, data order and optimizer of a race; every runner gets the same."""

    steps: int = 300
    layers: int = 4
    width: int = 96
    heads: int = 4
    context: int = 128  # bytes a window
    batch: int = 8  # windows a step
    learning_rate: float = 2e-3  # peak, reached after `warmup` steps, then falling along a line
    warmup: int = 20
    weight_decay: float = 0.1  # on matrices alone
    gradient_norm: float = 1.0  # clipped to
    validate_every: int = 75  # steps
    seed: int = 0


@dataclass(frozen=True)
class Runner:
    """One model on its way, and the activations that were put into it (none: the original)."""

    name: str
    model: nn.Module
    activations: Sequence[Swapped] = ()
    train: list[float] = field(default_factory=list)  # loss of every step
    validation: list[tuple[int, float]] = field(default_factory=list)  # (steps done, loss)


def build(setting: Setting) -> GPT2LMHeadModel:
    """A GPT-2 over bytes with the seed's weights, N(0, 0.02^2) as published, and no dropout."""
    torch.manual_seed(setting.seed)
    config = GPT2Config(
        vocab_size=256,
        n_positions=setting.context,
        n_embd=setting.width,
        n_layer=setting.layers,
        n_head=setting.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def next_byte_loss(model: nn.Module, tokens: Tensor) -> Tensor:
    """Mean cross-entropy in nats per byte of predicting each byte of (batch, context) from those before it."""
    logits = model(input_ids=tokens).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def parameter_groups(model: nn.Module, activations: Sequence[Swapped], weight_decay: float) -> list[dict[str, object]]:
    """Matrices with weight decay; biases, norms and all that an activation learns without.

    Decay would pull an activation's shape towards zero, and its per-channel parameters look like matrices.
    """
    free = {id(p) for swapped in activations for p in swapped.new.parameters()}
    decayed = [p for p in model.parameters() if p.dim() > 1 and id(p) not in free]
    rest = [p for p in model.parameters() if p.dim() <= 1 or id(p) in free]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def race(runners: Sequence[Runner], corpus: Corpus, setting: Setting, tick: Callable[[Sequence[Runner]], None]) -> None:
    """Train all runners step by step in turn, filling their losses; `tick` is called after each common step."""
    data = batches(corpus.train, count=setting.steps, size=setting.batch, length=setting.context, seed=setting.seed)
    held_out = windows(corpus.validation, setting.context)
    lanes = [(runner, *_optimizer(runner, setting)) for runner in runners]
    for done, tokens in enumerate(data, start=1):
        for runner, optimizer, schedule in lanes:
            runner.model.train()
            loss = next_byte_loss(runner.model, tokens)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(runner.model.parameters(), setting.gradient_norm)
            optimizer.step()
            schedule.step()
            runner.train.append(loss.item())
            if done % setting.validate_every == 0 or done == setting.steps:
                runner.validation.append((done, validate(runner.model, held_out)))
        tick(runners)


@torch.no_grad()
def validate(model: nn.Module, held_out: Tensor, size: int = 32) -> float:
    """Mean next-byte loss over all windows (n, context), `size` at a time."""
    model.eval()
    losses = [next_byte_loss(model, chunk).item() * len(chunk) for chunk in held_out.split(size)]
    return math.fsum(losses) / len(held_out)


def smoothed(losses: Sequence[float], last: int = 20) -> float:
    """Mean of the last losses: what a single noisy batch stands for."""
    tail = losses[-last:]
    return math.fsum(tail) / len(tail)


def _optimizer(runner: Runner, setting: Setting) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    groups = parameter_groups(runner.model, runner.activations, setting.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=setting.learning_rate, betas=(0.9, 0.99))

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / setting.warmup) * (1 - step / setting.steps)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
