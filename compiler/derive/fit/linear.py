"""Fits that are linear in their unknowns: minimise E[(F - T)^2] + E[(F' - T')^2] over F = sum_i w_i f_i."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import mpmath as mp
import numpy as np
import sympy as sp

from learnact.compiler.declare.constants import DIGITS
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.pieces import derivative, kinks
from learnact.compiler.derive.expectation.values import InFixedPoint, Integers, from_fixed
from learnact.compiler.derive.fit.nodes import BITS, WORKING, Rule, refined
from learnact.compiler.derive.fit.target import Target
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import NoStart

AMPLIFICATION = 50
"""Largest sum of the terms' norms, in units of the target's norm, that needs no regularisation.

Harmonics of a long period are nearly dependent under a normal law: the best fit of ReLU by six of them has terms 200
times its own size, which no learning rate suits. Fits of the smooth targets stay below 20 and are left alone.
"""

RIDGES = [mp.mpf(0), *(mp.mpf(10) ** -k for k in range(12, 1, -1))]
"""Weights of sum_i w_i^2 |f_i|^2 added to the objective: the first that keeps the amplification down is taken."""

DEPENDENT = mp.mpf(10) ** -18
"""A relative Cholesky pivot below this makes the features dependent; 50 working digits leave 30 above it."""

Matrix = list[list[mp.mpf]]
Features = tuple[sp.Expr, ...]


def fit_linear(features: Sequence[sp.Expr], target: Target, law: Law) -> tuple[list[sp.Expr], Moments, str]:
    """Weights of the features to 30 digits, the moments of F, and how they were found. Raises NoStart."""
    with mp.workdps(WORKING):
        problem = _Problem(_table(tuple(features), kinks(target.expr), law), target)
        level, solution = refined(problem.table.rule, problem.solve)
        largest = max(map(abs, solution))
        solution = [w if abs(w) > largest * mp.mpf(10) ** -DIGITS else mp.mpf(0) for w in solution]
        moments = problem.table.moments(solution, level)
        ridge = f", ridge {mp.nstr(problem.ridge, 1)}" if problem.ridge else ""
        weights = [sp.Float(w, DIGITS) if w else sp.S.Zero for w in solution]
        return weights, moments, f"least squares in value and slope, to {DIGITS} digits{ridge}"


@dataclass(frozen=True)
class _Group:
    """Features of one parity, or all features without parity."""

    members: tuple[int, ...]
    parity: int  # 1, -1, or 0 for none

    def reached(self, target: sp.Expr) -> sp.Expr:
        """The part of the target with the group's parity; the features are orthogonal to the rest."""
        if not self.parity:
            return target
        return (target + self.parity * target.xreplace({x: -x})) / 2


def _groups(features: Features, law: Law) -> list[_Group]:
    """Even and odd features, which are orthogonal under a symmetric law; without parity one group."""
    found = []
    for parity in (1, -1):
        members = tuple(i for i, f in enumerate(features) if sp.expand(f.xreplace({x: -x}) - parity * f) == 0)
        if members:
            found.append(_Group(members, parity))
    if law.symmetric and sum(len(g.members) for g in found) == len(features):
        return found
    return [_Group(tuple(range(len(features))), 0)]


@lru_cache(maxsize=8)
def _table(features: Features, cuts: tuple[sp.Expr, ...], law: Law) -> _Table:
    """The features under the law, cut where the target has kinks too; targets without kinks share one table."""
    cuts = tuple({*cuts, *(k for f in features for k in kinks(f))})
    groups = _groups(features, law)
    return _Table(features, groups, Rule(law, cuts, half=bool(groups[0].parity) and set(cuts) == {-c for c in cuts}))


class _Table:
    """Values and slopes of the features at the nodes, level by level, and their Gram matrices.

    Sums are taken in fixed point, ten times faster than in mpmath.
    """

    def __init__(self, features: Features, groups: list[_Group], rule: Rule) -> None:
        self.features, self.groups, self.rule = features, groups, rule
        self.slopes = tuple(map(derivative, features))
        self._evaluations: list[InFixedPoint] = []
        self._weights: dict[int, Integers] = {}
        self._columns: dict[tuple[_Group, int], tuple[Integers, Integers]] = {}
        self._grams: dict[tuple[_Group, int], Integers] = {}

    def weights(self, level: int) -> Integers:
        """Of all nodes up to a level."""
        if level not in self._weights:
            self._weights[level] = self.rule.weights(level)
        return self._weights[level]

    def column(self, e: sp.Expr, level: int) -> Integers:
        """An expression at all nodes up to a level."""
        while len(self._evaluations) <= level:
            self._evaluations.append(InFixedPoint(self.rule.points(len(self._evaluations)), BITS))
        return np.concatenate([at(e) for at in self._evaluations[: level + 1]])

    def columns(self, group: _Group, level: int) -> tuple[Integers, Integers]:
        """Values and slopes of a group's features: shape (features, nodes)."""
        if (group, level) not in self._columns:
            values, slopes = ([self.column(of[i], level) for i in group.members] for of in (self.features, self.slopes))
            self._columns[group, level] = np.stack(values), np.stack(slopes)
        return self._columns[group, level]

    def gram(self, group: _Group, level: int) -> Integers:
        """E[f_i f_j] + E[f_i' f_j']."""
        if (group, level) not in self._grams:
            weights = self.weights(level)
            parts = [((v * weights) >> BITS) @ v.T >> BITS for v in self.columns(group, level)]
            self._grams[group, level] = parts[0] + parts[1]
        return self._grams[group, level]

    def moments(self, solution: Sequence[mp.mpf], level: int) -> Moments:
        """Moments of F = sum_i w_i f_i; what an even and an odd group contribute adds up."""
        weights, points = self.weights(level), self.column(x, level)
        mean = second = slope_second = tilt = 0
        for group in self.groups:
            w = np.array([int(mp.ldexp(solution[i], BITS)) for i in group.members], object)
            value, slope = (w @ v >> BITS for v in self.columns(group, level))
            weighted = (value * weights) >> BITS
            mean += 0 if group.parity == -1 else int(weighted.sum()) << BITS
            second += int(weighted @ value)
            slope_second += int(((slope * weights) >> BITS) @ slope)
            tilt += int(((weighted * points) >> BITS) @ slope)
        found = [from_fixed(total, 2 * BITS) for total in (mean, second, slope_second, tilt)]
        found[3] = found[3] / found[1]
        return Moments(*map(_quantity, found))


def _quantity(value: mp.mpf) -> Quantity:
    if not value:
        return Quantity(sp.S.Zero)  # only where F is odd
    error = float(max(abs(value), 1)) * 10.0**-DIGITS
    return Quantity(sp.Float(value, DIGITS), False, error, "sums over the nodes of the fit")


class _Problem:
    """The least-squares problem of one target."""

    def __init__(self, table: _Table, target: Target) -> None:
        self.table = table
        self.goals = [group.reached(target.expr) for group in table.groups]
        self.goal_slopes = [derivative(goal) for goal in self.goals]
        self.ridge = mp.mpf(0)

    def solve(self, level: int) -> list[mp.mpf]:
        """Weights of the features from sums over a level's nodes, with the smallest ridge that will do."""
        systems = [self._system(g, level) for g in range(len(self.goals))]
        size = mp.sqrt(sum(target for _, _, target in systems))
        if not size:
            raise NoStart("the best fit is 0: the features are even and the target is odd, or the other way round")
        for ridge in RIDGES:
            found = [mp.mpf(0)] * len(self.table.features)
            amplification = mp.mpf(0)
            for group, (gram, right, _) in zip(self.table.groups, systems, strict=True):
                norms = [mp.sqrt(gram[i][i]) for i in range(len(group.members))]
                weights = self._normalised_weights(gram, right, norms, ridge)
                if weights is None:
                    break
                amplification += sum(map(abs, weights)) / size
                for i, w, n in zip(group.members, weights, norms, strict=True):
                    found[i] = w / n
            else:
                if amplification <= AMPLIFICATION:
                    self.ridge = ridge
                    return found
        raise NoStart(f"the features of the fit are too nearly dependent under {self.table.rule.law}; use fewer")

    def _system(self, g: int, level: int) -> tuple[Matrix, list[mp.mpf], mp.mpf]:
        """Of group g and its part T of the target: Gram matrix, E[f_i T] + E[f_i' T'] and E[T^2] + E[T'^2]."""
        group, weights = self.table.groups[g], self.table.weights(level)
        gram = [[from_fixed(entry, BITS) for entry in row] for row in self.table.gram(group, level)]
        right: Integers = np.zeros(len(group.members), object)
        size = 0
        for own, e in zip(self.table.columns(group, level), (self.goals[g], self.goal_slopes[g]), strict=True):
            goal = self.table.column(e, level)
            weighted = (goal * weights) >> BITS
            right, size = right + own @ weighted, size + int(weighted @ goal)
        return gram, [from_fixed(entry, 2 * BITS) for entry in right], from_fixed(size, 2 * BITS)

    def _normalised_weights(
        self, gram: Matrix, right: list[mp.mpf], norms: list[mp.mpf], ridge: mp.mpf
    ) -> list[mp.mpf] | None:
        """Weights of the features scaled to norm 1; None if they are dependent."""
        if not all(norms):
            raise NoStart(f"a feature of the fit is 0 under {self.table.rule.law}; leave it out")
        matrix = [[g / n / m for g, m in zip(row, norms, strict=True)] for row, n in zip(gram, norms, strict=True)]
        return cholesky_solve(matrix, [r / n for r, n in zip(right, norms, strict=True)], ridge)


def cholesky_solve(matrix: Matrix, right: list[mp.mpf], ridge: mp.mpf) -> list[mp.mpf] | None:
    """Solve (matrix + ridge) w = right for a matrix with unit diagonal; None if it is not safely positive."""
    lower: Matrix = []
    forward: list[mp.mpf] = []
    for i, row in enumerate(matrix):
        line: list[mp.mpf] = []
        for j in range(i):
            line.append((row[j] - mp.fdot(line, lower[j][:j])) / lower[j][j])
        pivot = row[i] + ridge - mp.fdot(line, line)
        if pivot < DEPENDENT:
            return None
        line.append(mp.sqrt(pivot))
        forward.append((right[i] - mp.fdot(line[:i], forward)) / line[i])
        lower.append(line)
    solution: list[mp.mpf] = []
    for i in reversed(range(len(matrix))):
        column = [lower[k][i] for k in range(len(matrix) - 1, i, -1)]
        solution.append((forward[i] - mp.fdot(column, solution)) / lower[i][i])
    return solution[::-1]
