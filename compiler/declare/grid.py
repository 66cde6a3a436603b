"""A sum of shifted bumps on a uniform grid, which needs a few of its terms at any one x: found by an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import sympy as sp

from learnact.compiler.declare.symbols import x
from learnact.errors import BadDeclaration

T = sp.Symbol("t", real=True)
"""Where in its cell an element lies."""


@dataclass(frozen=True)
class Hinge:
    """`weight` max(0, `reach` - |v|)^`power`: a term of a bump."""

    weight: sp.Expr
    reach: int
    power: int


@dataclass(frozen=True)
class Grid:
    """F = sum_k c_k bump(u - origin - k) for u - origin in [0, cells], and linear outside; u is a multiple of x.

    With the nodes around 0, not counted from the first one, u keeps its relative precision near 0. `vector` names the
    parameter that holds the c_k, the last one declared. A bump of reach r is 0 from distance r on, so that entries i,
    ..., i + 2 r - 1 of the vector count in cell i. Like a basis it is a faster way to compute what `function` says.

    `cells`, `origin` are functions of the degree, `argument` (u) and `slopes` (dF/du outside, left and right; None: the
    tangents) of parameters and degree; `bump` is a sum of hinges.
    """

    cells: Callable[[Any], int]  # degree -> number of cells
    vector: str
    argument: Callable[[SimpleNamespace, Any], sp.Expr]  # (parameters, degree) -> u
    origin: Callable[[Any], sp.Rational]  # degree -> u at the first node, a multiple of 1/2
    bump: tuple[Hinge, ...]
    slopes: Callable[[SimpleNamespace, Any], tuple[sp.Expr, sp.Expr]] | None = None
    """(parameters, degree) -> dF/du to the left and right of the grid; None continues F by its tangents."""


@dataclass(frozen=True)
class Cells:
    """A grid at one degree, in the parameters' own values."""

    count: int
    argument: sp.Expr
    origin: sp.Rational
    bump: tuple[Hinge, ...]
    slopes: tuple[sp.Expr, sp.Expr] | None

    @property
    def width(self) -> int:
        """How many entries of the vector count in one cell."""
        return 2 * max(h.reach for h in self.bump)

    @property
    def blends(self) -> tuple[tuple[sp.Expr, ...], ...]:
        """F in a cell is sum_j t^j sum_m blends[j][m] c_(i+m)."""
        columns = [sp.Poly(self._piece(m), T).all_coeffs()[::-1] for m in range(self.width)]
        powers = range(max(map(len, columns)))
        return tuple(tuple(c[j] if j < len(c) else sp.S.Zero for c in columns) for j in powers)

    def _piece(self, m: int) -> sp.Expr:
        """The bump of the entry m places after the first that counts, as a polynomial in t."""
        distance = T - m + self.width // 2 - 1
        away = distance if distance.subs(T, sp.S.Half) > 0 else -distance
        inside = [h for h in self.bump if away.subs(T, sp.S.Half) < h.reach]
        return sp.expand(sp.Add(*(h.weight * (h.reach - away) ** h.power for h in inside)))

    @property
    def canonical(self) -> str:
        """The grid as text, for digests."""
        bump = " ".join(f"{h.weight} {h.reach} {h.power}" for h in self.bump)
        slopes = "tangents" if self.slopes is None else " ".join(map(sp.srepr, self.slopes))
        return f"grid {self.count} {self.origin} {sp.srepr(self.argument)} {bump} {slopes}"


def cells_of(grid: Grid, p: SimpleNamespace, degree: Any, lengths: Sequence[tuple[str, int]], spec: str) -> Cells:
    """The grid at a degree; `lengths` are the declared parameters with theirs, in order. Raises BadDeclaration."""
    count = grid.cells(degree)
    if type(count) is not int or count < 2:
        raise BadDeclaration(f"{spec}: a grid has at least 2 cells, found {count!r}; declare a whole number from 2 up")
    argument, origin = sp.sympify(grid.argument(p, degree)), sp.sympify(grid.origin(degree))
    if not (argument / x).is_positive or argument.diff(x).has(x):
        raise BadDeclaration(
            f"{spec}: the place on the grid must be x times a positive number or a parameter declared Positive(), "
            f"found {argument}"
        )
    if not (2 * origin).is_Integer:
        raise BadDeclaration(f"{spec}: the first node of a grid lies at a multiple of 1/2, found {origin}")
    slopes = grid.slopes(p, degree) if grid.slopes else None
    both = None if slopes is None else (sp.sympify(slopes[0]), sp.sympify(slopes[1]))
    cells = Cells(count, argument, origin, grid.bump, both)
    name, length = lengths[-1]
    if name != grid.vector or length != count + cells.width - 1:
        raise BadDeclaration(
            f"{spec}: the grid of {count} cells needs {grid.vector!r} as the last parameter, with "
            f"{count + cells.width - 1} entries; found {name!r} with {length}"
        )
    return cells


def by_cells(u: sp.Expr, origin: sp.Expr, left: sp.Expr, inside: Sequence[sp.Expr], right: sp.Expr) -> sp.Expr:
    """One formula for u <= origin, one for each cell (origin + k - 1, origin + k], one for what is right of them."""
    ends = [u <= origin + k for k in range(len(inside) + 1)]
    return sp.Piecewise(*zip([left, *inside], ends, strict=True), (right, True))
