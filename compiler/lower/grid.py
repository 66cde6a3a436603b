"""Lower an activation on a grid: the few entries that count at x are found by an index, not all of them summed."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from learnact.compiler.declare.grid import Cells
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, GridCode, Input, Statement

Lowered = tuple[tuple[Input, ...], Block, Block, GridCode]


def lower_grid(activation: Activation, cells: Cells) -> Lowered:
    """Inputs, forward, backward and where both read the grid. The vector has no entries: it is read by index."""
    fresh = Fresh(name for v in activation.parameters for name in (v.name, v.declared))
    inputs: list[Input] = []
    renamed: dict[sp.Symbol, sp.Symbol] = {}
    for v in activation.parameters[:-1]:
        entries = v.values if v.scalar else fresh.letter(len(v.values))
        renamed |= dict(zip(v.values, entries, strict=True))
        inputs.append(Input(v.declared, v.whole, entries))
    vector = activation.parameters[-1]
    inputs.append(Input(vector.declared, vector.whole, ()))
    place, start, below, above, t = (fresh.numbered(stem) for stem in ("place", "start", "below", "above", "t"))
    powers = fresh.letter(len(cells.blends))
    slopes = None if cells.slopes is None else tuple(e.xreplace(renamed) for e in cells.slopes)
    outer = (below, above)
    argument = cells.argument.xreplace(renamed)
    code = GridCode(cells, vector.declared, argument, slopes, place, start, below, above, t, powers)
    steep = fresh.numbered("steep")
    partials = []
    for entry in (e for i in inputs for e in i.entries):
        outside = sum(u * sp.diff(slope, entry) for u, slope in zip(outer, slopes or (), strict=bool(slopes)))
        partials.append(steep * sp.diff(argument, entry) + outside)
    rise = Statement(steep, _horner([j * p for j, p in enumerate(powers)][1:], t))
    backward = Block((rise,), (steep * sp.diff(argument, x), *partials))
    return tuple(inputs), Block((), (_horner(powers, t),)), backward, code


def _horner(powers: Sequence[sp.Expr], t: sp.Expr) -> sp.Expr:
    total: sp.Expr = sp.S.Zero
    for p in reversed(powers):
        total = p + t * total
    return total
