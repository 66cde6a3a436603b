"""E[f(x)] by quadrature, where there is no closed form: a number with an estimate of its error.

Where the integrand is smooth, the trapezoidal rule with step halving (normal law: on the line; arcsine law: in the
angle) converges geometrically for integrands analytic in a strip, and the last change over-estimates the error
(Trefethen & Weideman 2014). Otherwise tanh-sinh between the cuts, which converges with integrable singularities at
the ends (Takahasi & Mori 1974).
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import mpmath as mp
import sympy as sp

from learnact.compiler.declare.constants import EVALUATED, number
from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal
from learnact.compiler.derive.expectation.bends import Bend, bends
from learnact.compiler.derive.expectation.ends import end_power, unbounded_end
from learnact.compiler.derive.expectation.moments import unit
from learnact.compiler.derive.expectation.numeric import numeric
from learnact.compiler.derive.expectation.singular import cuts
from learnact.errors import Divergent, NoClosedForm

GUARD = 15
"""Working digits beyond those requested."""

MOST_DIGITS = EVALUATED - GUARD
"""Constants inside an integrand are evaluated to this many digits."""

LEAST_ACCURACY = 1e-3
"""Largest relative error at which quadrature counts as converged."""

STEPS_OF_TRAPEZOID = 32, 4096
"""Fewest and most steps: 4096 resolve singularities 0.01 standard deviations off the real line to 20 digits."""

FEATURE = 1
"""Longest step in x: activations bend within about 1 of 0, and a longer one may step over all of it."""

DEGREE = 9
"""Of the tanh-sinh rule: at most about 3,000 nodes between two cuts."""

HALVINGS = 4
"""Of a panel on which the rule does not converge, one after the other."""

STEEP = mp.mpf(1) / 4
"""In standard deviations: what bends over a shorter distance gets panels of its own."""

NEAR, FAR, CANCELS = mp.mpf(10) ** -3, mp.mpf(1), 4
"""Nearer to a singularity than NEAR, CANCELS times the digits of the distance may cancel: of (1 - exp(-x))/x^2, say."""

FIRST, STRIDE, LAST, OUTERMOST = 0.31, 1.5, 15, 90
"""Values of t at which the size of the integrand is looked at: up to LAST, and beyond while it is above 1."""

WIDEST = 6
"""The integrand may stretch the density's own effective support by this factor before it counts as divergent."""


def quadrature(expr: sp.Expr, law: Law, digits: int) -> tuple[sp.Float, float]:
    """E[expr(x)] to about `digits` digits and an estimate of its absolute error.

    Raises Divergent where the expectation does not exist or quadrature does not converge, NoClosedForm where a
    function has no numeric implementation, ValueError beyond MOST_DIGITS.
    """
    if digits > MOST_DIGITS:
        raise ValueError(f"quadrature gives at most {MOST_DIGITS} digits, asked for {digits}")
    with mp.workdps(digits + GUARD):
        try:
            value, error = _Problem(expr, law, digits).solve()
        except (ZeroDivisionError, OverflowError):
            raise Divergent(f"E[{expr}] does not exist under {law}: a pole in the support") from None
        except (ValueError, TypeError) as err:  # mpmath's answers to a pole of gamma and to an order of complex numbers
            raise Divergent(f"E[{expr}] cannot be computed under {law}: {err}") from err
        except NameError as err:
            raise NoClosedForm(f"E[{expr}] has no closed form, and no numbers either: {err}") from err
        if not mp.isfinite(value) or error > LEAST_ACCURACY * max(abs(value), mp.mpf(10) ** -digits):
            found = f"{mp.nstr(value, 5)} ± {mp.nstr(error, 2)}"
            raise Divergent(f"E[{expr}] cannot be shown to exist under {law}: quadrature gives {found}")
        rounding = abs(value) * mp.mpf(10) ** -digits
        return sp.Float(value, digits), float(error + rounding)


class _Problem:
    """One expectation as an integral over t: x = s t, or x = s cos t under the arcsine law."""

    def __init__(self, expr: sp.Expr, law: Law, digits: int) -> None:
        self.expr, self.law, self.digits = expr, law, digits
        self.scale = mp.mpf(number(unit(law)))
        self.function = numeric(expr)
        self.negligible = mp.mpf(10) ** -(digits + 8)
        self.singular: list[mp.mpf] = []  # t of singularities, once `solve` knows them
        self.factors: dict[int, mp.mpf] = {}  # by the binary digits of the moment
        self.size = mp.mpf(1)
        self.size = self._size()
        self.factors.clear()
        self.lo, self.hi = self._interval()

    def _size(self) -> mp.mpf:
        """A power of 2 by which the integrand is divided: what is negligible beside 1 is so beside large values."""
        largest = mp.mpf(1)
        for side in (1,) if isinstance(self.law, (Arcsine, Exponential)) else (1, -1):
            t, value = mp.mpf(FIRST), mp.mpf(0)
            while t < (LAST if isinstance(self.law, (Normal, Exponential)) else 1) or (value > 1 and t < OUTERMOST):
                value = mp.mpf(0)
                with suppress(ZeroDivisionError, OverflowError, ValueError):  # a pole, of which the panels say more
                    value = abs(self.integrand(side * t))
                    largest = max(largest, value) if mp.isfinite(value) else largest
                t += STRIDE
        return mp.ldexp(1, mp.mag(largest) if largest > 1 else 0)

    def _interval(self) -> tuple[mp.mpf, mp.mpf]:
        if isinstance(self.law, Arcsine):
            return mp.mpf(0), +mp.pi
        if not isinstance(self.law, (Normal, Exponential)):
            return mp.mpf(-1), mp.mpf(1)
        nats = (self.digits + GUARD) * mp.log(10)
        sides, reach = ((-1, 1), mp.sqrt(2 * nats)) if isinstance(self.law, Normal) else ((1,), nats)
        widest = WIDEST * reach
        while any(abs(self.integrand(s * reach * r)) * reach > self.negligible for s in sides for r in (1, 1.03, 1.07)):
            reach *= mp.mpf("1.25")
            if reach > widest:
                raise Divergent(f"E[{self.expr}] does not exist under {self.law}: the integrand outgrows the density")
        return min(sides[0], 0) * reach, reach

    def _x(self, t: mp.mpf) -> mp.mpf:
        return self.scale * (mp.cos(t) if isinstance(self.law, Arcsine) else t)

    def _t(self, point: mp.mpf) -> mp.mpf:
        return mp.acos(point / self.scale) if isinstance(self.law, Arcsine) else point / self.scale

    def integrand(self, t: mp.mpf) -> mp.mpf:
        """f(x(t)) times the density of t; near a singularity with the digits that a quotient of zeros loses."""
        distance = min((abs(t - s) for s in self.singular), default=FAR)
        if distance > NEAR:
            return self._value(t)
        lost = -int(mp.floor(mp.log10(distance))) if distance else EVALUATED
        with mp.workdps(EVALUATED + CANCELS * lost):
            return self._value(t)

    def at(self, point: mp.mpf, offset: mp.mpf) -> mp.mpf:
        """The integrand at a small distance from a point, without rounding the sum."""
        lost = -int(mp.floor(mp.log10(abs(offset))))
        with mp.workdps(EVALUATED + CANCELS * max(lost, 0)):
            return self._value(point + offset)

    def _value(self, t: mp.mpf) -> mp.mpf:
        value = self.function(self._x(t))
        if isinstance(value, mp.mpc):
            raise Divergent(f"{self.expr} is not real everywhere on the support of {self.law}")
        return value * self._density(t)

    def _density(self, t: mp.mpf) -> mp.mpf:
        """Of t, in units of `size`."""
        precision = mp.mp.prec
        factor = self.factors.get(precision)
        if factor is None:
            factor = self.factors[precision] = self._factor() / self.size
        if isinstance(self.law, Normal):
            return mp.exp(-t * t / 2) * factor
        return mp.exp(-t) * factor if isinstance(self.law, Exponential) else factor

    def _factor(self) -> mp.mpf:
        """What is constant in the density of t."""
        if isinstance(self.law, Normal):
            return 1 / mp.sqrt(2 * mp.pi)
        if isinstance(self.law, Exponential):
            return mp.mpf(1)
        return 1 / mp.pi if isinstance(self.law, Arcsine) else mp.mpf(1) / 2

    def solve(self) -> tuple[mp.mpf, mp.mpf]:
        """The integral and an estimate of its error."""
        value, error = self._solved()
        return value * self.size, error * self.size

    def _solved(self) -> tuple[mp.mpf, mp.mpf]:
        low, high = sorted((self._x(self.lo), self._x(self.hi)))
        with mp.workdps(EVALUATED):
            found = cuts(self.expr, low, high)
            places = [(self._t(cut.point), cut.singular) for cut in found]
        self.singular = [t for t, singular in places if singular]
        narrow = bends(self.expr, low, high, self.scale * STEEP)
        if not found and isinstance(self.law, (Normal, Arcsine)):
            value, error = self._trapezoid(min((b.width for b in narrow), default=mp.mpf(FEATURE)))
            if error <= mp.mpf(10) ** -(self.digits // 2) * max(1, abs(value)):
                return value, error
        return self._panels([t for t, _ in places], narrow)

    def _trapezoid(self, feature: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
        """The trapezoidal rule, from a step on that sees a feature of this width; infinite error where none may."""
        n, most = STEPS_OF_TRAPEZOID
        longest = min(mp.mpf(FEATURE), feature) / self.scale
        while n < most and (self.hi - self.lo) / n > longest:
            n *= 2
        if (self.hi - self.lo) / n > longest:
            return mp.mpf(0), mp.inf  # what happens there would be stepped over
        step = (self.hi - self.lo) / n
        inner = mp.fsum(self.integrand(self.lo + k * step) for k in range(1, n))
        value = step * (inner + (self.integrand(self.lo) + self.integrand(self.hi)) / 2)
        enough = mp.mpf(10) ** -(self.digits + 2)
        error = mp.inf
        while error > enough * max(1, abs(value)) and n < most:
            middle = step * mp.fsum(self.integrand(self.lo + (k + mp.mpf(1) / 2) * step) for k in range(n))
            previous, value = value, (value + middle) / 2
            error = abs(value - previous) + self.negligible
            n, step = 2 * n, step / 2
        return value, error

    def _panels(self, cut_at: list[mp.mpf], narrow: list[Bend]) -> tuple[mp.mpf, mp.mpf]:
        points = set(cut_at)
        if isinstance(self.law, (Normal, Exponential)):  # a panel no wider than its distance from the centre
            smallest = min(0, -int(mp.ceil(mp.log(self.scale, 2))) - 1)
            points |= {mp.mpf(0)} | {s * mp.mpf(2) ** k for k in range(smallest, 8) for s in (-1, 1)}
        for bend in narrow:  # nor from a bend
            doublings = int(mp.ceil(mp.log(self.scale / bend.width, 2)))
            around = [bend.point + s * bend.width * 2**k for k in range(doublings + 1) for s in (-1, 0, 1)]
            low, high = sorted((self._x(self.lo), self._x(self.hi)))
            points |= {self._t(p) for p in around if low < p < high}
        inner = sorted(t for t in points if self.lo < t < self.hi)
        value, error = mp.mpf(0), self.negligible
        for left, right in pairwise([self.lo, *inner, self.hi]):
            part, uncertainty = self._panel(left, right)
            value, error = value + part, error + uncertainty
        return value, error

    def _panel(self, left: mp.mpf, right: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
        """The integral between neighbouring points; an unbounded end in closed form. Raises Divergent at a pole."""
        value, error = mp.mpf(0), mp.mpf(0)
        middle = (left + right) / 2
        for end, side in ((left, 1), (right, -1)):
            if end in self.singular:
                power = end_power(self.at, end, side, self.negligible)
                if power is None:
                    where = mp.nstr(self._x(end), 8)
                    raise Divergent(f"E[{self.expr}] does not exist under {self.law}: a pole at x = {where}")
                if power < 1:
                    part, uncertainty = unbounded_end(self.at, end, side, abs(middle - end), power)
                    value, error = value + part, error + uncertainty
                    left, right = (middle, right) if side > 0 else (left, middle)
        if left < right:
            part, uncertainty = self._smooth(left, right, HALVINGS)
            value, error = value + part, error + uncertainty
        return value, error

    def _smooth(self, left: mp.mpf, right: mp.mpf, halvings: int) -> tuple[mp.mpf, mp.mpf]:
        """By tanh-sinh quadrature; of halves where that does not converge."""
        inside = mp.mpf(10) ** -(self.digits + GUARD - 2)
        low, high = left + inside * max(1, abs(left)), right - inside * max(1, abs(right))
        value, error = mp.quad(
            lambda t: self.integrand(min(max(t, low), high)), (left, right), error=True, maxdegree=DEGREE
        )
        if error <= mp.mpf(10) ** -(self.digits // 2) or not halvings:
            return value, error
        middle = (left + right) / 2
        halves = [self._smooth(*ends, halvings - 1) for ends in ((left, middle), (middle, right))]
        return halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]
