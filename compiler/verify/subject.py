"""The emitted file: its parts, how to call them, and a cache of what they computed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.verify import points
from learnact.compiler.verify.ledger import NotApplicable, expect
from learnact.compiler.verify.load import Text
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.oracle import Oracle, Truth
from learnact.compiler.verify.points import Setting


def strided(t: Tensor) -> Tensor:
    """The same values with stride 2 in memory."""
    return torch.stack([t, t], -1)[..., 0]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {"in memory's order": torch.clone, "strided": strided}
"""Memory layouts of x: eager code has a separate path for contiguous tensors."""


@dataclass(frozen=True)
class Answer:
    """What the emitted file computed, as doubles, from inputs that its dtype holds exactly."""

    points: Array
    parameters: tuple[float, ...]
    cotangent: Array  # the gradient that came in
    value: Array
    slope: Array  # cotangent * dF/dx
    sums: tuple[Array, ...]  # per chunk of points of similar size: sum of cotangent * dF/d(parameter), flat
    chunks: tuple[slice, ...]


@dataclass
class Subject:
    """One emitted file with its declaration."""

    activation: Activation
    path: Path
    text: Text
    module: ModuleType = field(default_factory=lambda: ModuleType("not loaded"))
    answers: dict[Any, Answer] = field(default_factory=dict)
    truths: dict[Any, Truth] = field(default_factory=dict)

    @property
    def law(self) -> Law:
        """The declared law of the input."""
        return self.activation.family.law

    @cached_property
    def oracle(self) -> Oracle:
        """The oracle of the declaration."""
        return Oracle(self.activation)

    @property
    def cls(self) -> Any:
        """The emitted module class, a torch.nn.Module with attributes of its own."""
        return getattr(self.module, self.activation.names.cls)

    def function(self, x: Tensor, *parameters: Tensor, **options: Any) -> Tensor:
        """The emitted functional form."""
        return getattr(self.module, self.activation.names.slug)(x, *parameters, **options)

    @property
    def fixed(self) -> bool:
        """Whether the activation has no parameters, so that nothing can be said of their shapes and gradients."""
        return not self.activation.parameters

    @property
    def starts(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """The values of every named start as the file prints them; a file without parameters prints none."""
        return {name: {} for name in self.activation.family.starts} if self.fixed else self.module.STARTS

    def make(self, channels: int = 1, **options: Any) -> Any:
        """A module of the emitted class; one without parameters takes neither channels nor options."""
        return self.cls() if self.fixed else self.cls(channels, **options)

    def held(self, module: Any, *, learning: bool = False) -> list[Tensor]:
        """The module's tensors in declared order, buffers too; `learning` asks those for gradients as well."""
        tensors = [getattr(module, vector.name) for vector in self.activation.parameters]
        return [t.requires_grad_() if learning else t for t in tensors]

    @property
    def grouped(self) -> bool:
        """Whether channels may share parameters in groups; in lean files they may not."""
        return "groups" in inspect.signature(self.cls).parameters

    def counts(self, channels: int) -> tuple[int, ...]:
        """Numbers of channels that a check tries: 1 and this one, where there are parameters that may have channels."""
        return (1,) if self.fixed else tuple(dict.fromkeys((1, channels)))

    def require_parameters(self) -> None:
        """Raises NotApplicable where there are none to look at."""
        if self.fixed:
            raise NotApplicable("the activation has no parameters")

    @cached_property
    def settings(self) -> list[Setting]:
        """Every named start as printed in the file, and random neighbours of the first."""
        return points.settings(self.oracle, {name: self.printed(name) for name in self.starts})

    @property
    def generic(self) -> Setting:
        """A setting without special values."""
        return self.settings[-1]

    def printed(self, start: str) -> tuple[float, ...]:
        """The start's values as the file prints them, flat in declared order."""
        values = self.starts[start]
        return tuple(float(v) for vector in self.activation.parameters for v in values[vector.name])

    def split(self, flat: Sequence[float] | Tensor) -> list[Any]:
        """Cut a flat sequence into one part for every parameter tensor."""
        parts, begin = [], 0
        for vector in self.activation.parameters:
            parts.append(flat[begin : begin + len(vector.symbols)])
            begin += len(vector.symbols)
        return parts

    def tensors(self, values: Sequence[float], dtype: torch.dtype, grad: bool = True) -> list[Tensor]:
        """Parameter tensors of shape (length,) with these flat values."""
        whole = torch.tensor(values, dtype=torch.float64)
        return [part.to(dtype).clone().requires_grad_(grad) for part in self.split(whole)]

    def channels(self, columns: Sequence[Sequence[float]], dtype: torch.dtype) -> list[Tensor]:
        """Parameter tensors of shape (length, C), one flat sequence of values for every channel."""
        whole = torch.tensor(columns, dtype=torch.float64).T
        return [part.to(dtype).clone().requires_grad_() for part in self.split(whole)]

    def answer(
        self,
        setting: Setting,
        at: Array,
        dtype: torch.dtype,
        parameter_dtype: torch.dtype,
        chunk: int,
        layout: str = "in memory's order",
    ) -> Answer:
        """Run the emitted function forward and backward; the points are rounded to the dtype and sorted by size."""
        key = (setting, at.tobytes(), dtype, parameter_dtype, chunk, layout)
        if key not in self.answers:
            self.answers[key] = self._answer(setting, at, dtype, parameter_dtype, chunk, LAYOUTS[layout])
        return self.answers[key]

    def truth(self, answer: Answer, *, exact: bool) -> Truth:
        """The oracle's values at the same inputs, to 30 digits if `exact`, else in doubles."""
        key = (answer.points.tobytes(), answer.parameters, exact)
        if key not in self.truths:
            self.truths[key] = self.oracle(answer.points, answer.parameters, exact=exact)
        return self.truths[key]

    def _answer(
        self,
        setting: Setting,
        at: Array,
        dtype: torch.dtype,
        parameter_dtype: torch.dtype,
        chunk: int,
        laid: Callable[[Tensor], Tensor],
    ) -> Answer:
        at = at[np.argsort(np.abs(at), kind="stable")]
        x = laid(torch.tensor(at, dtype=torch.float64).to(dtype)).requires_grad_()
        parameters = self.tensors(setting.values, parameter_dtype)
        cotangent = torch.tensor(points.rng(300).normal(size=len(at)), dtype=torch.float64).to(dtype)
        out = self.function(x, *parameters)
        expect(out.dtype == dtype, f"{dtype} in, {out.dtype} out")
        expect(out.shape == x.shape, f"shape {tuple(x.shape)} in, {tuple(out.shape)} out")
        (slope,) = torch.autograd.grad(out, x, cotangent)
        expect(slope.dtype == dtype, f"gradient of a {dtype} input is {slope.dtype}")
        chunks = tuple(slice(k, k + chunk) for k in range(0, len(at), chunk))
        sums = tuple(self._sums(x[c].detach(), parameters, cotangent[c]) for c in chunks)
        rounded = tuple(v for p in parameters for v in p.detach().double().tolist())
        return Answer(double(x), rounded, double(cotangent), double(out), double(slope), sums, chunks)

    def _sums(self, x: Tensor, parameters: list[Tensor], cotangent: Tensor) -> Array:
        gradients = torch.autograd.grad(self.function(x, *parameters), parameters, cotangent) if parameters else ()
        for p, g in zip(parameters, gradients, strict=True):
            expect(g.dtype == p.dtype, f"gradient of a {p.dtype} parameter is {g.dtype}")
            expect(g.shape == p.shape, f"gradient of a parameter of shape {tuple(p.shape)} is {tuple(g.shape)}")
        return joined([double(g) for g in gradients])


def joined(parts: Sequence[Array]) -> Array:
    """The parts one after another, flat; of none, an empty array."""
    return np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0)


def double(t: Tensor) -> Array:
    """A tensor's values as a numpy array of doubles."""
    return t.detach().double().numpy(force=True)  # forward mode answers with tensors of zeros that have no memory
