"""Any shape, layout, channel axis and requires_grad: the same numbers as element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from learnact.compiler.verify import points
from learnact.compiler.verify.ledger import Finding, Ledger, expect, kept
from learnact.compiler.verify.oracle import Known
from learnact.compiler.verify.subject import Subject, double, joined
from learnact.compiler.verify.tolerances import FP64, GROWTH, LONG_SUMMATION, SUMMATION

Layout = Callable[[Tensor], Tensor]

LAYOUTS: dict[str, tuple[tuple[int, ...], Layout]] = {
    "0-d": ((), lambda t: t),
    "1-d": ((7,), lambda t: t),
    "one element": ((1,), lambda t: t),
    "3-d": ((2, 3, 5), lambda t: t),
    "5-d": ((2, 3, 2, 2, 2), lambda t: t),
    "transposed": ((3, 4), lambda t: t.T),
    "strided": ((4, 6), lambda t: t[::2, 1::2]),
    "expanded": ((3, 1), lambda t: t.expand(3, 4)),
    "channels last": ((2, 3, 4, 2), lambda t: t.to(memory_format=torch.channels_last)),
    "empty": ((0, 3), lambda t: t),
}
CHANNEL_CASES = (((4, 3), -1), ((2, 5, 3), -1), ((2, 3, 4), 1), ((2, 3, 2, 2), 1), ((3, 2), 0), ((3,), -1))
CHANNELS = 3
SHARING = 2  # channels of a group
CHUNK = 1 << 16  # elements that eager code may work on at a time, if the file does not say
TILE = 1009  # different points, again and again: a prime, so that no two chunks begin alike
RAGGED = 4099  # elements of the last chunk


def random(shape: tuple[int, ...], stream: int) -> Tensor:
    """Doubles of size 1.5, the same for a stream whenever asked."""
    return torch.tensor(points.rng(stream).normal(scale=1.5, size=shape))


def check_shapes(subject: Subject) -> Finding:
    """Values, input gradients and parameter gradients for every layout, against the oracle element by element."""
    ledger, setting = Ledger(), subject.generic
    for label, (shape, layout) in LAYOUTS.items():
        leaf = random(shape, 600).requires_grad_()
        x = layout(leaf)
        parameters = subject.tensors(setting.values, torch.float64)
        out = subject.function(x, *parameters)
        expect(out.shape == x.shape, f"{label}: shape {tuple(x.shape)} in, {tuple(out.shape)} out")
        cotangent = layout(random(shape, 601))
        slope, *gradients = torch.autograd.grad(out, [x, *parameters], cotangent)
        expect(slope.shape == x.shape, f"{label}: gradient of shape {tuple(slope.shape)} for {tuple(x.shape)}")
        for p, g in zip(parameters, gradients, strict=True):
            expect(g.shape == p.shape, f"{label}: parameter gradient of shape {tuple(g.shape)} for {tuple(p.shape)}")
        compare(subject, ledger, label, (x, out, cotangent, slope, gradients), setting.values)
    return ledger.finding(f"numbers in {len(LAYOUTS)} layouts")


def compare(
    subject: Subject,
    ledger: Ledger,
    label: str,
    parts: tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor]],
    values: tuple[float, ...],
) -> None:
    """Compare one forward and backward pass, of any shape, with the oracle in doubles."""
    at, out, cotangent, slope = (double(t).ravel() for t in parts[:4])
    truth = subject.oracle(at, values, exact=False)
    sloped = truth.slope.times(cotangent)
    for known, found, what in ((truth.value, out, "value"), (sloped, slope, "slope")):
        ledger.compare(known.error(found), FP64.bound(known.scale, truth.peak), f"{label}, {what}", at)
    flat = joined([double(g) for g in parts[4]])
    if not flat.size:
        return
    known = Known.stacked([gradient.times(cotangent).summed() for gradient in truth.gradients])
    bound = FP64.bound(known.scale, truth.peak.max(initial=0.0), growth=GROWTH + SUMMATION)
    ledger.compare(known.error(flat), bound, f"{label}, parameter gradients")


def check_chunks(subject: Subject) -> Finding:
    """More elements than eager code processes per chunk, the last chunk partial: in one row, and in rows of seven."""
    ledger, setting = Ledger(), subject.generic
    at, weight = (double(random((TILE,), stream)) for stream in (640, 641))
    truth = subject.oracle(at, setting.values, exact=False)
    size = (2 * getattr(subject.module, "CHUNK", CHUNK) + RAGGED) // 7 * 7
    index = np.arange(size) % TILE
    whole = truth[index]
    sloped = whole.slope.times(weight[index])
    times = weight * np.bincount(index)  # what all elements at one point weigh together
    sums = Known.stacked([gradient.times(times).summed() for gradient in truth.gradients])
    bounds = (
        FP64.bound(whole.value.scale, whole.peak),
        FP64.bound(sloped.scale, whole.peak),
        FP64.bound(sums.scale, truth.peak.max(), growth=GROWTH + LONG_SUMMATION),
    )
    for shape in ((size,), (-1, 7)):
        x = torch.tensor(at[index]).reshape(shape).requires_grad_()
        parameters = subject.tensors(setting.values, torch.float64)
        out = subject.function(x, *parameters)
        slope, *gradients = torch.autograd.grad(out, [x, *parameters], torch.tensor(weight[index]).reshape(shape))
        found = (double(out).ravel(), double(slope).ravel(), joined([double(g) for g in gradients]))
        for what, known, number, bound in zip(
            ("value", "slope", "parameter gradients"), (whole.value, sloped, sums), found, bounds, strict=True
        ):
            ledger.compare(known.error(number), bound, f"{what} in shape {tuple(x.shape)}")
    return ledger.finding(f"numbers in chunks: all {size} elements")


def check_channels(subject: Subject) -> Finding:
    """Parameters of shape (length, C) along any axis, as function and as module, against a loop over channels."""
    subject.require_parameters()
    ledger = Ledger()
    columns = [points.near(subject.oracle, subject.settings[0].values, 610 + k) for k in range(CHANNELS)]
    for shape, axis in CHANNEL_CASES:
        x = random(shape, 620).requires_grad_()
        cotangent = random(shape, 621)
        parameters = subject.channels(columns, torch.float64)
        module = subject.cls(CHANNELS, channel_dim=axis, dtype=torch.float64)
        held = subject.held(module, learning=True)
        with torch.no_grad():
            for mine, given in zip(held, parameters, strict=True):
                mine.copy_(given)
        for who, out, tensors in (
            ("function", subject.function(x, *parameters, channel_dim=axis), parameters),
            ("class", module(x), held),
        ):
            label = f"{who}, shape {shape}, channel_dim {axis}"
            expect(out.shape == x.shape, f"{label}: output of shape {tuple(out.shape)}")
            slope, *gradients = torch.autograd.grad(out, [x, *tensors], cotangent)
            for p, g in zip(tensors, gradients, strict=True):
                expect(g.shape == p.shape, f"{label}: parameter gradient of shape {tuple(g.shape)}")
            for c, values in enumerate(columns):
                part = [t.select(axis, c) for t in (x, out, cotangent, slope)]
                own = [g[:, c] for g in gradients]
                compare(subject, ledger, label, (part[0], part[1], part[2], part[3], own), values)
    if subject.grouped:
        _compare_groups(subject, ledger, columns)
    also = ", and of groups" if subject.grouped else "; takes no groups"
    return ledger.finding(f"numbers in {len(CHANNEL_CASES)} channel layouts{also}")


def _compare_groups(subject: Subject, ledger: Ledger, columns: list[tuple[float, ...]]) -> None:
    """Neighbouring channels of a group share its parameters, whose gradient is the sum over them."""
    x, cotangent = random((4, SHARING * CHANNELS, 2), 622).requires_grad_(), random((4, SHARING * CHANNELS, 2), 623)
    module = subject.cls(SHARING * CHANNELS, groups=CHANNELS, channel_dim=1, dtype=torch.float64)
    held = subject.held(module, learning=True)
    with torch.no_grad():
        for mine, given in zip(held, subject.channels(columns, torch.float64), strict=True):
            expect(mine.shape == given.shape, f"a parameter of {CHANNELS} groups has the shape {tuple(mine.shape)}")
            mine.copy_(given)
    out = module(x)
    slope, *gradients = torch.autograd.grad(out, [x, *held], cotangent)
    for c, values in enumerate(columns):
        part = [t[:, SHARING * c : SHARING * (c + 1)] for t in (x, out, cotangent, slope)]
        own = [g[:, c] for g in gradients]
        compare(subject, ledger, f"group {c}", (part[0], part[1], part[2], part[3], own), values)


def check_frozen_parts(subject: Subject) -> Finding:
    """requires_grad of x and of each parameter, on and off, changes no gradient that is required."""
    setting = subject.generic
    x = random((6,), 630)
    whole = subject.tensors(setting.values, torch.float64)
    leaf = x.clone().requires_grad_()
    slope, *gradients = torch.autograd.grad(subject.function(leaf, *whole).sum(), [leaf, *whole])
    frozen = [p.detach() for p in whole]
    (alone,) = torch.autograd.grad(subject.function(leaf, *frozen).sum(), leaf)
    expect(torch.equal(alone, slope), "the input's gradient depends on whether the parameters learn")
    for k, name in enumerate(v.name for v in subject.activation.parameters):
        mixed = [whole[k] if j == k else p for j, p in enumerate(frozen)]
        (alone,) = torch.autograd.grad(subject.function(x, *mixed).sum(), whole[k])
        expect(torch.equal(alone, gradients[k]), f"the gradient of {name} depends on what else learns")
    expect(not subject.function(x, *frozen).requires_grad, "an output without learning inputs asks for a gradient")
    with torch.no_grad():
        expect(torch.equal(subject.function(leaf, *whole), subject.function(x, *frozen)), "no_grad changes the value")
    return kept("input alone", "each parameter alone", "nothing")
