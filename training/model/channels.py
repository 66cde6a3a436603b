"""One shape per channel: how many channels each place has, found in the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from learnact.training.errors import BadModel
from learnact.training.model.factory import Activation, factory_of, make
from learnact.training.model.layout import Channels, Tracer
from learnact.training.model.passes import Run, as_call, undisturbed
from learnact.training.model.recognize import Matches, Place, places_of
from learnact.training.model.swap import Swapping, install, nothing_to_replace


def swap_per_channel(
    model: nn.Module, activation: Activation, run: Run, match: Matches | None = None, *, groups: int | None = None
) -> Swapping:
    """Replace every matching activation by one with `num_parameters=C, channel_dim=d` of its own channels.

    With `groups` neighbouring channels share a shape, so many in each place, as in KAT (arXiv:2409.10594); `activation`
    takes that keyword then.
    `activation` is a SPEC, a class, or a function that takes those two keywords. `run` sends one batch through the
    model (a call, or the batch itself); the layers that make channels are followed through pointwise operations,
    norms, dropout, residual sums, pooling and views up to each activation. `match` is as in `swap`, and so is
    the proof that the new modules run.

    Raises BadModel as `swap` does, for a place whose channels cannot be found or are of several numbers, and where
    `groups` does not divide their number.
    """
    places = list(places_of(model, match))
    if not places:
        raise BadModel(nothing_to_replace(model, run))
    factory = factory_of(activation, per_channel=True)
    found = _measured(model, places, as_call(model, run))
    for place, channels in zip(places, found, strict=True):
        if groups is not None and not (isinstance(groups, int) and groups >= 1 and channels.count % groups == 0):
            raise BadModel(f"groups must divide the {channels.count} channels of {place.path}, found {groups!r}")
    own = {} if groups is None else {"groups": groups}
    new = [
        make(factory, place.path, num_parameters=channels.count, channel_dim=channels.dim, **own)
        for place, channels in zip(places, found, strict=True)
    ]
    return install(model, places, new, match, run)


class _Held(nn.Module):
    """A function as a module, for hooks."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


@contextmanager
def _as_modules(places: list[Place]) -> Iterator[list[nn.Module]]:
    """Functions that hosts hold are modules while this lasts."""
    functions = [p for p in places if not isinstance(p.old, nn.Module)]
    for place in functions:
        setattr(place.parent, place.name, _Held(place.old))
    try:
        yield [getattr(p.parent, p.name) if p in functions else p.old for p in places]  # type: ignore[misc]
    finally:
        for place in functions:
            delattr(place.parent, place.name)
            setattr(place.parent, place.name, place.old)


def _measured(model: nn.Module, places: list[Place], run: Callable[[], object]) -> list[Channels]:
    found: dict[nn.Module, Channels] = {}
    tracer = Tracer()
    with _as_modules(places) as modules, ExitStack() as hooks, undisturbed(model):
        paths: dict[nn.Module, str] = {}
        for place, module in zip(places, modules, strict=True):
            paths.setdefault(module, place.path)

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = args[0] if args else next(iter(kwargs.values()))
            found[module] = _channels(paths[module], x, tracer, found.get(module))

        for module in paths:
            hooks.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        for module in model.modules():
            after = module.register_forward_hook(lambda m, x, y: tracer.pass_on(x, y, type(m).__name__))
            hooks.callback(after.remove)
        hooks.enter_context(tracer)
        run()
        if silent := [path for module, path in paths.items() if module not in found]:
            raise BadModel(f"the pass never reached {', '.join(silent)}; run the model on a whole batch")
        return [found[module] for module in modules]


def _channels(path: str, x: Tensor, tracer: Tracer, known: Channels | None) -> Channels:
    channels = tracer.channels(x)
    if channels is None:
        origin = tracer.origin.get(x, "the batch")
        raise BadModel(
            f"{path} is not fed by a layer with channels: its input of shape {tuple(x.shape)} comes from {origin}, "
            "after which no dimension is known to count channels. Swap this place by swap(model, "
            "lambda: Hermite5(num_parameters=C, channel_dim=d), match=...), and leave it out here by match="
        )
    if known is not None and known != channels:
        raise BadModel(
            f"{path} is used on {known.count} and on {channels.count} channels (dimensions {known.dim} and "
            f"{channels.dim}); it needs one shape for all"
        )
    return channels
