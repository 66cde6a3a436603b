"""torch.compile: one graph, declared values and gradients at every kind of point, no recompilation per batch size.

Few graphs are compiled, at seconds each; many questions are asked of each, at milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from learnact.compiler.declare.symbols import x as input_symbol
from learnact.compiler.verify import points, tolerances
from learnact.compiler.verify.checks_values import Met
from learnact.compiler.verify.jets import KINKED
from learnact.compiler.verify.ledger import Finding, Ledger, expect
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.oracle import Truth
from learnact.compiler.verify.subject import Answer, Subject, double, joined
from learnact.compiler.verify.tolerances import BF16, FP32, Precision

BATCHES = (16, 24, 33, 57)
ASKED = 24  # the batch that all questions are put in
WIDTH = 3
LONG = 300  # a row that compiled CPU code sums by itself
GRAPHS = 2  # with gradients: one for the first batch size, one for all others
TIES = 4  # settings of a brief check in which pieces tie
DENSE = 400  # random points of [-8, 8] beside the special ones
FAR = 2000  # sines of integers up to this times a degree of 12 are promised to single precision


@dataclass(frozen=True)
class Case:
    """One compiled module: by which backend, for which inputs."""

    backend: str
    precision: Precision
    inner: tuple[int, ...]  # what follows the batch in the shape of x
    channels: int = 1  # along dimension 1

    @property
    def label(self) -> str:
        """Its name in reports: backend, dtype, channels, row length."""
        channels = f", {self.channels} channels" if self.channels > 1 else ""
        return f"{self.backend}, {self.precision.label}{channels}, rows of {self.inner[-1]}"


CASES = (
    Case("inductor", FP32, (LONG,)),
    Case("aot_eager", FP32, (2, WIDTH)),
    Case("aot_eager", BF16, (WIDTH,)),
    Case("aot_eager", FP32, (WIDTH, 2), channels=WIDTH),
)
"""Inductor on long rows; on short ones the traced graph, which is where the file decides; in 2 and 3 dimensions."""

TRACED = (Case("eager", FP32, (LONG,)), Case("eager", FP32, (2, WIDTH)))
"""What only compiled modules run, but not compiled: torch runs the traced graph, in a second for both cases."""


@dataclass(frozen=True)
class Question:
    """Points to repeat until x is full, at these parameter values of every channel."""

    label: str
    columns: tuple[tuple[float, ...], ...]
    points: Array
    exact: bool = False  # nothing is rounded on the way to a branch, so that ties are compared too


def check_compile(subject: Subject) -> Finding:
    """Values and gradients of compiled modules, at every point at which the eager one is checked."""
    return _checked(subject, CASES, BATCHES, brief=False)


def check_traced(subject: Subject) -> Finding:
    """The same of the traced graph, at few points and one batch size: the branches that eager code never enters."""
    return _checked(subject, TRACED, (ASKED,), brief=True)


def _checked(subject: Subject, cases: Sequence[Case], batches: Sequence[int], *, brief: bool) -> Finding:
    """`brief`: at two settings and few ties, and not without gradients, which is traced once more."""
    from torch._dynamo.testing import CompileCounterWithBackend  # noqa: PLC0415 (takes a second)

    ledger = Ledger()
    for case in cases:
        if case.channels not in subject.counts(case.channels):
            continue
        torch._dynamo.reset()
        counter = CompileCounterWithBackend(case.backend)
        module = subject.make(case.channels, channel_dim=1 if case.channels > 1 else -1)  # fp32, as in mixed precision
        subject.held(module, learning=True)
        compiled = Compiled(subject, case, module, torch.compile(module, backend=counter, fullgraph=True))
        for batch in batches:
            compiled.ask(next(_questions(subject, case, brief)), batch, ledger, infer=False)
        for question in _questions(subject, case, brief):
            compiled.ask(question, ASKED, ledger, infer=not brief)
        compiled.ask_endless()
        compiled.ask_far(ledger)
        torch._dynamo.reset()
        graphs, due = counter.frame_count, min(GRAPHS, len(batches)) + (not brief)  # inference is traced by another way
        expect(graphs <= due, f"{case.label}: {graphs} graphs for {len(batches)} batch sizes, {due} are due")
    return ledger.finding(f"compiled numbers for batches {', '.join(map(str, batches))}")


def _questions(subject: Subject, case: Case, brief: bool) -> Iterator[Question]:
    """Settings near and far; and exact ties, each alone, so that no sum hides which piece took the derivative."""
    settings = [subject.settings[0], subject.settings[-1]] if brief else subject.settings
    for k, setting in enumerate(settings):
        columns = tuple(settings[(k + c) % len(settings)].values for c in range(case.channels))
        yield Question(setting.name, columns, points.many(setting, subject.law, count=DENSE))
        for size in sorted({abs(p) for p in points.LARGE}):
            yield Question(f"{setting.name}, |x| = {size:g}", columns, np.array([size, -size]))
    kinked = subject.activation.function.has(*KINKED) and points.decided_exactly(subject.activation)
    if kinked and case.precision is FP32 and case.channels == 1:
        for values in points.tied_settings(subject.activation)[: TIES if brief else None]:
            for at in points.INTEGERS[:: 3 if brief else 1]:
                yield Question(f"integers, x = {at:g}", (values,) * case.channels, np.array([at]), exact=True)


@dataclass
class Compiled:
    """A compiled module, and how to check it."""

    subject: Subject
    case: Case
    module: torch.nn.Module
    call: Any  # what torch.compile returned

    def ask(self, question: Question, batch: int, ledger: Ledger, infer: bool = True) -> None:
        """Run forward and backward, and without gradients, and compare with the oracle."""
        precision = self.case.precision
        columns = self._load(question.columns)
        x = torch.tensor(np.resize(question.points, (batch, *self.case.inner))).to(precision.dtype)
        truths = [
            self._truth(double(part).ravel(), column) for part, column in zip(self._parts(x), columns, strict=True)
        ]
        cotangent = torch.tensor(points.rng(900 + batch).normal(size=x.shape)).to(precision.dtype)
        for part, truth in zip(self._parts(cotangent), truths, strict=True):
            if not question.exact:  # the sum over a point whose branch rounding decides would say nothing
                undecided = truth.kink <= tolerances.UNDECIDED * precision.eps
                part[torch.tensor(undecided).reshape(part.shape)] = 0.0
        out, slope, gradients = self._run(x, cotangent)
        with torch.no_grad():
            inferred = self.call(x) if infer else out
        tensors = (x, cotangent, out, slope, inferred)
        for c, (truth, column) in enumerate(zip(truths, columns, strict=True)):
            at, weight, value, sloped, quiet = (double(self._parts(t)[c]).ravel() for t in tensors)
            sums = joined([double(g if self.case.channels == 1 else g[:, c]) for g in gradients])
            whole = (slice(0, at.size),)
            for found, what in ((value, ""), (quiet, ", without gradients")):
                answer = Answer(at, column, weight, found, sloped, (sums,), whole)
                met = Met(f"{self.case.label}, {question.label}{what}", answer, truth, precision, torch.float32)
                everywhere = truth.finite & ~truth.gap if question.exact else None
                met.values(ledger, everywhere)
            met.slopes(ledger, everywhere)
            met.gradients(ledger, everywhere if question.exact else met.smooth | (weight == 0))

    def ask_endless(self) -> None:
        """One NaN changes no other element; an infinite x gives what the eager module gives."""
        self._load((self.subject.settings[0].values,) * self.case.channels)
        x = torch.tensor(points.rng(810).normal(size=(ASKED, *self.case.inner))).to(self.case.precision.dtype)
        spoiled, label = x.clone(), self.case.label
        first = spoiled.select(-1, 0).reshape(ASKED, -1)[:, 0]  # a view: one number of every row
        first[5], first[7], first[11] = torch.nan, torch.inf, -torch.inf
        others, ends = spoiled.isfinite(), spoiled.isinf()
        (out, slope, _), (found, found_slope, _) = (self._run(t, torch.ones_like(x)) for t in (x, spoiled))
        alike = torch.equal(out[others], found[others]) and torch.equal(slope[others], found_slope[others])
        expect(alike, f"{label}: a NaN changes the numbers of other elements")
        hides = self.subject.activation.function.has(sp.Piecewise, sp.Heaviside, sp.sign)
        expect(hides or bool(found[spoiled.isnan()].isnan()), f"{label}: a NaN input becomes a number")
        eager, near = self.module(spoiled)[ends].detach(), tolerances.GROWTH * torch.finfo(x.dtype).eps
        same = torch.allclose(found[ends], eager, rtol=near, atol=near, equal_nan=True)
        expect(same, f"{label}: at x = inf and -inf {found[ends].tolist()}, eager {eager.tolist()}")

    def ask_far(self, ledger: Ledger) -> None:
        """Where x enters through sines alone, and their arguments are exact, F is as exact far out as it is near 0.

        Otherwise the rounding of a large x would excuse a wrong argument reduction.
        """
        function = self.subject.activation.function
        bare = function.replace(lambda e: isinstance(e, (sp.sin, sp.cos)), lambda e: sp.Dummy())
        exact = all(points.dyadic_polynomial(e.args[0]) for e in function.atoms(sp.sin, sp.cos))
        if bare.has(input_symbol) or not exact or self.case.precision is not FP32:
            return
        columns = self._load(((1.0,) * len(self.subject.activation.symbols),) * self.case.channels)
        at = points.rng(820).integers(-FAR, FAR + 1, size=(ASKED, *self.case.inner)).astype(float)
        x = torch.tensor(at).to(torch.float32)
        out, slope, _ = self._run(x, torch.ones_like(x))
        truth, near = (self._truth(p, columns[0]) for p in (at.ravel(), np.linspace(-np.pi, np.pi, 101)))
        for what, found in (("value", out), ("slope", slope)):
            known, close = getattr(truth, what), getattr(near, what)
            bound = FP32.bound(close.scale.max(), near.peak.max())
            ledger.compare(known.error(double(found).ravel()), bound, f"{self.case.label}, {what} far out", at.ravel())

    def _load(self, columns: tuple[tuple[float, ...], ...]) -> list[tuple[float, ...]]:
        """Give the parameters these values, rounded; what they are then."""
        with torch.no_grad():
            for parameter, values in zip(
                self.subject.held(self.module), self.subject.channels(columns, torch.float32), strict=True
            ):
                parameter.copy_(values.reshape(parameter.shape))
        return [tuple(float(np.float32(v)) for v in column) for column in columns]

    def _parts(self, t: Tensor) -> tuple[Tensor, ...]:
        """Views of what belongs to each channel."""
        return (t,) if self.case.channels == 1 else t.unbind(1)

    def _truth(self, at: Array, column: tuple[float, ...]) -> Truth:
        unique, index = np.unique(at, return_inverse=True)
        return self.subject.oracle(unique, column, exact=False)[index]

    def _run(self, x: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        leaf = x.clone().requires_grad_()
        out = self.call(leaf)
        expect(out.dtype == x.dtype, f"{x.dtype} in, {out.dtype} out of the compiled module")
        slope, *gradients = torch.autograd.grad(out, [leaf, *self.subject.held(self.module)], cotangent)
        return out.detach(), slope, gradients
