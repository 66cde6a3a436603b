"""Replace the activation modules of any model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from torch import nn

Match = Callable[[str, nn.Module], bool]
"""Given a module's dotted path and the module, whether to replace it."""

HIDDEN: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Hardswish,
)
"""What torch offers as hidden activations. Tanh, Sigmoid and Softmax are not among them: they gate and normalize."""

NO_ACTIVATION = frozenset({"LinearActivation"})
"""Classes of transformers.activations that stand for no activation at all."""


@dataclass(frozen=True)
class Swapped:
    """One replacement."""

    path: str  # dotted, as in model.get_submodule(path)
    old: nn.Module
    new: nn.Module


def is_activation(path: str, module: nn.Module) -> bool:
    """Whether `module` is a hidden activation of torch or of transformers (whose import it does not need)."""
    kind = type(module)
    return kind in HIDDEN or (kind.__module__ == "transformers.activations" and kind.__name__ not in NO_ACTIVATION)


def swap(
    model: nn.Module,
    factory: Callable[[], nn.Module],
    match: Match | type[nn.Module] | tuple[type[nn.Module], ...] = is_activation,
    *,
    shared: bool = False,
) -> list[Swapped]:
    """Replace every activation module of `model` in place, in the order in which the model lists its modules.

    `factory` makes one fresh module for each place, or one for all places when `shared`; a generated class is a
    factory: `swap(model, Hermite5)`. `match` says which modules are meant: types (subclasses included), or a
    predicate of path and module, such as `lambda path, _: path.endswith("mlp.act")`. What lies inside a replaced
    module is gone with it. The new modules go to the device of the block around them and take over its mode.

    Raises ValueError when nothing matches: a model that calls `F.gelu` has no module to replace, and a model that
    is itself the activation has no place to put another.
    """
    places = list(places_of(model, match))
    if not places:
        kinds = sorted({type(m).__name__ for m in model.modules() if not list(m.children())})
        raise ValueError(
            f"{type(model).__name__} has no activation module that matches; its leaf modules are {', '.join(kinds)}. "
            "Pass match=TYPE or match=predicate(path, module); functions such as F.gelu cannot be replaced"
        )
    common = factory() if shared else None
    swapped = []
    for path, parent, old in places:
        new = common if common is not None else factory()
        anchor = next(chain(parent.parameters(), model.parameters()), None)
        new.to(device=anchor.device if anchor is not None else None).train(old.training)
        setattr(parent, path.rpartition(".")[2], new)
        swapped.append(Swapped(path, old, new))
    return swapped


def _predicate(match: Match | type[nn.Module] | tuple[type[nn.Module], ...]) -> Match:
    if isinstance(match, (type, tuple)):
        return lambda _, module: isinstance(module, match)
    return match


def places_of(
    model: nn.Module, match: Match | type[nn.Module] | tuple[type[nn.Module], ...] = is_activation
) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Path, parent and module of every match: one activation used twice has two places, a block used twice one."""
    chosen = _predicate(match)
    seen: set[tuple[int, str]] = set()
    inside: str | None = None
    for path, module in model.named_modules(remove_duplicate=False):
        parent_path, _, name = path.rpartition(".")
        if not path or (inside is not None and path.startswith(inside)) or not chosen(path, module):
            continue
        inside = f"{path}."
        parent = model.get_submodule(parent_path)
        if (id(parent), name) not in seen:
            seen.add((id(parent), name))
            yield path, parent, module
