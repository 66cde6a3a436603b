"""torch.compile: one graph, the eager numbers, and no new compilation for a new batch size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from learnact.compiler.verify import points
from learnact.compiler.verify.ledger import Finding, Ledger, expect
from learnact.compiler.verify.subject import Subject, double
from learnact.compiler.verify.tolerances import BF16, FP32, GROWTH, SUMMATION, Precision

BATCHES = (16, 24, 33, 57)
WIDTH = 3
LONG = 300  # a row that compiled CPU code sums by itself
GRAPHS = 2  # one for the first batch size, one for all others


def check_compile(subject: Subject) -> Finding:
    """Inductor in fp32 on long rows; the traced graph on short ones, in bf16 and per channel."""
    ledger = Ledger()
    _compiled(subject, ledger, FP32, channels=1, backend="inductor", width=LONG)
    _compiled(subject, ledger, FP32, channels=1, backend="aot_eager")
    _compiled(subject, ledger, BF16, channels=1, backend="aot_eager")
    _compiled(subject, ledger, FP32, channels=WIDTH, backend="aot_eager")
    return ledger.finding(f"compiled numbers for batches {', '.join(map(str, BATCHES))}")


def _compiled(
    subject: Subject, ledger: Ledger, precision: Precision, channels: int, backend: str, width: int = WIDTH
) -> None:
    torch._dynamo.reset()
    module = subject.cls(channels)  # parameters stay fp32, as in mixed precision
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(module, backend=counter, fullgraph=True)
    label = f"{backend}, {precision.label}, {channels} channels" if channels > 1 else f"{backend}, {precision.label}"
    for batch in BATCHES:
        x = torch.tensor(points.rng(800 + batch).normal(size=(batch, width))).to(precision.dtype).requires_grad_()
        cotangent = torch.tensor(points.rng(900 + batch).normal(size=(batch, width))).to(precision.dtype)
        found = _run(compiled, module, x, cotangent)
        eager = _run(module, module, x, cotangent)
        bounds = _bounds(subject, x, cotangent, precision, channels)
        for what, a, b, bound in zip(("value", "slope", "parameter gradients"), found, eager, bounds, strict=True):
            ledger.compare(np.abs(a - b), bound, f"{label}, {what}, batch {batch}")
    graphs = counter.frame_count
    with torch.no_grad():  # inference is traced by another way
        inferred = double(compiled(x)).ravel()
    ledger.compare(np.abs(inferred - eager[0]), bounds[0], f"{label}, value without gradients")
    torch._dynamo.reset()
    expect(graphs <= GRAPHS, f"{label}: {graphs} graphs for {len(BATCHES)} batch sizes, {GRAPHS} are due")


def _run(
    call: Callable[[Tensor], Tensor], owner: torch.nn.Module, x: Tensor, cotangent: Tensor
) -> tuple[np.ndarray, ...]:
    out = call(x)
    expect(out.dtype == x.dtype, f"{x.dtype} in, {out.dtype} out of the compiled module")
    slope, *gradients = torch.autograd.grad(out, [x, *owner.parameters()], cotangent)
    return double(out).ravel(), double(slope).ravel(), np.concatenate([double(g).ravel() for g in gradients])


def _bounds(
    subject: Subject, x: Tensor, cotangent: Tensor, precision: Precision, channels: int
) -> tuple[np.ndarray, ...]:
    """What two runs may differ by: each may be off by its own bound."""
    values = tuple(float(np.float32(v)) for v in subject.printed(next(iter(subject.module.STARTS))))
    truth = subject.oracle(double(x).ravel(), values, exact=False)
    g = double(cotangent).ravel()
    value, slope = (
        2 * precision.bound(k.scale, truth.peak, rounded=np.abs(k.high)) for k in (truth.value, truth.slope.times(g))
    )
    sums = np.array([k.times(g).scale.reshape(-1, channels).sum(axis=0) for k in truth.gradients])
    return value, slope, 2 * precision.bound(sums.ravel(), truth.peak.max(), growth=GROWTH + SUMMATION)
