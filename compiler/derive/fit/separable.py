"""Least squares in value and slope over all parameters, by variable projection (Golub & Pereyra 1973).

F is linear in some parameters, given the others: each step solves for those, and a damped Gauss-Newton step
(Levenberg-Marquardt, with Kaufman's Jacobian) moves the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.declare.doubles import with_doubles
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.pieces import derivative
from learnact.compiler.derive.expectation.values import BY_NAME, Array

RIDGE = 1e-9
"""Weight of sum_i w_i^2 |f_i|^2 beside the objective, for the linear parameters: keeps terms from cancelling.

|f_i| is taken at a reference point, since one that moved would be part of the Jacobian.
"""

FLAT = 1e-7
"""Cosine between the residual and what moves it, below which no step is tried: rounding leaves 1e-9 and more."""

GAIN = 1e-5
"""Part of the objective that one more step would take off, below which a point is a minimum.

Along a valley that is nearly level, rounding of the sums stops the descent there.
"""

ZERO = 1e-20
"""An objective below this, in units of E[T^2] + E[T'^2], is rounding."""


@dataclass(frozen=True)
class Point:
    """Values of all parameters, the objective there, and whether it is stationary."""

    values: Array
    objective: float  # in units of E[T^2] + E[T'^2]
    converged: bool


class Separable:
    """E[(F - T)^2] + E[(F' - T')^2] as sums over nodes, a function of the parameters `symbols` of F."""

    def __init__(
        self,
        function: sp.Expr,
        symbols: Sequence[sp.Symbol],
        nodes: tuple[Array, Array],
        target: Sequence[Array],  # T and T' at the nodes
        reference: Array,  # values of the parameters of the usual size
    ) -> None:
        points, weights = (np.ravel(a) for a in nodes)
        self._points, self._root = points, np.sqrt(np.tile(weights, 2))
        goal = self._root * np.concatenate([np.ravel(t) for t in target[:2]])
        self.size = float(np.linalg.norm(goal))
        self._goal = goal / self.size
        self._root = self._root / self.size
        by_symbol = [sp.diff(function, s) for s in symbols]
        self.linear = _linear(by_symbol, symbols)
        self.free = [i for i in range(len(symbols)) if i not in self.linear]
        wanted = [function, *by_symbol]
        self._call: Callable[..., list[Array]] = sp.lambdify(
            [x, *symbols],
            [with_doubles(e) for e in (*wanted, *map(derivative, wanted))],
            modules=[BY_NAME, "numpy"],
            cse=True,
        )
        self._count = len(symbols)
        found = self._rows(reference)
        norms = (
            np.linalg.norm(found[:, 1:][:, self.linear], axis=0) if found is not None else np.zeros(len(self.linear))
        )
        self._norms = np.where(norms > 0, norms, 1.0)

    def descend(self, values: Array, steps: int) -> Point:
        """The point to which so many steps from `values` lead; the objective is inf where F is not finite there."""
        here, damping = self._solved(values), 1e-3
        if here is None:
            return Point(values, math.inf, False)
        for _ in range(steps):
            values, residual, moves = here
            objective = float(residual @ residual)
            lengths = np.linalg.norm(moves, axis=0)
            slope = moves.T @ residual
            if objective < ZERO or (np.abs(slope) <= FLAT * lengths * math.sqrt(objective)).all():
                return Point(values, objective, True)
            scaled = moves / np.maximum(lengths, 1e-12)
            there = None
            while damping < 1e12:
                rows = np.vstack([scaled, math.sqrt(damping) * np.eye(len(self.free))])
                step, *_ = np.linalg.lstsq(rows, np.concatenate([residual, np.zeros(len(self.free))]), rcond=None)
                moved = values.copy()
                moved[self.free] += step / np.maximum(lengths, 1e-12)
                there = self._solved(moved)
                if there is not None and there[1] @ there[1] < objective:
                    break
                there, damping = None, damping * 5
            if there is None:
                break
            here, damping = there, max(damping / 5, 1e-12)
        values, residual, moves = here
        step, *_ = np.linalg.lstsq(moves, residual, rcond=None)
        objective = float(residual @ residual)
        with np.errstate(all="ignore"):
            gained = float(np.sum((moves @ step) ** 2))
        return Point(values, objective, gained <= GAIN * objective)

    def _solved(self, values: Array) -> tuple[Array, Array, Array] | None:
        """Values with the linear parameters at their best, the residual, and how free parameters move F; or None."""
        values = values.copy()
        values[self.linear] = 0.0
        found = self._rows(values)
        if found is None:
            return None
        terms = found[:, 1:][:, self.linear]
        terms, basis = terms / self._norms, np.zeros((len(self._goal), 0))
        if self.linear:
            damped = np.vstack([terms, math.sqrt(RIDGE) * np.eye(len(self.linear))])
            goal = np.concatenate([self._goal - found[:, 0], np.zeros(len(self.linear))])
            basis, upper = np.linalg.qr(damped)
            values[self.linear] = np.linalg.solve(upper, basis.T @ goal) / self._norms
        ridge = -math.sqrt(RIDGE) * values[self.linear] * self._norms
        found = self._rows(values)
        if found is None:
            return None
        moves = np.vstack([found[:, 1:][:, self.free], np.zeros((len(self.linear), len(self.free)))])
        if self.linear:
            moves = moves - basis @ (basis.T @ moves)
        return values, np.concatenate([self._goal - found[:, 0], ridge]), moves

    def _rows(self, values: Array) -> Array | None:
        """Columns F, dF/d each parameter, over rows of values, then slopes; None where one is not finite."""
        with np.errstate(all="ignore"):
            found = [np.broadcast_to(f, self._points.shape) for f in self._call(self._points, *values)]
        half = self._count + 1
        columns = np.concatenate([np.stack(found[:half], axis=1), np.stack(found[half:], axis=1)])
        return self._root[:, None] * columns if np.isfinite(columns).all() else None


def _linear(by_symbol: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> list[int]:
    """Indices of parameters in which, together, F is linear, given the others: the first that there are."""
    found: list[int] = []
    for i, (derived, symbol) in enumerate(zip(by_symbol, symbols, strict=True)):
        together = {symbols[j] for j in found} | {symbol}
        if not derived.free_symbols & together and all(not by_symbol[j].has(symbol) for j in found):
            found.append(i)
    return found
