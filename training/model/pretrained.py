"""Load a saved transformers model whose activations its configuration lists place by place."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import transformers
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from learnact.training.errors import BadModel
from learnact.training.model import hosts
from learnact.training.model.act2fn import is_named, resolve
from learnact.training.model.configs import set_field, tie
from learnact.training.model.gpt2 import VariantLMHeadModel


def from_pretrained(folder: str | Path, cls: Any = None, **keywords: Any) -> Any:
    """Load a model that was swapped and saved by `save_pretrained`, whatever its activations are.

    `cls` is the class of the model, by default the one that was saved; `keywords` go to its `from_pretrained`. Models
    whose configuration names one activation are loaded as well by transformers itself, after
    `import learnact.transformers`.

    Raises BadModel where a place holds what no name describes, and for a `cls` that is no transformers model.
    """
    config = keywords.pop("config", None) or AutoConfig.from_pretrained(folder)
    name = (config.architectures or ["none"])[0]
    own = {VariantLMHeadModel.__name__: VariantLMHeadModel}
    base: Any = cls or own.get(name) or getattr(transformers, name, None)
    is_model = isinstance(base, type) and issubclass(base, PreTrainedModel)
    if not is_model:
        raise BadModel(
            f"from_pretrained needs the model's class, found {base!r} for {config.architectures}; pass for example "
            "cls=GPT2LMHeadModel"
        )
    record = getattr(config, "learnact", None)
    if record is None:
        return base.from_pretrained(folder, config=config, **keywords)
    undescribed = [path for path, entry in record["places"].items() if entry is None]
    if undescribed:
        raise BadModel(
            f"{folder} holds activations that no name describes at {', '.join(undescribed)}; build the model, swap it "
            "as before, and load its state_dict"
        )
    loaded = _swapped_class(base, record).from_pretrained(folder, config=_plain(config, record), **keywords)
    model = loaded[0] if isinstance(loaded, tuple) else loaded  # output_loading_info=True
    model.__class__ = base
    model.config = config
    return loaded


def _plain(config: Any, record: Any) -> Any:
    plain = copy.deepcopy(config)
    del plain.learnact
    for path, value in record["old"].items():
        set_field(plain, (path, ""), value)
    return plain


def _swapped_class(base: Any, record: Any) -> Any:
    def build(self: Any, config: Any, *args: Any, **keywords: Any) -> None:
        base.__init__(self, config, *args, **keywords)
        _put(self, record)

    return type(base.__name__, (base,), {"__init__": build, "__module__": base.__module__})


def _put(model: Any, record: Any) -> None:
    first = {path: group[0] for group in record["shared"] for path in group}
    made: dict[str, nn.Module] = {}
    parents = []
    for path, entry in record["places"].items():
        origin = first.get(path, path)
        if origin not in made:
            made[origin] = _made(entry)
        parent, _, name = path.rpartition(".")
        host = model.get_submodule(parent)
        setattr(host, name, made[origin])
        parents.append((host, name))
    hosts.correct(model, parents)
    tie(model, record["shared"])


def _made(entry: Any) -> nn.Module:
    name = entry["activation"]
    if not is_named(name):
        classical: nn.Module = transformers.activations.ACT2FN[name]
        return classical
    cls, keywords = resolve(name)
    shape = {word: entry[word] for word in ("num_parameters", "channel_dim")}
    if entry["groups"] != entry["num_parameters"]:  # lean files take no groups
        shape["groups"] = entry["groups"]
    module: nn.Module = cls(**keywords, **shape)
    return module
