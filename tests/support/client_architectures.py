"""Twelve architectures of transformers from tiny configurations, and a batch for each."""

from __future__ import annotations

from typing import Any

import torch
import transformers as t

TEXT = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
SEQ2SEQ = {
    "vocab_size": 64, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "pad_token_id": 0, "bos_token_id": 0,
    "eos_token_id": 0, "decoder_start_token_id": 0, "forced_eos_token_id": None,
}  # fmt: skip
T5 = {"vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}

CONFIGS: dict[str, tuple[type, type, dict[str, Any]]] = {
    "gpt2": (t.GPT2LMHeadModel, t.GPT2Config, {"vocab_size": 64, "n_positions": 16, "n_embd": 16, "n_layer": 2,
                                               "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}),
    "llama": (t.LlamaForCausalLM, t.LlamaConfig, TEXT),
    "mistral": (t.MistralForCausalLM, t.MistralConfig, {**TEXT, "num_key_value_heads": 1, "head_dim": 8}),
    "gemma2": (t.Gemma2ForCausalLM, t.Gemma2Config, {**TEXT, "num_key_value_heads": 1, "head_dim": 8}),
    "bert": (t.BertForMaskedLM, t.BertConfig, TEXT),
    "distilbert": (t.DistilBertForMaskedLM, t.DistilBertConfig, {"vocab_size": 64, "dim": 16, "hidden_dim": 32,
                                                                 "n_layers": 2, "n_heads": 2}),
    "t5": (t.T5ForConditionalGeneration, t.T5Config, {**T5, "feed_forward_proj": "gated-gelu"}),
    "bart": (t.BartForConditionalGeneration, t.BartConfig, {**SEQ2SEQ, "max_position_embeddings": 32}),
    "whisper": (t.WhisperForConditionalGeneration, t.WhisperConfig, {**SEQ2SEQ, "num_mel_bins": 8,
                                                                     "max_source_positions": 16,
                                                                     "max_target_positions": 16}),
    "vit": (t.ViTForImageClassification, t.ViTConfig, VISION),
    "convnext": (t.ConvNextForImageClassification, t.ConvNextConfig, {"hidden_sizes": [8, 16], "depths": [1, 1],
                                                                      "num_stages": 2, "image_size": 32}),
    "resnet": (t.ResNetForImageClassification, t.ResNetConfig, {"hidden_sizes": [8, 16], "depths": [1, 1],
                                                                "embedding_size": 8, "layer_type": "basic"}),
}  # fmt: skip
"""Name -> model class, configuration class, its arguments."""

LISTED = {"resnet"}
"""Whose configuration names an activation that not all of the model's have: ResNet's blocks contain fixed ReLUs."""


def build(name: str) -> Any:
    """The model with the first weights of seed 0."""
    torch.manual_seed(0)
    model, config, arguments = CONFIGS[name]
    return model(config(**arguments)).eval()


def batch(name: str) -> dict[str, torch.Tensor]:
    """Two examples."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 64, (2, 8), generator=generator)
    if name in {"vit", "convnext", "resnet"}:
        return {"pixel_values": torch.randn(2, 3, 32, 32, generator=generator)}
    if name == "whisper":
        return {"input_features": torch.randn(2, 8, 32, generator=generator), "decoder_input_ids": tokens}
    return {"input_ids": tokens, **({"decoder_input_ids": tokens} if name in {"t5", "bart"} else {})}
