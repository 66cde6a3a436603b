"""The balance theorem: from five expectations of a shape g to the gain and shift that preserve variance.

Write F = gain (g + shift) with m = E g, v = Var g, d = E g'^2. Then E F^2 = M and E F'^2 = 1 exactly when
    gain^2 = 1/d,    shift = -m +- sqrt(M d - v),
which has a solution iff v <= M d. Under N(0, sigma^2) that always holds for M = sigma^2 (Gaussian Poincare
inequality), and so for M = 1 where sigma <= 1. The two shifts differ in the q-slope E[x F F']/E[F^2], the derivative
of the layer map q -> E[F^2] at its fixed point: below 1 in absolute value, the second moment is stable in depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import sympy as sp

from learnact.compiler.declare.constants import evaluate, sign
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.expect import derivative, expect
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import BadDeclaration, Divergent

ZERO_BELOW = sp.Float(10) ** -25
"""A difference of numbers of quadrature is zero below this part of them: of 30 digits 5 may be lost."""

AMPLIFICATION = 16
"""Error of the solved moments, in units of the error of the five expectations: sums, one quotient and one root."""


@dataclass(frozen=True)
class Expectations:
    """The five expectations of a shape g that the theorem and the q-slope need."""

    mean: sp.Expr  # m = E g
    square: sp.Expr  # E g^2
    slope_square: sp.Expr  # d = E g'^2
    x_g_slope: sp.Expr  # E[x g g']
    x_slope: sp.Expr  # E[x g']
    exact: bool
    error: float
    route: str
    lacking: str = ""  # why E g'^2, E[x g g'] or E[x g'] does not exist: it is NaN then

    @property
    def variance(self) -> sp.Expr:
        """v = E g^2 - (E g)^2."""
        return tidy(self.square - self.mean**2)

    @classmethod
    @lru_cache(maxsize=64)  # a report retraces what the derivation took
    def of(cls, g: sp.Expr, law: Law) -> Expectations:
        """The expectations of `g` under `law`. Raises NoClosedForm, and Divergent where E g or E g^2 does not exist."""
        slope = derivative(g)
        taken = [expect(e, law) for e in (g, g**2)]
        taken += [_expect_if_any(e, law) for e in (slope**2, x * g * slope, x * slope)]
        numeric = [q for q in taken if not q.exact and q.exists]
        mean, square, slope_square, x_g_slope, x_slope = (tidy(q.value) for q in taken)
        return cls(
            mean,
            square,
            slope_square,
            x_g_slope,
            x_slope,
            exact=not numeric,
            error=AMPLIFICATION * max((q.error for q in numeric), default=0.0),
            route=numeric[0].route if numeric else "closed form",
            lacking=next((q.route for q in taken if not q.exists), ""),
        )

    def moments(self, gain: sp.Expr, shift: sp.Expr) -> Moments:
        """Moments of F = gain (g + shift)."""
        second = tidy(gain**2 * (self.square + 2 * shift * self.mean + shift**2))
        return self._as_moments(
            gain**2,
            shift,
            gain * (self.mean + shift),
            second,
            gain**2 * self.slope_square,
            gain**2 * self._x_slope(shift) / second if _sign(second) != 0 else sp.nan,
        )

    def _x_slope(self, shift: sp.Expr) -> sp.Expr:
        """E[x (g + shift) g']."""
        return self.x_g_slope + shift * self.x_slope if shift != 0 else self.x_g_slope

    def balanced(self, shift: sp.Expr, second: sp.Expr) -> Moments:
        """Moments of F = (g + shift)/sqrt(d) with a shift of the theorem: E[F^2] = `second` and E[F'^2] = 1."""
        d = self.slope_square
        q_slope = self._x_slope(shift) / (second * d)
        return self._as_moments(1 / d, shift, (self.mean + shift) / sp.sqrt(d), second, sp.S.One, q_slope)

    def forward(self, norm: sp.Expr, shift: sp.Expr, second: sp.Expr) -> Moments:
        """Moments of F = sqrt(second/norm) (g + shift), norm = E[(g + shift)^2], which has E[F^2] = `second`."""
        q_slope = self._x_slope(shift) / norm
        mean = self.mean + shift
        mean = mean * sp.sqrt(second / norm) if mean != 0 else mean  # SymPy spends seconds on 0 times a long number
        return self._as_moments(second / norm, shift, mean, second, second * self.slope_square / norm, q_slope)

    def _as_moments(self, gain_square: sp.Expr, shift: sp.Expr, *values: sp.Expr) -> Moments:
        """Moments with the error that the five expectations have after multiplication by gain^2 and (1 + |shift|)^2."""
        factor = 1.0
        if not self.exact:
            factor = float(max(sp.S.One, evaluate(gain_square)) * (1 + abs(evaluate(shift))) ** 2)
        return Moments(*(self.quantity(value, factor) for value in values))

    def quantity(self, value: sp.Expr, factor: float = 1.0) -> Quantity:
        """A number made of these expectations, with their error times a factor."""
        if value is sp.nan:
            return Quantity.none(self.lacking or "E[F^2] is 0")
        if self.exact:
            return Quantity(tidy(value))
        return Quantity(evaluate(value), False, factor * self.error, self.route)


def _expect_if_any(expr: sp.Expr, law: Law) -> Quantity:
    try:
        return expect(expr, law)
    except Divergent as err:
        return Quantity.none(str(err))


@dataclass(frozen=True)
class Solution:
    """Gain and shift of one start, the moments of F, and the reason where E[F'^2] = 1 is not reached."""

    gain: sp.Expr
    shift: sp.Expr
    kind: Literal["balanced", "forward only"]
    moments: Moments
    reason: str = ""


def tidy(e: sp.Expr) -> sp.Expr:
    """Expand an expression of rationals and roots; return anything else unchanged."""
    e = sp.sympify(e)
    if e.free_symbols or e.has(sp.Function, sp.exp, sp.Float) or e.is_Rational or sp.count_ops(e) > 200:
        return e
    return sp.expand(e)


def _sign(e: sp.Expr) -> int | None:
    """The sign of a closed form, -1, 0 or 1; None where it depends on symbols."""
    return sign(e) if e is not sp.nan else None


def _compared(a: sp.Expr, b: sp.Expr) -> int | None:
    """The sign of a - b, of numbers of quadrature 0 where it is too small to tell; None where it depends on symbols."""
    difference = tidy(a - b)
    if not difference.has(sp.Float):
        return sign(difference)
    value = evaluate(difference, 40)
    return 0 if abs(value) < ZERO_BELOW * evaluate(abs(a) + abs(b), 40) else int(sp.sign(value))


def solve(g: Expectations, law: Law, second: sp.Expr, *, has_shift: bool, root: Literal["stable", "plus"]) -> Solution:
    """Solve E[F^2] = `second` and E[F'^2] = 1; without a solution E[F^2] = `second` alone, with the reason.

    Raises BadDeclaration for a constant, which no gain helps.
    """
    d, v = g.slope_square, g.variance
    spread = v if has_shift else g.square
    if _sign(spread) == 0:
        raise BadDeclaration(
            f"where {law} puts x, F is the constant {evaluate(g.mean, 6)}: no gain makes E[F^2] = {second}; give other "
            "values or another law"
        )
    lost = f"E[F'^2] does not exist, so the gain sets E[F^2] alone: {g.lacking}"
    if not has_shift:
        gain, reached = sp.sqrt(second / g.square), g.forward(g.square, sp.S.Zero, second)
        if d is sp.nan:
            return Solution(gain, sp.S.Zero, "forward only", reached, lost)
        if is_one(reached.slope_second.value):
            return Solution(gain, sp.S.Zero, "balanced", reached)
        ratio = evaluate(d / g.square, 6)
        reason = f"no offset learns, so E[F'^2]/E[F^2] = {ratio} is fixed: the gain can set only one of them"
        return Solution(gain, sp.S.Zero, "forward only", reached, reason)
    if d is sp.nan:
        return Solution(sp.sqrt(second / v), -g.mean, "forward only", g.forward(v, -g.mean, second), lost)
    room = tidy(second * d - v)
    compared = _compared(second * d, v)
    if compared == -1:
        gain, shift = sp.sqrt(second / v), -g.mean
        reason = (
            f"E[F^2] = {second} and E[F'^2] = 1 need Var g <= {evaluate(second * d, 6)}, found {evaluate(v, 6)} under "
            f"{law}; with E[F^2] = {second} the largest E[F'^2] is {evaluate(second * d / v, 6)}"
        )
        return Solution(gain, shift, "forward only", g.forward(v, shift, second), reason)
    distance = sp.S.Zero if compared == 0 else sp.sqrt(room)
    shifts = [tidy(-g.mean + distance), tidy(-g.mean - distance)]
    best = shifts[0]
    if root == "stable" and not any(s.free_symbols for s in shifts):
        best = min(shifts, key=lambda s: abs(float(g.balanced(s, second).q_slope.number(20))))
    return Solution(1 / sp.sqrt(d), best, "balanced", g.balanced(best, second))


def is_one(e: sp.Expr) -> bool:
    """Whether a number is 1 to 25 digits."""
    return not e.free_symbols and e is not sp.nan and _compared(e, sp.S.One) == 0


def moments(function: sp.Expr, law: Law) -> Moments:
    """E[F], E[F^2], E[F'^2] and q-slope of an expression F(x) under a law. Raises Divergent, NoClosedForm."""
    return Expectations.of(function, law).moments(sp.S.One, sp.S.Zero)
