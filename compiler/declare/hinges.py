"""Maxima of lines from ReLU knots: the arithmetic shared by the tropical families and their fits."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp


def max_of_lines(
    knots: Sequence[sp.Expr], rises: Sequence[sp.Expr], level: sp.Expr = sp.S.Zero, tilt: sp.Expr = sp.S.Zero
) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Slopes and offsets of max_k(slope_k x + offset_k) = level + tilt x + sum_i rise_i relu(x - knot_i).

    Knots must increase and rises be positive; k knots give k + 1 slopes and k + 1 offsets.
    """
    slopes, offsets = [sp.sympify(tilt)], [sp.sympify(level)]
    for knot, rise in zip(knots, rises, strict=True):
        slopes.append(slopes[-1] + rise)
        offsets.append(offsets[-1] - rise * knot)
    return slopes, offsets
