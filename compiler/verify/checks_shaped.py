"""A shaped start: what was asked of it, from the emitted function's values and its first and second derivatives."""

from __future__ import annotations

import numpy as np
import torch

from learnact.compiler.declare.shape import Shape
from learnact.compiler.verify import points, quadrature, tolerances
from learnact.compiler.verify.ledger import Ledger
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.moments import UNCONVERGED, Emitted, emitted, evaluated
from learnact.compiler.verify.subject import Subject, double


def check_shape(subject: Subject, start: str, shape: Shape, ledger: Ledger) -> None:
    """E[F^2] = 1 or E[F] = 0, E[F'^2], and C''(1) or kappa of the printed values."""
    values = subject.printed(start)
    f = emitted(subject, values)
    mean, second, slope_second = f.mean(f.value), f.mean(f.value**2), f.mean(f.slope**2)
    if not all(f.converged):
        ledger.leave(1, UNCONVERGED)
        return
    if shape.centred:
        ledger.compare(abs(mean), tolerances.MOMENT, f"{start}, E[F] = {mean:.12g}")
    else:
        ledger.compare(abs(second - 1), tolerances.MOMENT, f"{start}, E[F^2] = {second:.12g}")
        excess = abs(f.q_slope()) - abs(f.q_slope(-2 * mean))  # the other shift gives F - 2 E[F]
        ledger.compare(max(0.0, excess), tolerances.MOMENT, f"{start}, the shift with the smaller q-slope")
    asked = float(shape.slope)
    ledger.compare(
        abs(slope_second - asked), tolerances.MOMENT * (1 + asked), f"{start}, E[F'^2] = {slope_second:.12g}"
    )
    steep = _kappa(subject, values) / second
    if shape.measure == "kappa":
        found, bound = steep, tolerances.STEEPNESS
    else:
        found, bound = _bend(subject, values, f) / second, tolerances.MOMENT
        ledger.compare(steep, tolerances.STEEPNESS, f"{start}, kappa = {steep:.6g} of what should have no kinks")
    due = float(shape.amount)
    ledger.compare(abs(found - due), bound * (1 + due), f"{start}, {shape.label} = {found:.12g}, asked was {due:.12g}")


def _bend(subject: Subject, values: tuple[float, ...], f: Emitted) -> float:
    """sigma^4 E[F''^2], by differentiating the emitted function twice."""
    t = torch.tensor(f.nodes, dtype=torch.float64, requires_grad=True)
    out = subject.function(t, *subject.tensors(values, torch.float64, grad=False))
    (slope,) = torch.autograd.grad(out.sum(), t, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), t)
    return float(subject.law.sigma) ** 4 * f.mean(double(second) ** 2)


def _kappa(subject: Subject, values: tuple[float, ...]) -> float:
    """2 sigma^2/(3 sqrt(pi)) sum_i w_i^2 phi(t_i/sigma), w_i the jump of the slope at the kink t_i."""
    sigma, (_, high) = float(subject.law.sigma), quadrature.reach(subject.law)
    kinks = np.array(points.find_kinks(subject.oracle, values, high))
    if not kinks.size:
        return 0.0
    step = tolerances.KINK_STEP[torch.float64] * (1 + np.abs(kinks))
    jumps: Array = evaluated(subject, values, kinks + step)[1] - evaluated(subject, values, kinks - step)[1]
    density = np.exp(-((kinks / sigma) ** 2) / 2) / np.sqrt(2 * np.pi)
    return float(2 * sigma**2 / (3 * np.sqrt(np.pi)) * np.sum(jumps**2 * density))
