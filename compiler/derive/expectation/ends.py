"""Integrals up to a point at which the integrand grows like a power: |x|^(-0.98), whose tail no rule can reach."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mpmath as mp

from learnact.compiler.declare.constants import EVALUATED

At = Callable[[mp.mpf, mp.mpf], mp.mpf]
"""(end of the interval, signed distance from it) -> integrand."""

TAIL = 25
"""Digits: from 10^-TAIL on the integrand is its leading power, up to a part 10^-TAIL of it."""

BEYOND = 15
"""Further digits over which the power is measured."""

LEAST = mp.mpf("0.004")
"""Least power of distance times integrand that is told from a pole, 0."""

STEADY = mp.mpf(10) ** -6
"""Change of the measured power up to which it is one; 1/(x log(x)^2) has none."""

SLOW = mp.mpf("0.075")
"""Without one power, distance times integrand must at least fall like this one."""

LENGTH = 6
"""Of panels in the logarithm of the distance: the integrand changes by a factor of 400 at most."""


def end_power(at: At, end: mp.mpf, side: int, negligible: mp.mpf) -> mp.mpf | None:
    """s for an integrand like distance^(s - 1), 1 where it is bounded or has no such power; None at a pole."""
    far, near, nearest = (mp.mpf(10) ** -k for k in (10, TAIL, TAIL + BEYOND))
    sizes = [abs(d * at(end, side * d)) for d in (far, near, nearest)]
    if sizes[1] <= negligible * near or not all(sizes):
        return mp.mpf(1)
    before = mp.log(sizes[1] / sizes[0]) / mp.log(near / far)
    after = mp.log(sizes[2] / sizes[1]) / mp.log(nearest / near)
    if abs(after - before) < STEADY:
        return None if after < LEAST else min(after, mp.mpf(1))
    return None if after < SLOW else mp.mpf(1)


def unbounded_end(at: At, end: mp.mpf, side: int, length: mp.mpf, power: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """The integral over (end, end + side length) of an integrand like distance^(power - 1), and its error.

    With distance = exp(-w) it is smooth and falls like exp(-power w); beyond 10^-TAIL it is that, in closed form.
    """
    near = mp.mpf(10) ** -TAIL
    tail = near * at(end, side * near) / power
    first, last = -mp.log(length), TAIL * mp.log(10)
    count = int(mp.ceil((last - first) / LENGTH))
    knots = [first + (last - first) * k / count for k in range(count + 1)]
    # the end is a number of so many digits, and the power was measured at a distance of TAIL + BEYOND
    value, error = tail, abs(tail) / power * mp.mpf(10) ** (TAIL + BEYOND - EVALUATED)

    def integrand(w: mp.mpf) -> mp.mpf:
        distance = mp.exp(-w)
        return distance * at(end, side * distance)

    for panel in pairwise(knots):
        part, uncertainty = mp.quad(integrand, panel, error=True, method="gauss-legendre", maxdegree=6)
        value, error = value + part, error + uncertainty
    return value, error
