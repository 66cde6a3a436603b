"""Autograd: finite differences, second order, forward mode, vmap, per-sample gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from learnact.compiler.verify import points, tolerances
from learnact.compiler.verify.ledger import Finding, Ledger, expect, kept
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.points import Setting
from learnact.compiler.verify.subject import Subject, double, joined
from learnact.compiler.verify.tolerances import FP64, GROWTH, SAME

SAMPLES, WIDTH = 4, 3
DIFFERENCED = 4  # points for finite differences
PUSHED = 8  # points for forward mode


def smooth_points(subject: Subject, setting: Setting, count: int) -> Array:
    """Random points away from every kink, of this setting and of slightly moved parameters; none where pieces tie."""
    margin = tolerances.KINK_MARGIN
    found = points.away(setting.kinks, points.rng(500).uniform(-2.5, 2.5, size=50 * count), margin)
    truth = subject.oracle(found, setting.values, exact=False)
    found = found[(truth.kink > margin) & truth.finite]
    return found[:count] if len(found) >= count else found[:0]


def smooth_settings(subject: Subject, count: int) -> list[Setting]:
    """The settings that have `count` smooth points; a start at which all pieces tie everywhere has none."""
    found = [s for s in subject.settings if smooth_points(subject, s, count).size]
    expect(bool(found), f"no setting has {count} points that keep {tolerances.KINK_MARGIN} from all kinks")
    return found


def _inputs(subject: Subject, setting: Setting, count: int) -> tuple[Tensor, ...]:
    x = torch.tensor(smooth_points(subject, setting, count), dtype=torch.float64, requires_grad=True)
    return (x, *subject.tensors(setting.values, torch.float64))


def check_gradcheck(subject: Subject) -> Finding:
    """Reverse and forward derivatives of first order against finite differences, parameters included."""
    usable = smooth_settings(subject, DIFFERENCED)
    for setting in (usable[0], usable[-1]):
        inputs = _inputs(subject, setting, DIFFERENCED)
        torch.autograd.gradcheck(subject.function, inputs, check_forward_ad=True, **tolerances.GRADCHECK)
    return kept(f"at {usable[0].name} and {usable[-1].name}")


def check_gradgradcheck(subject: Subject) -> Finding:
    """Second derivatives, of x and every parameter, against finite differences of the first."""
    setting = smooth_settings(subject, DIFFERENCED)[-1]
    inputs = _inputs(subject, setting, DIFFERENCED)
    torch.autograd.gradgradcheck(subject.function, inputs, **tolerances.GRADCHECK)
    return kept(f"at {setting.name}")


def check_forward_mode(subject: Subject) -> Finding:
    """Jacobian-vector products of torch.func.jvp against the oracle: along x, the parameters, and both."""
    ledger = Ledger()
    for setting in smooth_settings(subject, PUSHED):
        at = smooth_points(subject, setting, PUSHED)
        primals = tuple(t.detach() for t in _inputs(subject, setting, PUSHED))
        truth = subject.oracle(at, setting.values, exact=True)
        directions = [torch.tensor(points.rng(510 + k).normal(size=t.shape)) for k, t in enumerate(primals)]
        for label, along in (("x", (1.0, 0.0)), ("parameters", (0.0, 1.0)), ("both", (1.0, 1.0))):
            tangents = tuple(d * along[min(k, 1)] for k, d in enumerate(directions))
            out, found, *_ = torch.func.jvp(subject.function, primals, tangents)
            ledger.compare(truth.value.error(double(out)), FP64.bound(truth.value.scale, truth.peak), "value", at)
            weights = joined([double(t) for t in tangents[1:]])
            known = [truth.slope.times(double(tangents[0]))]
            known += [g.times(np.full(len(at), w)) for g, w in zip(truth.gradients, weights, strict=True)]
            total = np.sum([k.high for k in known], axis=0)
            scale = np.sum([k.scale + np.abs(k.high) for k in known], axis=0)
            ledger.compare(
                np.abs(double(found) - total), FP64.bound(scale, truth.peak), f"along {label}, {setting.name}", at
            )
    return ledger.finding("directional derivatives")


def check_vmap(subject: Subject) -> Finding:
    """torch.func.vmap over inputs, over parameters and over both against a loop."""
    ledger, setting = Ledger(), smooth_settings(subject, SAMPLES * WIDTH)[-1]
    x, parameters = _batch(subject, setting)
    many = [torch.stack([p * (1 + k / 8) for k in range(SAMPLES)]) for p in parameters]
    fixed = [None] * len(parameters)
    cases: dict[str, tuple[tuple[int | None, ...], tuple[Tensor, ...]]] = {
        "inputs": ((0, *fixed), (x, *parameters)),
        "parameters": ((None, *[0] * len(parameters)), (x[0], *many)),
        "both": ((0, *[0] * len(parameters)), (x, *many)),
    }
    for label, (dims, arguments) in list(cases.items())[: 1 if subject.fixed else None]:
        found = torch.func.vmap(subject.function, in_dims=dims)(*arguments)
        for k in range(SAMPLES):
            one = [a if d is None else a[k] for a, d in zip(arguments, dims, strict=True)]
            values = joined([double(t) for t in one[1:]]).tolist()
            truth = subject.oracle(double(one[0]), values, exact=True)
            bound = FP64.bound(truth.value.scale, truth.peak)
            ledger.compare(truth.value.error(double(found[k])), bound, f"over {label}", double(one[0]))
    return ledger.finding("vmapped values")


def check_per_sample_gradients(subject: Subject) -> Finding:
    """vmap(grad(...)) of a loss by x and all parameters against one backward pass for every sample."""
    ledger, setting = Ledger(), smooth_settings(subject, SAMPLES * WIDTH)[-1]
    x, parameters = _batch(subject, setting)
    weights = torch.tensor(points.rng(521).normal(size=WIDTH))

    def loss(row: Tensor, *values: Tensor) -> Tensor:
        return (subject.function(row, *values) * weights).sum()

    everything = tuple(range(1 + len(parameters)))
    gradients: Callable[..., tuple[Tensor, ...]] = torch.func.grad(loss, argnums=everything)
    found = torch.func.vmap(gradients, in_dims=(0, *[None] * len(parameters)))(x, *parameters)
    for k in range(SAMPLES):
        one = [t.clone().requires_grad_() for t in (x[k], *parameters)]
        loop = torch.autograd.grad(loss(*one), one)
        truth = subject.oracle(double(x[k]), setting.values, exact=False)
        slope = truth.slope.times(double(weights)).scale
        sums = np.array([g.times(double(weights)).scale.sum() for g in truth.gradients])
        for batched, single, scale in zip(found, loop, (slope, *subject.split(sums)), strict=True):  # type: ignore[arg-type]
            bound = FP64.bound(scale, truth.peak.max(), growth=SAME * GROWTH)
            ledger.compare(np.abs(double(batched[k]) - double(single)), bound, f"sample {k}")
    return ledger.finding("per-sample gradients")


def _batch(subject: Subject, setting: Setting) -> tuple[Tensor, list[Tensor]]:
    x = torch.tensor(smooth_points(subject, setting, SAMPLES * WIDTH)).reshape(SAMPLES, WIDTH)
    return x, subject.tensors(setting.values, torch.float64, grad=False)
