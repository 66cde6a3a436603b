"""Which parts of a model are activations: modules by class, structure and values; functions that modules hold."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learnact.training.errors import BadModel
from learnact.training.model import known
from learnact.training.model.learnable import is_emitted, is_learnable

Match = Callable[[str, object], bool]
"""Given a dotted path and what is there, a module or a function that a module holds: whether to replace it."""

Matches = Match | type[nn.Module] | tuple[type[nn.Module], ...]

NO_ACTIVATION = frozenset({"LinearActivation"})
"""Classes of transformers.activations that stand for no activation at all."""

SMALL = 4096
"""Parameters that a module may have to be tried on the grid: an activation has few, and a trial copies them."""

NAMES = frozenset(
    "gelu gelu_new gelu_fast gelu_tanh gelu_approx gelu_pytorch_tanh gelu_python quick_gelu geglu relu relu2 relu6 "
    "squared_relu sqrelu leaky_relu elu selu celu silu swish swiglu reglu mish softplus hardswish hard_swish".split()
)
"""Names of hidden activations that modules keep as strings."""


@dataclass(frozen=True)
class Place:
    """Where an activation is."""

    path: str  # dotted
    parent: nn.Module
    name: str  # the attribute of `parent`
    old: object  # a module, or a function that the parent holds


@dataclass(frozen=True)
class Left:
    """What looks like an activation and was not replaced."""

    path: str
    kind: str  # class or function
    why: str
    surprising: bool  # it may well be a hidden activation; gates and learnable activations are not surprising
    is_name: bool = False  # a string that the module keeps

    def __str__(self) -> str:
        return f"{self.path} ({self.kind}: {self.why})"


def is_activation(path: str, old: object) -> bool:
    """Whether `old` is a hidden activation.

    So are torch's classes (`known.HIDDEN`), transformers' (whose import it does not need), every module of any
    library without parameters, buffers or children that is pointwise and has the values of a known hidden activation,
    and such functions held as attributes.
    """
    if not isinstance(old, nn.Module):
        return known.function_name(old) is not None
    return _verdict(old)[0] == "hidden"


def looks_like_activation(module: nn.Module) -> bool:
    """Whether `module` is a hidden activation, a gate, a learnable activation, or pointwise and no known function."""
    return bool(_verdict(module)[0])


def predicate(match: Matches | None) -> Match:
    """The match as a function of path and module; None is `is_activation`. Raises BadModel for anything else."""
    if match is None:
        return is_activation
    if isinstance(match, type) or (isinstance(match, tuple) and all(isinstance(kind, type) for kind in match)):
        types = match
        return lambda _, old: isinstance(old, types)
    if isinstance(match, tuple) or not callable(match):
        raise BadModel(f"match must be a module class, several in a tuple, or match(path, module), found {match!r}")
    return match


def places_of(model: nn.Module, match: Matches | None = None) -> Iterator[Place]:
    """Every match, in the order of `named_modules`: one activation used twice has two places, a block used twice one.

    What lies inside a match is part of it. Functions held as attributes are offered to `match` where they are known
    hidden activations.
    """
    chosen = predicate(match)
    seen: set[tuple[int, str]] = set()
    inside: str | None = None
    for path, module in model.named_modules(remove_duplicate=False):
        if inside is not None and path.startswith(inside):
            continue
        parent_path, _, name = path.rpartition(".")
        if path and chosen(path, module):
            inside = f"{path}."
            parent = model.get_submodule(parent_path)
            if (id(parent), name) not in seen:
                seen.add((id(parent), name))
                yield Place(path, parent, name, module)
            continue
        for name, function in held_functions(module):
            place = f"{path}.{name}" if path else name
            if (id(module), name) not in seen and chosen(place, function):
                seen.add((id(module), name))
                yield Place(place, module, name, function)


def held_functions(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Attributes of a module that are hidden activations in the form of functions: `self.act = F.gelu`."""
    for name, value in list(vars(module).items()):
        is_function = callable(value) and name != "forward" and not isinstance(value, (nn.Module, type))
        if is_function and known.function_name(value) is not None:
            yield name, value


def left_in(model: nn.Module, replaced: set[str]) -> list[Left]:
    """What looks like an activation at a path that is not in `replaced`, nor inside one of those."""
    found = []
    for path, module in model.named_modules():
        if any(path == done or path.startswith(f"{done}.") for done in replaced):
            continue
        verdict, why = _verdict(module)
        if verdict and path:
            found.append(Left(path, type(module).__name__, why, verdict in {"hidden", "unknown"}))
            continue
        for name, function in held_functions(module):
            place = f"{path}.{name}" if path else name
            if place not in replaced:
                found.append(Left(place, known.function_name(function) or "", "a hidden activation", True))
        for name, value in kept_names(module):
            place = f"{path}.{name}" if path else name
            found.append(Left(place, repr(value), "a name by which the module may choose what it computes", True, True))
    return found


def kept_names(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Attributes that name a hidden activation: `self.activation = "gelu"`."""
    for name, value in vars(module).items():
        if isinstance(value, str) and value.lower() in NAMES and ("act" in name.lower() or "nonlin" in name.lower()):
            yield name, value


def _verdict(module: nn.Module) -> tuple[str, str]:
    """'hidden', 'gate', 'learnable', 'unknown' or '' for what is no activation; and why."""
    kind = type(module)
    if is_learnable(module):
        return "learnable", "a learnable activation already"
    if is_emitted(module):
        return "hidden", "an activation that learnact emitted"
    if isinstance(module, torch.jit.ScriptModule):
        scripted = str(getattr(module, "original_name", ""))
        return ("unknown", "TorchScript, swap before scripting") if _is_named(scripted) else ("", "")
    for classes, verdict in ((known.HIDDEN, "hidden"), (known.GATES, "gate")):
        if isinstance(module, classes) and kind.forward in {c.forward for c in classes}:
            return verdict, f"torch's {next(c.__name__ for c in kind.__mro__ if c in classes)}"
    if kind.__module__ == "transformers.activations":
        return ("", "") if kind.__name__ in NO_ACTIVATION else ("hidden", "of transformers")
    if kind.__module__.startswith("torch.") or any(True for _ in module.children()) or not _takes_one(kind):
        return "", ""
    return _by_values(module)


def _by_values(module: nn.Module) -> tuple[str, str]:
    state = [*module.parameters(), *module.buffers()]
    if any(t.is_meta for t in state) or sum(t.numel() for t in state) > SMALL:
        return "", ""
    found = _values(module)
    if found is None or known.is_affine(found):
        return "", ""
    if state:
        return "unknown", "pointwise, with parameters or buffers of its own"
    name = known.name_of(found)
    if name is None:
        return "unknown", "pointwise, but no known function"
    return ("hidden" if name[1] else "gate"), f"computes {name[0]}"


def _values(module: nn.Module) -> Tensor | None:
    try:
        trial = copy.deepcopy(module).cpu().eval()  # forward may note things down
    except Exception:
        return None  # what cannot be copied is not called
    return known.values(trial.forward)


def _takes_one(kind: type[nn.Module]) -> bool:
    try:
        needed = [p for p in inspect.signature(kind.forward).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):
        return False
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return len([p for p in needed if p.kind in positional]) == 2  # self and x


def _is_named(name: str) -> bool:
    return name in {kind.__name__ for kind in known.HIDDEN}
