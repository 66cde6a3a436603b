"""What may be put in: a SPEC, a class, an instance, or a function that makes modules."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from torch import nn

from learnact import generated, load
from learnact.errors import UnknownName
from learnact.training.errors import BadModel

Factory = Callable[..., nn.Module]
Activation = str | type[nn.Module] | nn.Module | Factory
"""`"hermite:5"`, `"hermite:5@gelu"`, `Hermite5`, `Hermite5(init="gelu")`, `partial(Hermite5, init="gelu")`; or the
path of an emitted file."""

ADVICE = 'write "hermite:5", Hermite5, Hermite5(init="gelu"), or a function that returns a new module'


def factory_of(activation: Activation, *, per_channel: bool = False) -> Factory:
    """What makes one module for each place: by keywords `num_parameters` and `channel_dim` if `per_channel`.

    A SPEC may end in `@start`; it is looked up among the generated classes and compiled otherwise. An instance is
    deep-copied for every place. Raises BadModel for anything else, UnknownName for a start
    that the class does not have, and what the compiler raises for a SPEC.
    """
    if isinstance(activation, str):
        return _of_spec(activation)
    if isinstance(activation, nn.Module):
        if per_channel:
            name = type(activation).__name__
            raise BadModel(f"an instance has its channels already, found {name}(...); pass the class: {name}")
        return lambda: copy.deepcopy(activation)
    if isinstance(activation, type) and not issubclass(activation, nn.Module):
        raise BadModel(f"the class {activation.__name__} is no nn.Module; {ADVICE}")
    if not callable(activation):
        raise BadModel(f"no activation: {activation!r}; {ADVICE}")
    return activation


def make(factory: Factory, path: str, **keywords: Any) -> nn.Module:
    """One module for `path`. Raises BadModel where the factory takes other arguments or returns something else."""
    try:
        module = factory(**keywords)
    except TypeError as err:
        given = ", ".join(f"{k}={v}" for k, v in keywords.items()) or "no argument"
        raise BadModel(f"{_name(factory)} cannot be called with {given} for {path} ({err}); {ADVICE}") from err
    if not isinstance(module, nn.Module):
        raise BadModel(f"{_name(factory)} returned {type(module).__name__} for {path}, not an nn.Module; {ADVICE}")
    return module


def class_of(spec: str) -> Any:
    """The generated class of a SPEC (`hermite:5`, or `hermite5` for short), or one compiled now."""
    slugs = {slug: name for name, slug in generated.MODULES.items()}
    if spec in slugs:
        return getattr(generated, slugs[spec])
    if spec in generated.MODULES:
        return getattr(generated, spec)
    for name in generated.MODULES:
        if getattr(generated, name).spec == spec:
            return getattr(generated, name)
    return load(spec)


def _of_spec(text: str) -> Factory:
    spec, init = text, ""
    if named := re.search(r"@(\w+)$", text):  # an @ in a folder's name has a slash or a dot behind it
        spec, init = text[: named.start()], named[1]
    cls = class_of(spec)
    if init and init not in cls.starts:
        raise UnknownName(f"start of {spec}", init, cls.starts)
    return lambda **keywords: cls(**({"init": init} if init else {}), **keywords)


def _name(factory: Factory) -> str:
    return getattr(factory, "__name__", repr(factory))
