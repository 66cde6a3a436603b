"""Learnable activations in transformers: import this before a configuration names one, or a model with one is loaded.

    import learnact.transformers
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(activation_function="learnact:hermite5"))
    model = AutoModelForCausalLM.from_pretrained("folder")       # whose configuration names a learnable activation
    model = learnact.transformers.from_pretrained("folder")      # whatever was swapped: per channel, mixed, shared

Every SPEC has the name `learnact:SPEC`, without the colon before a degree, and each start the name `...@start`.
`register` names a class of an emitted file.
"""

from __future__ import annotations

from learnact.training.model.act2fn import register
from learnact.training.model.pretrained import from_pretrained

__all__ = ["from_pretrained", "register"]
