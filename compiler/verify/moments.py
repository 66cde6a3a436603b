"""The emitted function under the input law: values and slopes from which its moments are integrated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from learnact.compiler.verify import points, quadrature
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.quadrature import Rule
from learnact.compiler.verify.subject import Subject, double
from learnact.compiler.verify.tolerances import MOMENT

UNCONVERGED = "whose integral does not converge"


@dataclass(frozen=True)
class Emitted:
    """The emitted function at one start, under the law: its values and slopes at the nodes of a rule."""

    rule: Rule
    value: Array
    slope: Array

    @property
    def nodes(self) -> Array:
        """The x at which it was evaluated, (N,)."""
        return self.rule.nodes

    def mean(self, integrand: Array) -> float:
        """E[integrand]."""
        return float(np.sum(self.rule.weights * integrand))

    def q_slope(self, lift: float = 0.0) -> float:
        """E[x F F'] / E[F^2] of F + lift."""
        lifted = self.value + lift
        return self.mean(self.nodes * lifted * self.slope) / self.mean(lifted**2)

    @cached_property
    def converged(self) -> tuple[bool, bool, bool]:
        """Whether the integrals of E[F^2], E[F'^2] and the q-slope have converged under halving of panels."""
        second, slope, product, lift = (
            bool(moved <= MOMENT * (1 + abs(self.mean(row))) / 8)
            for moved, row in zip(self.rule.moved, _moments(self.nodes, self.value, self.slope), strict=True)
        )
        return second and lift, slope, second and product and lift


def _moments(at: Array, value: Array, slope: Array) -> Array:
    return np.array([value**2, slope**2, at * value * slope, value])


def emitted(subject: Subject, values: tuple[float, ...], refined: bool = True) -> Emitted:
    """What the file computes with these parameter values, on a rule that is split at the kinks the referee found.

    It is split at 0 too, where the classical functions that are fitted have theirs; and refined for its own moments.
    """
    low, high = quadrature.reach(subject.law)
    kinks = points.find_kinks(subject.oracle, values, max(-low, high))

    def moments(at: Array) -> Array:
        return _moments(at, *evaluated(subject, values, at))

    rule = quadrature.rule(subject.law, (*kinks, 0.0), moments if refined else None)
    return Emitted(rule, *evaluated(subject, values, rule.nodes))


def evaluated(subject: Subject, values: tuple[float, ...], at: Array) -> tuple[Array, Array]:
    """F and F' of the emitted function, in fp64."""
    t = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    out = subject.function(t, *subject.tensors(values, torch.float64, grad=False))
    (slope,) = torch.autograd.grad(out.sum(), t)
    return double(out), double(slope)
