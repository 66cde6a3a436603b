"""What grid.py.jinja prints, and how the element-wise functions call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from learnact.compiler.declare.grid import Hinge
from learnact.compiler.emit.layout import wrapped
from learnact.compiler.emit.printer import GRAD, Printer, number
from learnact.compiler.lower import Program
from learnact.compiler.lower.program import GridCode


def grid_lines(program: Program, printer: Printer, *, backward: bool) -> list[str]:
    """Statements that find the cell of every element, and in a backward how far it lies outside."""
    grid = program.grid
    if grid is None:
        return []
    place, powers = grid.place.name, ", ".join(p.name for p in grid.powers)
    arguments = [place, vector_argument(program), *(printer(s) for s in grid.slopes or ())]
    lines = printer.assignment(f"{place} =", grid.argument)
    lines += wrapped(f"{grid.start}, {grid.t}, ({powers}) = _cell(", arguments, ")", indent=printer.indent)
    if backward and grid.slopes is not None:
        lines.append(f"{grid.below}, {grid.above} = _outside({place})")
    return lines


def vector_argument(program: Program) -> str:
    """What the element-wise functions call the tensor that they read by index."""
    assert program.grid is not None
    own = {e.name for i in program.inputs for e in i.entries}
    return f"{program.grid.vector}_" if program.grid.vector in own else program.grid.vector


def grid_gradient(grid: GridCode) -> str:
    """In place of products of the gradient, what `_grid_sums` makes the vector's gradient of."""
    return f"({GRAD}, {grid.place}, {grid.start})"


def grid_names(grid: GridCode | None) -> list[str]:
    """What the statements before all others are called."""
    if grid is None:
        return []
    return [s.name for s in (grid.place, grid.start, grid.below, grid.above, grid.t, *grid.powers)]


def grid_context(program: Program) -> dict[str, Any] | None:
    """What grid.py.jinja prints, or None for a Program without a grid."""
    if program.grid is None:
        return None
    cells = program.grid.cells
    blends = cells.blends
    left = blends[:2]
    right = [[sum(column, sp.S.Zero) for column in zip(*blends, strict=True)]]
    right.append([sum(j * c for j, c in enumerate(column)) for column in zip(*blends, strict=True)])
    return {
        "count": cells.count,
        "first": number(cells.origin),
        "last": number(cells.origin + cells.count),
        "half": not cells.origin.is_Integer,
        "before_first": number(sp.ceiling(-cells.origin)),
        "blends": _rows("BLENDS", blends),
        "left": _rows("LEFT", left),
        "right": _rows("RIGHT", right),
        "width": cells.width,
        "centre": cells.width // 2 - 1,
        "tangents": cells.slopes is None,
        "bump": " + ".join(map(_hinge, cells.bump)).replace("+ -", "- "),
    }


def _rows(name: str, rows: Sequence[Sequence[sp.Expr]]) -> list[str]:
    return wrapped(f"{name} = (", [f"({', '.join(map(number, row))})" for row in rows], ")")


def _hinge(h: Hinge) -> str:
    base = f"torch.relu({float(h.reach)} - away)"
    power = base if h.power == 1 else f"{base} ** {h.power}"
    return power if h.weight == 1 else f"{number(h.weight)} * {power}"
