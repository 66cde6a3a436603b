"""E[f(x)] under a law in double precision, of functions that can only be called: a second way to every moment.

Gauss-Legendre panels are halved where a panel and its halves disagree, so that kinks that nobody declares are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from learnact.compiler.analyse.double import Array
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal
from learnact.compiler.derive.fit.panels import Panels
from learnact.errors import Divergent

Integrands = Callable[[Array], Array]
"""(N,) points -> (integrands, N) values."""

PANELS = 48
"""At first, over the whole support."""

DYADIC = (0.0, *(s * 2.0**k for k in range(-1, 24) for s in (-1, 1)))
"""Ends of panels besides: activations bend around 0, however wide the law is."""

MOVED = 1e-14
"""A panel is halved while that moves an integral by more, in units of the integral of its absolute value."""

HALVINGS = 52
"""Of one panel; beyond them its ends are one double apart."""

MOST = 4096
"""Panels halved at once. More are no kink, but a function that no rule resolves."""

ROUNDING = 16 * float(np.finfo(float).eps)
"""Of a sum of some thousand terms by pairs, in units of the sum of absolute values."""

TAIL = 1e-10
"""What the outermost panels of a law without bounds may hold of an integral that exists: under them lie 1e-40 of it."""

CELLS = 1 << 15
"""Of the midpoint rule that is the second opinion on code."""


def integrals(law: Law, of: Integrands, breaks: Sequence[float] = ()) -> tuple[Array, Array]:
    """E[f(x)] for each integrand and a bound on the error of the rule, both of shape (integrands,).

    `breaks` are points where an integrand is not smooth. Where an integral does not exist its value is nan.
    Raises Divergent where a value is not finite.
    """
    panels = Panels(law)
    lo, hi = (float(t) for t in panels.to_t(np.array(panels.ends)))
    inner = [b for b in (*breaks, *DYADIC) if panels.ends[0] < b < panels.ends[1]]
    edges = np.unique([*np.linspace(lo, hi, PANELS + 1), *panels.to_t(np.array(inner))])
    left, right = edges[:-1], edges[1:]

    def whole(a: Array, b: Array) -> tuple[Array, Array]:
        points, weights = panels.between(a, b)
        values = of(points.ravel())
        if not np.isfinite(values).all():
            where = points.ravel()[~np.isfinite(values).all(axis=0)][0]
            raise Divergent(f"the function or its slope is not finite at x = {where:.6g}, inside the reach of {law}")
        weighted = values.reshape(len(values), *points.shape) * weights
        return weighted.sum(-1), np.abs(weighted).sum(-1)

    found, magnitude = whole(left, right)
    size = magnitude.sum(1)
    outer = np.zeros_like(size)
    if isinstance(law, Normal):
        outer = magnitude[:, 0] + magnitude[:, -1]
    elif isinstance(law, Exponential):
        outer = magnitude[:, -1]
    total, error = np.zeros_like(size), np.zeros_like(size)
    for k in range(HALVINGS):
        middle = (left + right) / 2
        halves, _ = whole(np.concatenate([left, middle]), np.concatenate([middle, right]))
        moved = np.abs(found - halves[:, : left.size] - halves[:, left.size :])
        open_ = (moved > MOVED * size[:, None]).any(0)
        if k == HALVINGS - 1 or open_.sum() > MOST:
            open_[:] = False
        done = halves[:, : left.size] + halves[:, left.size :]
        total, error = total + done[:, ~open_].sum(1), error + moved[:, ~open_].sum(1)
        if not open_.any():
            break
        found = halves[:, np.tile(open_, 2)]
        left, right = (np.concatenate(pair) for pair in ((left[open_], middle[open_]), (middle[open_], right[open_])))
    return np.where(outer > TAIL * size, np.nan, total), error + ROUNDING * size


def midpoints(law: Law, of: Integrands) -> Array:
    """E[f(x)] for each integrand by the midpoint rule: crude at kinks, and right to six digits all the same."""
    panels = Panels(law)
    lo, hi = (float(t) for t in panels.to_t(np.array(panels.ends)))
    edges = np.linspace(lo, hi, CELLS + 1)
    t, width = (edges[:-1] + edges[1:]) / 2, (hi - lo) / CELLS
    if isinstance(law, Arcsine):
        points, weights = -panels.scale * np.cos(t), np.full(CELLS, width / np.pi)
    else:
        points, weights = t, width * panels.density(t)
    return np.asarray((of(points) * weights).sum(1))
