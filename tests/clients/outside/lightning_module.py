"""A LightningModule around a swapped model, as a user writes it."""

from __future__ import annotations

import lightning
import torch
from client_models import TimmHybrid, batch
from torch import Tensor

from learnact import calibrate, parameter_groups, swap


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = TimmHybrid()
        calibrate(swap(self.model, "hermite:3", run=batch("timm")), batch("timm"))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, given: list[Tensor], index: int) -> Tensor:
        return self(given[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameter_groups(self, lr=1e-3, weight_decay=0.1))
