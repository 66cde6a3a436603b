"""Fitted starts: printed values must minimize E[(F - T)^2] + E[(F' - T')^2]."""

from __future__ import annotations

import numpy as np

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify import points, quadrature, tolerances
from learnact.compiler.verify.ledger import Ledger, expect
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.moments import Emitted, emitted
from learnact.compiler.verify.subject import Subject

DIRECTIONS = 8  # random moves of all parameters at once, each made forth and back


def check_fit(subject: Subject, start: str, ledger: Ledger) -> None:
    """A linear fit's residual is orthogonal to the features, but for a ridge; no small move improves another fit."""
    fit = subject.activation.family.fit
    expect(fit is not None, f"{start} is no declared start and the family declares no fit")
    values = subject.printed(start)
    fitted = emitted(subject, values)
    distance, norm = _distance(fitted, start), _distance(fitted, start, share=0.0)
    ledger.compare(distance, norm, f"{start}, no farther from its target than 0 is")
    if isinstance(fit, LinearFit):
        _orthogonal(subject, fit, fitted, start, ledger)
        return
    for k in range(DIRECTIONS):
        step = tolerances.FIT_STEP * points.rng(450 + k).normal(size=len(values)) * (1 + np.abs(values))
        for sign in (1.0, -1.0):
            moved = emitted(subject, tuple((np.array(values) + sign * step).tolist()), refined=False)
            gained = (distance - _distance(moved, start)) / norm
            ledger.compare(max(0.0, gained), tolerances.FIT_GAIN, f"{start}, moved in direction {k}")


def _orthogonal(subject: Subject, fit: LinearFit, f: Emitted, start: str, ledger: Ledger) -> None:
    target, target_slope = quadrature.on_nodes(CLASSICAL[start](x), x, f.nodes)
    norm = np.sqrt(f.mean(target**2 + target_slope**2))
    features = fit.features(subject.activation.degree, subject.law)
    columns, correlations = [], []
    for feature in features:
        phi, slope = quadrature.on_nodes(feature, x, f.nodes)
        size = np.sqrt(f.mean(phi**2 + slope**2))
        product = f.mean((f.value - target) * phi + (f.slope - target_slope) * slope)
        correlations.append(product / (norm * size))
        columns.append(np.concatenate([phi, slope]) / size)
    left = _regularised(np.array(correlations), _weights(f, columns) / norm)
    for feature, correlation in zip(features, left, strict=True):
        ledger.compare(abs(correlation), tolerances.FIT, f"{start}, residual against {feature}")


def _weights(f: Emitted, columns: list[Array]) -> Array:
    """Of the features, each of norm 1, in the emitted function."""
    root = np.sqrt(np.tile(f.rule.weights, 2))
    found, *_ = np.linalg.lstsq(root[:, None] * np.stack(columns, axis=1), root * np.concatenate([f.value, f.slope]))
    return found


def _regularised(correlations: Array, weights: Array) -> Array:
    """Correlations and what a ridge takes off them: it leaves each feature's as large as its weight, times one number.

    None is granted to a fit whose terms are not large against the target: those are left as they are.
    """
    ridge = -(correlations @ weights) / (weights @ weights)
    granted = 0 < ridge <= tolerances.RIDGE and np.abs(weights).sum() >= tolerances.RIDGED
    return correlations + ridge * weights if granted else correlations


def _distance(f: Emitted, start: str, share: float = 1.0) -> float:
    """E[(s F - T)^2] + E[(s F' - T')^2] for the share s."""
    target, slope = quadrature.on_nodes(CLASSICAL[start](x), x, f.nodes)
    return f.mean((share * f.value - target) ** 2 + (share * f.slope - slope) ** 2)
