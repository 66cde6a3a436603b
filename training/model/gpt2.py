"""GPT-2 with gated blocks or without biases: transformers' model, these parts exchanged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.pytorch_utils import Conv1D

from learnact.training.model.gates import gated_width


class VariantConfig(GPT2Config):
    """GPT-2's configuration with `gated` and `bias`; `AutoConfig` knows it once learnact.transformers is imported."""

    model_type = "learnact_gpt2"
    gated: bool = False  # MLPs compute F(u) v, at 2/3 of the hidden width
    bias: bool = True  # False: none in linear layers and layer norms


class GatedMLP(GPT2MLP):
    """down(F(u) v) with u = c_fc(x), v = c_up(x): as many parameters as GPT-2's MLP, but for the rounded width."""

    is_gated = True

    def __init__(self, config: VariantConfig) -> None:
        hidden = gated_width(config.n_embd)
        super().__init__(hidden, config)
        self.c_up = Conv1D(hidden, config.n_embd)

    def forward(self, hidden_states: Tensor) -> Tensor:
        v = self.c_up(hidden_states)  # before F is called: calibration scales F by it
        product = self.act(self.c_fc(hidden_states)) * v
        projected: Tensor = self.dropout(self.c_proj(product))
        return projected


class UnbiasedConv1D(Conv1D):
    """transformers' linear layer, weight of shape (in, out), without its bias."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__(nf, nx)
        self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.weight)


class VariantLMHeadModel(GPT2LMHeadModel):
    """GPT-2 as a `VariantConfig` says. What it shares with GPT-2 has, for equal random states, equal first weights."""

    config_class = VariantConfig

    def __init__(self, config: VariantConfig) -> None:
        super().__init__(config)
        if config.gated:
            for block in self.transformer.h:
                block.mlp = GatedMLP(config)
                block.mlp.apply(self._init_weights)
        if not config.bias:
            _drop_biases(self)


def _drop_biases(model: nn.Module) -> None:
    for module in list(model.modules()):
        if isinstance(module, nn.LayerNorm):
            module.register_parameter("bias", None)
        for name, child in module.named_children():
            if type(child) is Conv1D:
                old: Any = child
                new = UnbiasedConv1D(old.nf, old.nx)
                new.weight = old.weight
                setattr(module, name, new)


AutoConfig.register(VariantConfig.model_type, VariantConfig)
AutoModelForCausalLM.register(VariantConfig, VariantLMHeadModel)
