"""Least squares in value and slope over a piecewise-linear function with free knots, by a damped Newton method.

For F(x) = level + tilt x + sum_i w_i relu(x - t_i) every integral of J = E[(F - T)^2] + E[(F' - T')^2] is a polynomial
in moments beyond a knot, so that J, its gradient and its Hessian are exact to rounding. Given the knots the best
(level, tilt, w) solve a linear system; Newton's method runs on the knots alone (variable projection).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learnact.compiler.derive.expectation.values import Array
from learnact.compiler.derive.fit.panels import Panels, Tails
from learnact.compiler.derive.fit.target import Target

ITERATIONS = 60
CONVERGED = 1e-11  # of a Newton step, in units of the law's scale
NOISE = 1e-14  # of the objective, in units of E[T^2] + E[T'^2]: smaller changes of J are rounding
FLATTEST = 1e-6  # eigenvalue of the scaled Hessian that a step still divides by
APART = 1e-6  # least distance of knots, in units of the law's scale: closer ones make the equations singular
SHORTEST = 1e-6  # part of a Newton step that is still tried

Line = tuple[float, float]
"""Intercept and slope."""


@dataclass(frozen=True)
class Hinges:
    """A piecewise-linear function, and the multiplier and objective of the linear solve that gave it."""

    knots: Array
    coefficients: Array  # level, tilt, then the signed jump of the slope at each knot
    objective: float
    multiplier: float  # of the constraint on the right intercept; 0 without one

    @property
    def jumps(self) -> Array:
        """The change of slope at each knot."""
        return self.coefficients[2:]

    def value(self, points: Array) -> Array:
        """F at an array of points of any shape."""
        level, tilt = self.coefficients[:2]
        return level + tilt * points + np.maximum(points[..., None] - self.knots, 0) @ self.jumps

    def slope(self, points: Array) -> Array:
        """F' at points; at a knot, the slope on its left."""
        return self.coefficients[1] + (points[..., None] > self.knots) @ self.jumps


class Descent:
    """Fits to one target under one law, with prescribed asymptotes where `asymptotes` has any."""

    def __init__(self, target: Target, panels: Panels, asymptotes: tuple[Line | None, Line | None]) -> None:
        self.target, self.panels = target, panels
        self.left, self.right = asymptotes
        self.moments = Tails(panels, self._integrands)
        points, weights = panels.nodes
        value, slope, _ = target.in_double(points)
        self.size = float(((value**2 + slope**2) * weights).sum())

    def _integrands(self, points: Array) -> Array:
        value, slope, _ = self.target.in_double(points)
        one = np.ones_like(points)
        return np.stack([one, points, points**2, value, points * value, slope])

    def solve(self, knots: Array) -> Hinges:
        """The best function with these knots."""
        system = _System.of(self.moments, knots)
        rows, values = self._constraints(knots)
        c, multipliers = system.solve(np.concatenate([system.right, values])[:, None], rows)
        c = c[:, 0]
        objective = float(c @ system.gram @ c - 2 * c @ system.right + self.size)
        return Hinges(knots, c, objective, float(multipliers[-1, 0]) if self.right else 0.0)

    def _constraints(self, knots: Array) -> tuple[Array, Array]:
        """Rows on (level, tilt, jumps) and their values; the right intercept, which depends on the knots, is last."""
        count = len(knots)
        rows: list[Array] = []
        values: list[float] = []
        if self.left:
            rows += [np.eye(count + 2)[0], np.eye(count + 2)[1]]
            values += [*self.left]
        if self.right:
            intercept, slope = self.right
            rows += [np.concatenate([[0, 1], np.ones(count)]), np.concatenate([[1, 0], -knots])]
            values += [slope, intercept]
        return np.reshape(rows, (-1, count + 2)), np.asarray(values)

    def descend(self, knots: Array, signs: Array, ends: tuple[float, float]) -> Hinges | None:
        """Newton's method from these knots; None if no function with jumps of the given signs is found there.

        Knots of one sign keep their order, and all stay between the ends.
        """
        now = self._admissible(knots, signs, ends)
        if now is None:
            return None
        for _ in range(ITERATIONS):
            step = self._newton_step(now)
            if np.abs(step).max() < CONVERGED * self.panels.scale:
                break
            part = 1.0
            while part > SHORTEST:
                trial = self._admissible(now.knots + part * step, signs, ends)
                if trial is not None and trial.objective < now.objective + NOISE * self.size:
                    break
                part /= 2
            else:
                break
            gained = now.objective - trial.objective
            now = trial
            if gained < NOISE * self.size and part == 1.0:
                break
        return now

    def _admissible(self, knots: Array, signs: Array, ends: tuple[float, float]) -> Hinges | None:
        """The best function with these knots; None unless they are distinct, ordered and inside, and signs hold.

        None too where they are too few for the asymptotes.
        """
        ordered = all((np.diff(knots[signs == s]) > 0).all() for s in (1, -1))
        distinct = (np.diff(np.sort(knots)) > APART * self.panels.scale).all()
        prescribed = 2 * sum(line is not None for line in (self.left, self.right))
        if prescribed > len(knots) + 2:
            return None
        if not (ordered and distinct and knots.min() > ends[0] and knots.max() < ends[1]):
            return None
        hinges = self.solve(knots)
        return hinges if (signs * hinges.jumps > 0).all() else None

    def _newton_step(self, now: Hinges) -> Array:
        """Change of the knots; eigenvalues of the Hessian are made positive, so that it leads downhill."""
        gradient, hessian = self._derivatives(now)
        scale = 1 / np.sqrt(np.abs(np.diag(hessian)) + np.finfo(float).tiny)
        values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
        damped = np.maximum(np.abs(values), FLATTEST)
        return -scale * (vectors @ ((vectors.T @ (scale * gradient)) / damped))

    def _derivatives(self, now: Hinges) -> tuple[Array, Array]:
        """Gradient and Hessian of J/2 in the knots, with the coefficients following at their best."""
        t, w = now.knots, now.jumps
        level, tilt = now.coefficients[:2]
        system = _System.of(self.moments, t)
        mass, first, _, value_beyond, _, _ = system.beyond
        density, density_slope = self.panels.density(t), self.panels.density_slope(t)
        value, slope, curvature = self.target.in_double(t)
        left_of = t[None, :] < t[:, None]  # [i, j]: knot j lies left of knot i
        diagonal = np.eye(len(t))

        # E[F - T; x > t_i] and, at the knot, F - T and the mean of F' - T' on both sides
        overlap = np.where(left_of, first[:, None] - t * mass[:, None], first - t * mass)
        residual_beyond = level * mass + tilt * first + overlap @ w - value_beyond
        residual = now.value(t) - value
        slope_residual = tilt + left_of @ w + w / 2 - slope
        drift = -residual_beyond - density * slope_residual - now.multiplier  # dJ/2 by t_i is w_i drift_i

        by_knots = np.outer(w, w) * mass[system.later]
        own = density * (residual + curvature) - density_slope * slope_residual + w * mass
        by_knots[np.diag_indices(len(t))] = w * own
        crossed = first[system.later] - t[:, None] * mass[system.later] + density * (left_of.T + diagonal / 2)
        by_both = np.vstack([-w * mass, -w * (first + density), -w * crossed + np.diag(drift)])

        rows, _ = self._constraints(t)
        by_constraints = np.zeros((len(rows), len(t)))
        if self.right:
            by_constraints[-1] = -w
        coupling = np.vstack([by_both, by_constraints])
        response = np.vstack(system.solve(coupling, rows))
        hessian = by_knots - coupling.T @ response
        return w * drift, (hessian + hessian.T) / 2


@dataclass(frozen=True)
class _System:
    """The normal equations of (level, tilt, jumps) for given knots."""

    gram: Array
    right: Array
    beyond: Array  # E[1], E[x], E[x^2], E[T], E[x T], E[T'] beyond each knot
    later: Array  # [i, j]: which of the knots i and j lies further right

    @classmethod
    def of(cls, moments: Tails, t: Array) -> _System:
        """Entries by E[relu(x-s) relu(x-t)] = E[(x-s)(x-t); x > max(s, t)], and the like."""
        mass, first, second, value, value_first, slope = beyond = moments(t)
        _, mean, square, *targets = moments.all
        index = np.arange(len(t))
        later = np.where(t[:, None] >= t[None, :], index[:, None], index[None, :])
        gram = np.empty((len(t) + 2, len(t) + 2))
        gram[0, 0], gram[0, 1], gram[1, 1] = 1.0, mean, square + 1
        gram[0, 2:] = first - t * mass
        gram[1, 2:] = second - t * first + mass
        gram[2:, 2:] = second[later] - np.add.outer(t, t) * first[later] + (np.outer(t, t) + 1) * mass[later]
        gram[1, 0], gram[2:, 0], gram[2:, 1] = gram[0, 1], gram[0, 2:], gram[1, 2:]
        right = np.concatenate([[targets[0], targets[1] + targets[2]], value_first - t * value + slope])
        return cls(gram, right, beyond, later)

    def solve(self, right: Array, rows: Array) -> tuple[Array, Array]:
        """Coefficients and multipliers of the system bordered by constraint rows, for columns of right sides."""
        scale = 1 / np.sqrt(np.diag(self.gram))
        border = rows * scale
        count, free = len(rows), len(scale)
        matrix = np.block([[self.gram * np.outer(scale, scale), border.T], [border, np.zeros((count, count))]])
        scales = np.concatenate([scale, np.ones(count)])[:, None]
        solution = scales * np.linalg.solve(matrix, scales * right)
        return solution[:free], solution[free:]
