"""The optimizer, the learning rate of a step, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from learnact.training.config import Config
from learnact.training.model.learnable import parameter_groups


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`; fused into one kernel on a GPU."""
    groups = parameter_groups(model, lr=config.lr, weight_decay=config.weight_decay, lr_factor=config.lr_factor)
    for group in groups:
        group["initial_lr"] = group["lr"]  # where torch's own schedulers keep it
    on_gpu = next(model.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=on_gpu)


def rate(config: Config, step: int) -> float:
    """Learning rate of step 0, 1, …: a linear rise over `warmup` steps, then a cosine down to the floor."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    passed = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (config.lr_floor + (1 - config.lr_floor) * 0.5 * (1 + math.cos(math.pi * passed)))


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Give every group `share` of the learning rate that it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = share * group["initial_lr"]


class Average:
    """Exponential moving average of a model's parameters, shards and all."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(model.named_parameters())
        self.averages = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the present weights; early steps forget faster, for the first weights are no estimate."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averages.values()), list(self.parameters.values()), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages stand in the model while this lasts."""
        kept = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._put(self.averages)
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(values[name])
