"""The emitted function under the input law: what its moments are integrated from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from learnact.compiler.verify import points, quadrature
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.subject import Subject, double


@dataclass(frozen=True)
class Emitted:
    """The emitted function at one start, under the law: its values and slopes at the nodes of a rule."""

    nodes: Array
    weights: Array
    value: Array
    slope: Array

    def mean(self, integrand: Array) -> float:
        """E[integrand]."""
        return float(np.sum(self.weights * integrand))

    def q_slope(self, lift: float = 0.0) -> float:
        """E[x F F'] / E[F^2] of F + lift."""
        lifted = self.value + lift
        return self.mean(self.nodes * lifted * self.slope) / self.mean(lifted**2)


def emitted(subject: Subject, values: tuple[float, ...]) -> Emitted:
    """What the file computes with these parameter values, on a rule that is split at the kinks the referee found.

    It is split at 0 too, where the classical functions that are fitted have theirs.
    """
    low, high = quadrature.reach(subject.law)
    kinks = points.find_kinks(subject.oracle, values, max(-low, high))
    nodes, weights = quadrature.rule(subject.law, (*kinks, 0.0))
    return Emitted(nodes, weights, *evaluated(subject, values, nodes))


def evaluated(subject: Subject, values: tuple[float, ...], at: Array) -> tuple[Array, Array]:
    """F and F' of the emitted function, in fp64."""
    t = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    out = subject.function(t, *subject.tensors(values, torch.float64, grad=False))
    (slope,) = torch.autograd.grad(out.sum(), t)
    return double(out), double(slope)
