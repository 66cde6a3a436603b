"""Learnable activations under names that transformers' configurations understand.

    GPT2Config(activation_function="learnact:hermite5")

`install` makes every name `learnact:SPEC` and `learnact:SPEC@start` known to transformers' ACT2FN, generated classes
by their short names. A name is written to a configuration as `learnact.transformers:hermite5`: a process that did not
import that module gets a KeyError with the name, which says what to import.

transformers makes parameters that a checkpoint lacks with `torch.empty_like`, then asks the model to initialize them;
models do not know these modules, so `install` adds to that step: they get their start. In half precision it keeps
them in float32, as `swap` does.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from learnact import generated, spec_of_slug
from learnact.errors import LearnactError, UnknownName
from learnact.training.errors import BadModel
from learnact.training.model.factory import class_of
from learnact.training.model.learnable import is_emitted, is_learnable, numbers_of

MODULE = "learnact.transformers"
"""What has to be imported before a saved model is loaded; saved names begin with it."""

PREFIXES = (f"{MODULE}:", "learnact:")
BY_PLACE = "by_place"
"""In place of a name where no one name says it all: the configuration lists the activations place by place."""

_registered: dict[str, tuple[Any, dict[str, Any]]] = {}  # name without prefix -> class and keywords


def register(cls: Any, start: str = "") -> str:
    """Make a class known by name, `@start` added if that is not its first; return the name for configurations.

    Generated classes and SPECs need no registration. A class of an emitted file does, in every process that loads the
    model. Raises UnknownName for a start that the class does not have, BadModel for what is no learnable activation.
    """
    is_ours = isinstance(cls, type) and is_emitted(cls)
    if not is_ours:
        raise BadModel(f"register takes a class that learnact emitted, such as Hermite5, found {cls!r}")
    if start and start not in cls.starts:
        raise UnknownName(f"start of {cls.spec}", start, cls.starts)
    first = cls.starts[0]
    start = start or first
    key = slug_of(cls) if start == first else f"{slug_of(cls)}@{start}"
    _registered[key] = (cls, _keywords(cls, start))
    return f"{PREFIXES[0]}{key}"


def slug_of(cls: Any) -> str:
    """`hermite5` for `hermite:5`; a path is kept as it is, with the object in it."""
    spec = str(cls.spec)
    return spec if ".py:" in spec else spec.replace(":", "")


def is_named(name: str) -> bool:
    """Whether a configuration's value names a learnable activation."""
    return name.startswith(PREFIXES)


def resolve(name: str) -> tuple[Any, dict[str, Any]]:
    """Class and keywords of `learnact:...`. Raises UnknownName, BadModel for BY_PLACE, and the compiler's errors."""
    key = next(name.removeprefix(p) for p in PREFIXES if name.startswith(p))
    if key == BY_PLACE:
        raise BadModel(_refusal())
    half = torch.get_default_dtype() in (torch.float16, torch.bfloat16)
    precision = {"dtype": torch.float32} if half else {}
    if key in _registered:
        cls, keywords = _registered[key]
        return cls, {**keywords, **(precision if keywords else {})}
    slug, _, start = key.partition("@")
    if slug in _registered:
        cls = _registered[slug][0]
    else:
        spec = slug if slug in generated.MODULES.values() else spec_of_slug(slug)
        try:
            cls = class_of(spec)
        except LearnactError as err:
            raise BadModel(
                f"no activation is known as {name!r} ({err}); if its class is in a file of yours, import it and call "
                f"{MODULE}.register(cls) before the model is loaded"
            ) from err
    if start and start not in cls.starts:
        raise UnknownName(f"start of {cls.spec}", start, cls.starts)
    return cls, {**_keywords(cls, start or cls.starts[0]), **(precision if is_learnable(cls) else {})}


def _keywords(cls: Any, start: str) -> dict[str, Any]:
    """What the class is called with; one without parameters takes nothing."""
    return {"init": start} if is_learnable(cls) else {}


def restart(module: Any) -> None:
    """Set the parameters to the start that the module was made with, but for those that a checkpoint gave."""
    numbers = numbers_of(module)
    given = {n: t.detach().clone() for n, t in numbers.items() if getattr(t, "_is_hf_initialized", False)}
    module.reset_parameters()
    with torch.no_grad():
        for name, value in given.items():
            numbers[name].copy_(value)


def _refusal() -> str:
    return (
        "the configuration lists this model's activations place by place, which from_pretrained of transformers does "
        f"not build; load it by {MODULE}.from_pretrained(folder)"
    )


def install() -> None:
    """Teach transformers the names and the initialization of these modules; a second call changes nothing.

    Raises ImportError for a transformers without the methods that are extended.
    """
    table: Any = type(ACT2FN)
    if hasattr(table, "__missing__"):
        return
    if not hasattr(PreTrainedModel, "_initialize_weights"):
        raise ImportError(f"{MODULE} needs transformers 5, with PreTrainedModel._initialize_weights")

    def missing(self: Any, name: str) -> tuple[Any, dict[str, Any]]:
        if isinstance(name, str) and is_named(name):
            return resolve(name)
        raise KeyError(name)

    def contains(self: Any, name: object) -> bool:
        return dict.__contains__(self, name) or (isinstance(name, str) and is_named(name))

    table.__missing__ = missing
    table.__contains__ = contains
    _wrap_initialization()


def _wrap_initialization() -> None:
    known = PreTrainedModel._initialize_weights

    @functools.wraps(known)
    def initialize(self: PreTrainedModel, module: nn.Module, *args: Any, **keywords: Any) -> None:
        if module is self and getattr(self.config, "learnact", None):
            raise BadModel(_refusal())
        for attribute, value in vars(module).items():
            if isinstance(value, str) and is_named(value):
                raise BadModel(
                    f"{type(module).__name__} of {type(self).__name__} keeps the name {value!r} as its {attribute} and "
                    "computes by it, where no parameters are trained; build the model with its own activation and swap "
                    "the modules: swap(model, ..., run=batch)"
                )
        if is_learnable(module) and not getattr(module, "_is_hf_initialized", False):
            restart(module)
            module._is_hf_initialized = True  # type: ignore[assignment]
        else:
            known(self, module, *args, **keywords)

    PreTrainedModel._initialize_weights = initialize


install()
