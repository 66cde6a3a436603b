"""One batch through a model: which modules are called, and which activations are called as functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from learnact.training.errors import BadModel
from learnact.training.model.known import FUNCTIONS

Run = Callable[[], object] | Tensor | Mapping[str, Any] | tuple[Any, ...] | list[Any]
"""What sends one batch through a model: a call without arguments, or the batch itself."""


@dataclass(frozen=True)
class Functional:
    """A hidden activation that a module's forward calls as a function, where no swap can reach it."""

    path: str  # of the module whose forward calls it
    kind: str  # its class
    function: str  # F.gelu, torch.relu …
    calls: int

    def __str__(self) -> str:
        times = f", {self.calls} times" if self.calls > 1 else ""
        return f"{self.path or 'the model itself'} ({self.kind}: {self.function}{times})"


def as_call(model: nn.Module | None, run: Run) -> Callable[[], object]:
    """`run` as a call without arguments: a Tensor as it is, a mapping by keywords, a tuple or list by position.

    Raises BadModel for anything else, and for a batch where no model is known.
    """
    if not isinstance(run, (Tensor, Mapping, tuple, list)):
        if not callable(run):
            raise BadModel(
                f"run must be a batch (Tensor, mapping, tuple) or a call such as lambda: model(batch), found "
                f"{type(run).__name__}"
            )
        return run
    if model is None:
        raise BadModel("a batch needs the model: pass the result of swap() as it is, or run=lambda: model(batch)")
    called = model
    if isinstance(run, Tensor):
        return lambda: called(run)
    if isinstance(run, Mapping):
        return lambda: called(**run)
    return lambda: called(*run)


@contextmanager
def undisturbed(model: nn.Module, *, training: bool = False) -> Iterator[None]:
    """Evaluation or training mode, without gradients, compiled code run eagerly; all states are restored afterwards.

    Norms over the batch stay in evaluation mode, for they take no batch of one in training.
    """
    modes = [(module, module.training) for module in model.modules()]
    tensors = [*model.parameters(), *model.buffers()]
    devices = sorted({t.device.index for t in tensors if t.is_cuda and t.device.index is not None})
    with torch.no_grad(), torch.random.fork_rng(devices=devices), torch.compiler.set_stance("force_eager"):
        model.train(training)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                module.eval()
        kept = [(buffer, buffer.clone()) for buffer in model.buffers()] if training else []
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for buffer, value in kept:
                buffer.copy_(value)


def never_called(modules: Mapping[str, nn.Module], run: Callable[[], object]) -> list[str]:
    """Paths of those modules whose forward `run()` does not call.

    Neither hooks nor a mode for torch functions are set, for fused kernels are not chosen in their presence.
    """
    called: set[int] = set()
    unique = {id(module): module for module in modules.values()}
    with ExitStack() as forwards:
        for module in unique.values():
            forwards.enter_context(_noting(module, called))
        run()
    return [path for path, module in modules.items() if id(module) not in called]


def functional_activations(model: nn.Module, run: Callable[[], object], known: Iterable[nn.Module]) -> list[Functional]:
    """Hidden activations called as functions during `run()`, but for those called by the modules `known`."""
    quiet = {id(inner) for module in known for inner in module.modules()}
    watch = _Watch(quiet)
    paths = {module: path for path, module in model.named_modules()}
    with ExitStack() as hooks:
        for module in paths:
            hooks.callback(module.register_forward_pre_hook(lambda m, _: watch.stack.append(m)).remove)
            leave = module.register_forward_hook(lambda m, _, __: _pop(watch.stack), always_call=True)
            hooks.callback(leave.remove)
        hooks.enter_context(watch)
        run()
    return [Functional(paths[m], type(m).__name__, name, count) for (m, name), count in watch.calls.items()]


class _Watch(TorchFunctionMode):
    def __init__(self, quiet: set[int]) -> None:
        super().__init__()
        self.stack: list[nn.Module] = []
        self.calls: Counter[tuple[nn.Module, str]] = Counter()
        self.quiet = quiet

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = FUNCTIONS.get(func)
        if name is not None and self.stack and id(self.stack[-1]) not in self.quiet:
            self.calls[self.stack[-1], name] += 1
        return func(*args, **(kwargs or {}))


def _pop(stack: list[nn.Module]) -> None:
    stack.pop()


@contextmanager
def _noting(module: nn.Module, called: set[int]) -> Iterator[None]:
    own = vars(module).get("forward")
    forward = module.forward

    def noted(*args: Any, **kwargs: Any) -> Any:
        called.add(id(module))
        return forward(*args, **kwargs)

    module.forward = noted
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
