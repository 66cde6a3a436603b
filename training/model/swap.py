"""Replace the activations of any model, and show on one batch that the new ones are those that run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from torch import nn

from learnact.training.errors import BadModel
from learnact.training.model import hosts
from learnact.training.model.factory import Activation, factory_of, make
from learnact.training.model.passes import Functional, Run, as_call, functional_activations, never_called, undisturbed
from learnact.training.model.recognize import Left, Matches, Place, left_in, looks_like_activation, places_of

TRIALS = 8
"""Passes in training mode in which a place must be called once: with LayerDrop 0.1 all leave it out once in 10^8."""


@dataclass(frozen=True)
class Swapped:
    """One replacement."""

    path: str  # dotted, as in model.get_submodule(path)
    old: object  # a module, or a function that its host held
    new: nn.Module


class Swapping(list[Swapped]):
    """All replacements in a model, and what is to be known about the rest of it."""

    def __init__(self, model: nn.Module, swapped: Iterable[Swapped] = ()) -> None:
        super().__init__(swapped)
        self.model = model
        self.left: list[Left] = []
        """What looks like an activation and was left, gates included; empty where a match was given."""
        self.functional: list[Functional] = []
        """Activations that a forward calls as functions; known only where a batch was given."""


def swap(
    model: nn.Module,
    activation: Activation,
    match: Matches | None = None,
    *,
    shared: bool = False,
    run: Run | None = None,
) -> Swapping:
    """Replace every activation of `model` in place, in the order in which the model lists its modules.

    `activation` is a SPEC ("hermite:5", "hermite:5@gelu"), a class, an instance (copied for each place) or a function
    that makes a fresh module; one module serves all places when `shared`. `match` says which activations are meant:
    types (subclasses included), or a predicate of path and module, such as `lambda path, _: path.endswith("mlp.act")`;
    without it those that `is_activation` knows, functions held as attributes among them (`self.act = F.gelu`). The
    new modules go to the device of the block around them and take over its mode. Hosts that noted which activation
    they have are corrected (`hosts`), and the configuration of a transformers model names the new one, so that
    `save_pretrained` and `from_pretrained` keep it.

    With `run`, a batch (Tensor, mapping, tuple) or a call such as `lambda: model(batch)`, the model is run in
    evaluation mode and in training mode: every new module must be called in both, and what is called as a function
    (F.gelu) is found. What looks like a hidden activation and was left is warned of.

    Raises BadModel, with the model as it was, when nothing matches, when the batch does not reach a new module, and
    for an `activation` or `match` that is none; and what the compiler raises for a SPEC.
    """
    if not isinstance(model, nn.Module):
        raise BadModel(f"swap takes a model (nn.Module) first, found {type(model).__name__}")
    places = list(places_of(model, match))
    if not places:
        raise BadModel(nothing_to_replace(model, run))
    factory = factory_of(activation)
    common = make(factory, places[0].path) if shared else None
    new = [common if common is not None else make(factory, place.path) for place in places]
    return install(model, places, new, match, run)


def install(
    model: nn.Module, places: list[Place], new: list[nn.Module], match: Matches | None, run: Run | None
) -> Swapping:
    """Put `new` into `places`, with all that `swap` promises."""
    swapping = Swapping(model)
    for place, module in zip(places, new, strict=True):
        anchor = next(chain(place.parent.parameters(), model.parameters()), None)
        mode = place.old.training if isinstance(place.old, nn.Module) else place.parent.training
        module.to(device=anchor.device if anchor is not None else None).train(mode)
        setattr(place.parent, place.name, module)
        swapping.append(Swapped(place.path, place.old, module))
    undo = hosts.correct(model, [(place.parent, place.name) for place in places])
    try:
        if run is not None:
            _prove(swapping, run)
    except BaseException:
        hosts.take_back(undo)
        for place in places:
            if not isinstance(place.old, nn.Module):
                delattr(place.parent, place.name)  # a module's attribute takes no function while a child has its name
            setattr(place.parent, place.name, place.old)
        raise
    if match is None:
        swapping.left = left_in(model, {s.path for s in swapping})
        _warn(swapping, proved=run is not None)
    if "transformers" in sys.modules:
        from learnact.training.model.configs import note  # noqa: PLC0415  it imports transformers

        note(model, swapping)
    return swapping


def _prove(swapping: Swapping, run: Run) -> None:
    model, call = swapping.model, as_call(swapping.model, run)
    for training in (False, True):
        silent = {s.path: s.new for s in swapping}
        for _ in range(TRIALS if training else 1):  # training may leave layers out at random
            with undisturbed(model, training=training):
                silent = {path: silent[path] for path in never_called(silent, call)} if silent else silent
        if silent:
            raise BadModel(
                f"in {'training' if training else 'evaluation'} mode the batch never reached {', '.join(silent)}: the "
                "model computes what is there by another route, a fused kernel or a function, or it uses the place "
                "under other conditions. Leave those places out by match=, or send a batch that reaches them; nothing "
                "was changed"
            )
    with undisturbed(model):
        known = [*(s.new for s in swapping), *(m for m in model.modules() if looks_like_activation(m))]
        swapping.functional = functional_activations(model, call, known)


def _warn(swapping: Swapping, *, proved: bool) -> None:
    odd = [str(left) for left in swapping.left if left.surprising and not (proved and left.is_name)]
    odd += [str(f) for f in swapping.functional]
    if odd:
        warnings.warn(
            f"{type(swapping.model).__name__} computes other activations that were not replaced: {'; '.join(odd)}. "
            "Pass match= to choose the places yourself; activations called as functions cannot be replaced",
            stacklevel=4,
        )


def nothing_to_replace(model: nn.Module, run: Run | None) -> str:
    """The message for a model without a match: what it has, what looks like an activation, what it calls."""
    kinds = sorted({type(m).__name__ for m in model.modules() if not list(m.children())})
    text = f"{type(model).__name__} has no activation module that matches; its leaf modules are {', '.join(kinds)}"
    left = left_in(model, set())
    if left:
        text += f"; what looks like an activation: {'; '.join(map(str, left))}"
    if run is not None:
        with undisturbed(model):
            functional = functional_activations(model, as_call(model, run), [])
        text += f"; called as functions: {'; '.join(map(str, functional)) or 'none'}"
    return f"{text}. Pass match=TYPE or match=predicate(path, module); functions such as F.gelu cannot be replaced"
