"""What a transformers configuration says about the activations after a swap: their name, or a list of places.

A name is written only where the model that transformers builds from the configuration has these very activations: it
is built once more, without memory, and compared place by place. Where no name does that (several classes or starts,
one shape per channel or for all places, an activation that the configuration does not name) the configuration lists
the places, under `learnact`, for `learnact.transformers.from_pretrained`; its fields are set to a name that nothing
else builds, so that a plain `from_pretrained` refuses instead of building the old activation.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2CLS

from learnact.training.model.act2fn import BY_PLACE, MODULE, PREFIXES, is_named, register
from learnact.training.model.learnable import is_emitted, is_learnable, numbers_of
from learnact.training.model.recognize import is_activation

AMBIGUOUS = frozenset({"linear", "sigmoid", "tanh"})
"""Names that other fields of configurations use for other things."""

MOST_FIELDS = 3

Field = tuple[str, str]
"""Dotted path of a (sub-)configuration's attribute, and what stands before the name in it (T5's "gated-")."""


def note(model: nn.Module, swapped: Iterable[Any]) -> None:
    """Bring the configuration of every transformers model in `model` up to what is in it now."""
    touched = {id(s.new) for s in swapped}
    inside = ""
    for path, module in model.named_modules():
        if inside and path.startswith(inside):
            continue
        if isinstance(module, PreTrainedModel):
            inside = f"{path}." if path else ""
            if any(id(inner) in touched for inner in module.modules()):
                _note(module, touched)
            if not path:
                return


def name_of(module: nn.Module) -> str | None:
    """Name by which a configuration gets a module like this one; None if there is none."""
    kind: Any = type(module)
    if is_emitted(module):
        if getattr(module, "num_parameters", 1) != 1 or getattr(module, "channel_dim", -1) != -1:
            return None
        return register(kind, getattr(module, "init", ""))
    for name, entry in ACT2CLS.items():
        cls, keywords = entry if isinstance(entry, tuple) else (entry, {})
        if cls is kind and cls(**keywords).extra_repr() == module.extra_repr():
            return str(name)
    return None


def fields_of(config: Any) -> list[Field]:
    """Every field of a configuration and of those inside it that names an activation."""
    found: list[Field] = []
    for name, value in vars(config).items():
        if isinstance(value, str) and not name.startswith("_"):
            before = "gated-" if value.startswith("gated-") else ""
            rest = value.removeprefix(before)
            if is_named(rest) or (rest in ACT2CLS and ("act" in name or rest not in AMBIGUOUS)):
                found.append((name, before))
        elif hasattr(value, "to_dict") and hasattr(value, "model_type"):
            found += [(f"{name}.{inner}", before) for inner, before in fields_of(value)]
    return found


def get_field(config: Any, field: Field) -> str:
    """The value of a field."""
    for part in field[0].split("."):
        config = getattr(config, part)
    return str(config)


def set_field(config: Any, field: Field, name: str) -> None:
    """Set a field to a name, with what stands before it."""
    *parents, last = field[0].split(".")
    for part in parents:
        config = getattr(config, part)
    setattr(config, last, field[1] + name)


def _note(model: Any, touched: set[int]) -> None:
    config = _own_config(model)
    record = getattr(config, "learnact", None) or {}
    fields: list[Field] = [(path, before) for path, before in record.get("fields", [])] or fields_of(config)
    old = dict(record.get("old", {})) or {field[0]: get_field(config, field) for field in fields}
    here = _activations(model, touched)
    names = {name_of(module) for module in here.values() if id(module) in touched or is_learnable(module)}
    if len(names) == 1 and (name := next(iter(names))) is not None:
        for chosen in _choices(fields):
            trial = _config_with(config, old, fields, chosen, name)
            if _same(model, here, _built(model, trial)):
                if hasattr(config, "learnact"):
                    del config.learnact
                for field in fields:
                    set_field(config, (field[0], ""), old[field[0]])
                for field in chosen:
                    set_field(config, field, name)
                return
    _list_places(model, here, fields, old, touched)


def _own_config(model: Any) -> Any:
    """A copy of the configuration, put into all of the model: other models may have been built from the same one."""
    copies: dict[int, Any] = {}
    copy.deepcopy(model.config, copies)
    for module in model.modules():
        own = vars(module).get("config")
        if id(own) in copies:
            module.config = copies[id(own)]
    return model.config


def _list_places(
    model: Any, here: Mapping[str, nn.Module], fields: list[Field], old: Mapping[str, str], touched: set[int]
) -> None:
    places: dict[str, dict[str, Any] | None] = {}
    groups: dict[int, list[str]] = {}
    lost = []
    for path, module in here.items():
        if id(module) not in touched and not is_learnable(module):
            continue
        groups.setdefault(id(module), []).append(path)
        entry = _entry(module)
        if entry is None:
            lost.append(f"{path} ({type(module).__name__})")
        places[path] = entry
    shared = [paths for paths in groups.values() if len(paths) > 1]
    model.config.learnact = {"fields": [list(f) for f in fields], "old": dict(old), "places": places, "shared": shared}
    for field in fields:
        set_field(model.config, field, f"{PREFIXES[0]}{BY_PLACE}")
    tie(model, shared)
    if lost:
        warnings.warn(
            f"save_pretrained cannot describe the activations at {', '.join(lost)}: keep the state_dict, and load it "
            "into a model swapped in the same way",
            stacklevel=6,
        )
    elif not fields:
        warnings.warn(
            f"the configuration of {type(model).__name__} does not name its activation: after save_pretrained, "
            f"load by {MODULE}.from_pretrained(folder); from_pretrained of transformers would build the old activation",
            stacklevel=6,
        )


def _entry(module: Any) -> dict[str, Any] | None:
    if not is_learnable(module):
        name = name_of(module)
        return None if name is None else {"activation": name}
    return {
        "activation": register(type(module), module.init),
        "num_parameters": module.num_parameters,
        "groups": getattr(module, "groups", module.num_parameters),
        "channel_dim": module.channel_dim,
    }


def tie(model: Any, shared: list[list[str]]) -> None:
    """Tell transformers which parameters are one, so that it saves them once and does not miss the others."""
    tied = {
        f"{path}.{name}": f"{first}.{name}"
        for first, *others in shared
        for path in others
        for name in numbers_of(model.get_submodule(first))
    }
    if tied:
        model._tied_weights_keys = {**(type(model)._tied_weights_keys or {}), **tied}
        model.all_tied_weights_keys = {**getattr(model, "all_tied_weights_keys", {}), **tied}


def _activations(model: nn.Module, touched: set[int]) -> dict[str, nn.Module]:
    return {
        path: module
        for path, module in model.named_modules(remove_duplicate=False)
        if path and (id(module) in touched or is_emitted(module) or is_activation(path, module))
    }


def _choices(fields: list[Field]) -> Iterator[tuple[Field, ...]]:
    """Sets of fields to try, small ones first; a configuration with more than three is tried one by one and whole."""
    if len(fields) > MOST_FIELDS:
        yield from ((field,) for field in fields)
        yield tuple(fields)
        return
    for count in range(1, len(fields) + 1):
        yield from combinations(fields, count)


def _config_with(config: Any, old: Mapping[str, str], fields: list[Field], chosen: Iterable[Field], name: str) -> Any:
    """The configuration as it would be after a save and a load; None where it does not allow the name."""
    trial = copy.deepcopy(config)
    if hasattr(trial, "learnact"):
        del trial.learnact
    for field in fields:
        set_field(trial, (field[0], ""), old[field[0]])
    for field in chosen:
        set_field(trial, field, name)
    try:
        return type(config).from_dict(trial.to_dict())
    except Exception:
        return None  # the configuration's own check of its fields


def _built(model: Any, config: Any) -> nn.Module | None:
    if config is None:
        return None
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built: nn.Module = type(model)(config)
            return built
    except Exception:
        return None  # a model that cannot be built from its configuration alone


def _same(model: nn.Module, here: Mapping[str, nn.Module], built: nn.Module | None) -> bool:
    if built is None:
        return False
    there = _activations(built, set())
    return _signature(here) == _signature(there) and _strings(model) == _strings(built)


def _signature(modules: Mapping[str, nn.Module]) -> dict[str, tuple[object, ...]]:
    first: dict[int, str] = {}
    return {
        path: (type(module), module.extra_repr(), first.setdefault(id(module), path))
        for path, module in modules.items()
    }


def _strings(model: nn.Module) -> dict[str, str]:
    """Names of activations that modules keep, by path: they may compute by them."""
    return {
        f"{path}.{name}": value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, str) and (value in ACT2CLS or is_named(value))
    }
