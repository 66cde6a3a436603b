"""The two models, from transformers, with the first weights of the seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import ConvNextConfig, ConvNextForImageClassification, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from learnact.training.config import Convnext, Gpt2
from learnact.training.data.randomness import seed_of
from learnact.training.model.gpt2 import VariantConfig, VariantLMHeadModel

VOCABULARY_MULTIPLE = 64
"""Matrix units like such sizes: 50257 becomes 50304."""

logging.disable_progress_bar()
logging.set_verbosity_error()  # its notices would break progress bars and the one line of an error


def build_gpt2(config: Gpt2, vocabulary: int, end: int) -> GPT2LMHeadModel:
    """GPT-2 with learned positions, tied embeddings and normal weights (Radford et al. 2019), or a variant of it."""
    torch.manual_seed(seed_of("weights", config.seed))
    settings: dict[str, Any] = {
        "vocab_size": -(-vocabulary // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "activation_function": "gelu",
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "bos_token_id": end,
        "eos_token_id": end,
        "use_cache": False,
        "initializer_range": config.init_std,
    }
    if config.gated or not config.bias:
        return VariantLMHeadModel(VariantConfig(**settings, gated=config.gated, bias=config.bias))
    return GPT2LMHeadModel(GPT2Config(**settings))


def build_convnext(config: Convnext, classes: int) -> ConvNextForImageClassification:
    """ConvNeXt with normal weights and layer scale (Liu et al. 2022)."""
    torch.manual_seed(seed_of("weights", config.seed))
    return ConvNextForImageClassification(
        ConvNextConfig(
            hidden_sizes=list(config.widths),
            depths=list(config.depths),
            num_stages=len(config.depths),
            patch_size=config.patch,
            image_size=config.image_size,
            drop_path_rate=config.drop_path,
            layer_scale_init_value=config.layer_scale,
            layer_norm_eps=1e-6,
            initializer_range=config.init_std,
            hidden_act="gelu",
            num_labels=classes,
        )
    )


def blocks(model: nn.Module) -> list[nn.Module]:
    """The residual blocks: what is sharded and gathered at a time."""
    kinds = {"GPT2Block", "ConvNextLayer"}
    return [module for module in model.modules() if type(module).__name__ in kinds]
