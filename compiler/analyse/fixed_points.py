"""Fixed points of a map of one number, and whether iterates come back to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MARGIN = 1e-6
"""|slope| this close to 1 decides nothing: higher terms do. Slopes by differences are right to 1e-8."""

STEPS = 80
"""Halvings of an interval: to the last digit of a double."""


@dataclass(frozen=True)
class FixedPoint:
    """A point that a map leaves where it is; stable: iterates that begin beside it come back."""

    value: float  # the point
    slope: float  # of the map, there
    stability: Literal["stable", "unstable", "marginal"]  # |slope| below, above, or 1


def judged(value: float, slope: float) -> FixedPoint:
    """The fixed point at `value`, where the map has this `slope`."""
    if abs(abs(slope) - 1) <= MARGIN:
        return FixedPoint(value, slope, "marginal")
    return FixedPoint(value, slope, "stable" if abs(slope) < 1 else "unstable")


def bisected(f: Callable[[float], float], low: float, high: float) -> float:
    """A zero of f between `low` and `high`, at which its signs differ."""
    below = f(low)
    if below == 0:
        return low
    for _ in range(STEPS):
        middle = (low + high) / 2
        at = f(middle)
        if at == 0:
            return middle
        low, high = (middle, high) if at * below > 0 else (low, middle)
    return (low + high) / 2
