"""The other way to calibrate: weights before every activation that make the standard deviation of its input 1."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from learnact.training.errors import BadModel
from learnact.training.model.gates import gates
from learnact.training.model.moments import InputMoments, Pool
from learnact.training.model.passes import Run, as_call
from learnact.training.model.swap import Swapped, Swapping

ADVICE = "calibrate the start of the activation instead"


def normalize_inputs(modules: Iterable[Swapped], run: Run) -> list[InputMoments]:
    """Divide the weight and bias of the layer before each activation by the sigma of its output.

    `run` is a call such as `lambda: model(batch)`, or the batch itself if `modules` is what `swap` returned. In one
    pass, from the first activation on: each is measured behind layers that are rescaled already. Afterwards every
    activation is fed standard deviation 1 by that batch; in a gated block, F(u) v, what makes v is rescaled to mean
    square 1 as well. Returns what was measured before.

    Raises BadModel where the input of an activation is not the output of a module with a `weight` (a norm or a sum lies
    between), where that module serves several activations or several calls, and for an input that does not vary.
    """
    call = as_call(modules.model if isinstance(modules, Swapping) else None, run)
    places = {s.path: s.new for s in modules}
    if not isinstance(modules, Swapping):
        raise BadModel("normalize_inputs takes what swap() returned: it has to find the layers before the activations")
    if len(set(places.values())) < len(places):
        raise BadModel("an activation that is shared has no one layer before it; leave out --shared")
    names = {module: path for path, module in places.items()}
    made: dict[int, tuple[nn.Module, Tensor]] = {}
    found: dict[nn.Module, InputMoments] = {}
    scaled: dict[nn.Module, str] = {}

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor):
            made[id(output)] = (module, output)  # kept, so that no other tensor gets its id

    def rescale(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        x, path = arguments[0], names[module]
        layer = made.get(id(x), (None, x))[0]
        if layer is None:
            raise BadModel(f"the input of {path} does not come straight from a layer with weights; {ADVICE}")
        if layer in scaled or module in found:
            raise BadModel(f"{path} shares its layer with {scaled.get(layer, path)} or is called twice; {ADVICE}")
        pool = Pool(path)
        pool.add(x)
        moments = pool.moments()
        for parameter in layer.parameters(recurse=False):
            parameter.div_(moments.sigma)
        scaled[layer], found[module] = path, moments
        return (x / moments.sigma, *arguments[1:])

    def rescale_gate(layer: nn.Module, _: object, output: Tensor) -> Tensor:
        pool = Pool("a gate")
        pool.add(output)
        for parameter in layer.parameters(recurse=False):
            parameter.div_(pool.root_mean_square)
        return output / pool.root_mean_square

    with ExitStack() as hooks, torch.no_grad():
        for layers in gates(modules.model).values():
            for layer in layers:
                hooks.callback(layer.register_forward_hook(rescale_gate).remove)
        for module in modules.model.modules():
            if isinstance(getattr(module, "weight", None), Tensor) and not isinstance(module, nn.Embedding):
                hooks.callback(module.register_forward_hook(note).remove)
        for module in places.values():
            hooks.callback(module.register_forward_pre_hook(rescale).remove)
        call()
    if silent := [path for path, module in places.items() if module not in found]:
        raise BadModel(f"the pass never reached {', '.join(silent)}; run the model on a whole batch")
    return [found[module] for module in places.values()]
