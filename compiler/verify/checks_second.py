"""Second derivatives by every nesting of forward and reverse mode, against differences of the oracle's first ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from learnact.compiler.verify import points, tolerances
from learnact.compiler.verify.checks_autograd import smooth_points, smooth_settings
from learnact.compiler.verify.ledger import Finding, Ledger
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.points import Setting
from learnact.compiler.verify.subject import Subject, double

POINTS = 20  # of which one in every piece is taken, and two at least
Nested = Callable[[Tensor], Tensor]


def check_second_derivatives(subject: Subject) -> Finding:
    """The Hessian by x and all parameters, each mode over itself and over the other, and products with a direction."""
    ledger = Ledger()

    def f(inputs: Tensor) -> Tensor:
        return subject.function(inputs[0], *subject.split(inputs[1:]))

    usable = smooth_settings(subject, POINTS)
    for setting in (usable[0], usable[-1]):
        at = _in_every_piece(smooth_points(subject, setting, POINTS), setting)
        for point, hessian, scale in zip(at, *_hessians(subject, setting, at), strict=True):
            inputs = torch.tensor([point, *setting.values], dtype=torch.float64)
            direction = torch.tensor(points.rng(530).normal(size=len(inputs)))
            along = double(direction)
            cases = {
                "jacrev of jacrev": (torch.func.jacrev(torch.func.jacrev(f)), hessian),
                "jacfwd of jacfwd": (torch.func.jacfwd(torch.func.jacfwd(f)), hessian),
                "hessian": (torch.func.hessian(f), hessian),
                "jvp of grad": (_pushed(torch.func.grad(f), direction), hessian @ along),
                "jvp of jvp": (_pushed(_pushed(f, direction), direction), along @ hessian @ along),
            }
            for how, (nested, true) in cases.items():
                error = np.abs(double(nested(inputs)) - true)
                ledger.compare(error, tolerances.SECOND * (1 + scale), f"{how}, {setting.name}, x = {point:.6g}")
    return ledger.finding("second derivatives")


def _in_every_piece(at: Array, setting: Setting) -> Array:
    _, first = np.unique(np.searchsorted(setting.kinks, at), return_index=True)
    return at[np.union1d(first, [0, 1])]


def _pushed(f: Nested, direction: Tensor) -> Nested:
    return lambda inputs: torch.func.jvp(f, (inputs,), (direction,))[1]


def _hessians(subject: Subject, setting: Setting, at: Array) -> tuple[Array, Array]:
    """Central differences of the oracle's first derivatives, (points, inputs, inputs), and the scale of their terms."""
    columns, scales = [], []
    for k in range(1 + len(setting.values)):
        sides = []
        for side in (1.0, -1.0):
            step = side * tolerances.SECOND_STEP
            values = tuple(v + step * (j == k - 1) for j, v in enumerate(setting.values))
            truth = subject.oracle(at + step * (k == 0), values, exact=False)
            first = (truth.slope, *truth.gradients)
            sides.append(np.array([g.high for g in first]))
            scales.append(np.array([g.scale for g in first]).max(axis=0))
        columns.append((sides[0] - sides[1]) / (2 * tolerances.SECOND_STEP))
    return np.array(columns).transpose(2, 0, 1), np.max(scales, axis=0)
