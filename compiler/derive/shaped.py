"""Gain, shift and one further unknown of a shaped start: F = gain (g(input_scale x) + tilt x + shift) under N(0, s^2).

Let g have bends h: g without its mean m and its slope in the mean, mu = E g', so that h is orthogonal to 1 and x. With
a = mu + tilt, H0 = E h^2, H1 = E h'^2 and B the bend of g (`bend`),
    E[F'^2] = gain^2 (a^2 + H1),   Var F = gain^2 (s^2 a^2 + H0),   C''(1) E[F^2] = gain^2 B,
linear equations in gain^2 and gain^2 a^2: closed forms. Without a line, C''(1) depends on input_scale alone, which is
found to 30 digits: g(z x) under N(0, s^2) is g under N(0, z^2 s^2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.constants import DIGITS, evaluate, sign
from learnact.compiler.declare.laws import LEAST, MOST, Law, Normal
from learnact.compiler.declare.shape import Shape
from learnact.compiler.declare.symbols import gain, input_scale, shift, tilt, x
from learnact.compiler.derive.balance import Expectations, tidy
from learnact.compiler.derive.bend import bend
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.expect import derivative, expect
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import Divergent, NoClosedForm, NoStart

OCTAVES = 10
"""The input is scaled by 2^-OCTAVES to 2^OCTAVES; gates and saturation are all of F, or nothing, far before."""

GUARD = 8
"""Digits of input_scale beyond those that are promised."""

COARSE, ROUGH = 15, 10
"""Digits of quadrature while input_scale is looked for, and of input_scale then; secants bring the rest."""

STEPS = 100
"""Of each search for a zero; they take about 8 and 3."""


@dataclass(frozen=True)
class Solved:
    """The unknowns of a shaped start and the moments of F."""

    known: dict[sp.Symbol, sp.Expr]
    moments: Moments
    exact: bool


def solve_shape(g: sp.Expr, line: sp.Expr, law: Law, second: sp.Expr, shape: Shape, unknowns: frozenset[sp.Symbol]
                ) -> Solved:  # fmt: skip
    """Solve the conditions of `shape`, and E[F^2] = `second` unless E[F] = 0 is among them.

    `line` is the multiple of x that a tilt of 1 adds to g. Raises NoStart with the range that can be reached, and what
    `expect` raises.
    """
    if not isinstance(law, Normal):
        raise NoStart(f"{shape.label} is of inputs N(0, sigma^2), found {law}; give a normal law")
    if law.parameter.free_symbols:
        raise NoStart(f"a {shape.name} start needs a sigma that is a number, found {law}")
    if tilt in unknowns:
        return _tilted(g, line, law, second, shape)
    if input_scale not in unknowns:
        fixed = _Search(g, law, second, shape).amount(sp.S.One)
        raise NoStart(
            f"{shape.label} = {_short(fixed)} whatever gain and shift are, asked was {_short(shape.amount)}; "
            "no parameter adds a line to F or stretches x; let one learn, as b and c in a*tanh(b*x) + c*x"
        )
    return _zoomed(g, law, second, shape)


def _short(value: sp.Expr) -> str:
    return f"{float(evaluate(value)):.6g}"


def _unreachable(shape: Shape, low: sp.Expr, high: sp.Expr, law: Law, asked: str) -> NoStart:
    if _short(low) == _short(high):
        reach = f"is {_short(low)} there, at whatever scale of the input"
    else:
        reach = f"lies between {_short(low)} and {_short(high)} there"
    return NoStart(f"{shape.label} = {_short(shape.amount)} cannot be had with {asked} under {law}: it {reach}")


def _tilted(g: sp.Expr, line: sp.Expr, law: Normal, second: sp.Expr, shape: Shape) -> Solved:
    taken, variance, q = Expectations.of(g, law), law.second, shape.amount
    if taken.slope_square is sp.nan:
        raise NoStart(f"E[F'^2] does not exist: {taken.lacking}")
    slope = derivative(g)
    also = [bend(g, law, shape.measure), expect(slope, law), expect(x**2 * slope, law)]
    b, mu, x2_slope = (tidy(e.value) for e in also)
    h0 = tidy(taken.variance - variance * mu**2)
    h1 = tidy(taken.slope_square - mu**2)
    if sign(b) == 0:
        raise NoStart(f"F is a line, so {shape.label} = 0 whatever the start is")
    excess = tidy(variance * h1 - h0)  # at least 0: Poincare's inequality
    low: sp.Expr = sp.S.Zero
    if shape.centred:
        power = q * variance * shape.slope / (b + q * excess)
        high, asked = b / h0, f"E[F] = 0 and E[F'^2] = {shape.slope}"
    else:
        power, lack = q * second / b, variance * shape.slope - second
        high, asked = shape.slope * b / (second * h1), f"E[F^2] = {second} and E[F'^2] = {shape.slope}"
        if sign(lack) == 1:
            low = b * lack / (second * excess) if sign(excess) == 1 else sp.oo
    if low is sp.oo or sign(tidy(q - low)) == -1 or sign(tidy(high - q)) == -1 or sign(tidy(high - low)) == -1:
        if low is sp.oo or sign(tidy(high - low)) == -1:
            raise NoStart(f"no {shape.label} can be had with {asked} under {law}; ask for a smaller slope, or preserve")
        raise _unreachable(shape, low, high, law, asked)
    power = tidy(power)
    flat = tidy(shape.slope / power - h1)  # a^2
    spread = tidy(h0 + variance * flat)  # Var F / gain^2
    if shape.centred:
        square, offsets = tidy(power * spread), [sp.S.Zero]
    else:
        square, offset = second, _root(tidy(second / power - spread))
        offsets = [offset, -offset] if offset != 0 else [offset]
    rise = _root(flat) * (-1 if sign(mu) == -1 else 1)
    per_x = tidy(rise - mu)
    lifts = [tidy(o - taken.mean) for o in offsets]

    def q_slope(s: sp.Expr) -> sp.Expr:
        with_line = taken.x_g_slope + per_x * (variance * mu + x2_slope) + per_x**2 * variance + s * taken.x_slope
        return power * with_line / square

    lift = min(lifts, key=lambda s: abs(float(evaluate(q_slope(s)))))
    exact = taken.exact and all(e.exact for e in also)
    error = taken.error + sum(e.error for e in also)
    route = next((e.route for e in also if not e.exact), taken.route)

    def quantity(value: sp.Expr) -> Quantity:
        return Quantity(value) if exact else Quantity(evaluate(value), False, error, route)

    known = {gain: sp.sqrt(power), shift: lift, tilt: per_x / (line / x)}
    mean = sp.sqrt(power) * (taken.mean + lift) if not shape.centred else sp.S.Zero
    moments = Moments(quantity(mean), _kept(square, quantity), Quantity(shape.slope), quantity(q_slope(lift)))
    return Solved(known, moments, exact)


def _kept(square: sp.Expr, quantity: Callable[[sp.Expr], Quantity]) -> Quantity:
    return Quantity(square) if square.is_Rational else quantity(square)


def _root(value: sp.Expr) -> sp.Expr:
    """The square root; of what is 0 to 25 digits, 0."""
    return sp.S.Zero if sign(value) != 1 else sp.sqrt(value)


@dataclass(frozen=True)
class _Search:
    """C''(1) or kappa by input_scale, gain and shift being what the other conditions make of them."""

    g: sp.Expr
    law: Normal
    second: sp.Expr
    shape: Shape

    def amount(self, z: sp.Expr, digits: int = COARSE) -> sp.Expr:
        """The measure at input_scale z. Raises NoStart, Divergent, NoClosedForm."""
        wide = Normal(self.law.std * z)
        bent = evaluate(bend(self.g, wide, self.shape.measure, digits).value)
        if self.shape.centred:
            mean, square = (evaluate(expect(e, wide, digits=digits).value) for e in (self.g, self.g**2))
            return bent / (square - mean**2)
        slope_square = expect(derivative(self.g) ** 2, wide, digits=digits)
        return self.shape.slope * bent / (z**2 * evaluate(slope_square.value) * self.second)

    def off(self, log_z: sp.Expr, digits: int = COARSE) -> sp.Expr:
        """How far the measure is from what is asked, in logarithms."""
        z = sp.Rational(str(sp.exp(log_z).evalf(DIGITS + GUARD)))
        return sp.log(self.amount(z, digits) / self.shape.amount)

    def bracket(self) -> tuple[int, int]:
        """Neighbouring powers of 2 between which the measure is the one asked for, the nearest to 1. Raises NoStart."""
        found: dict[int, sp.Expr] = {}
        for octave in (0, *(k for n in range(1, OCTAVES + 1) for k in (n, -n))):
            z = sp.Integer(2) ** octave
            if not LEAST <= self.law.std * z <= MOST:
                continue
            try:
                here = self.amount(z)
            except (Divergent, NoClosedForm):
                if octave == 0:
                    raise
                continue  # beyond what can be integrated
            if sign(here) != 1:
                continue
            for other in (octave - 1, octave + 1):
                if other in found and (found[other] > self.shape.amount) != (here > self.shape.amount):
                    return other, octave
            found[octave] = here
        if not found:
            raise NoStart(f"F is a line, so {self.shape.label} = 0 whatever the start is")
        asked = "E[F] = 0" if self.shape.centred else f"E[F^2] = {self.second}"
        asked += f" and E[F'^2] = {self.shape.slope}"
        raise _unreachable(self.shape, min(found.values()), max(found.values()), self.law, asked)

    def zero(self) -> sp.Expr:
        """The input_scale: the Illinois rule in log z to COARSE digits, then secants. Raises NoStart."""
        a, b = (sp.log(sp.Integer(2) ** k).evalf(DIGITS + GUARD) for k in self.bracket())
        fa, fb = self.off(a), self.off(b)
        for _ in range(STEPS):
            if abs(fb) < sp.Float(10) ** -ROUGH:
                break
            c = b - fb * (b - a) / (fb - fa)
            fc = self.off(c)
            a, fa = (b, fb) if sp.sign(fc) != sp.sign(fb) else (a, fa / 2)
            b, fb = c, fc
        a = b + sp.Float(10) ** -ROUGH
        fa, fb = self.off(a, DIGITS), self.off(b, DIGITS)
        for _ in range(STEPS):
            if abs(fb) < sp.Float(10) ** -(DIGITS - 4) or fa == fb:
                return sp.Rational(str(sp.exp(b).evalf(DIGITS + GUARD)))
            a, fa, b = b, fb, b - fb * (b - a) / (fb - fa)
            fb = self.off(b, DIGITS)
        raise NoStart(
            f"no input_scale with {self.shape.label} = {_short(self.shape.amount)} is found to {DIGITS} digits"
        )


def _zoomed(g: sp.Expr, law: Normal, second: sp.Expr, shape: Shape) -> Solved:
    z = _Search(g, law, second, shape).zero()
    taken = Expectations.of(g, Normal(law.std * z))
    if taken.slope_square is sp.nan:
        raise NoStart(f"E[F'^2] does not exist: {taken.lacking}")
    variance = evaluate(taken.variance)
    power = shape.slope / (z**2 * evaluate(taken.slope_square))
    square = evaluate(power * variance) if shape.centred else second
    offset = sp.S.Zero
    if not shape.centred:
        room = evaluate(second / power - variance)
        if sign(room) == -1:
            raise NoStart(
                f"{shape.label} = {_short(shape.amount)} needs x times {_short(z)} under {law}, and there the largest "
                f"E[F'^2] with E[F^2] = {second} is {_short(second * shape.slope / (power * variance))}, asked was "
                f"{shape.slope}; ask for another one"
            )
        offset = _root(room)
    shifts = [evaluate(o - taken.mean) for o in ([offset, -offset] if offset != 0 else [offset])]
    error = taken.error + 10.0**-DIGITS

    def q_slope(s: sp.Expr) -> sp.Expr:
        return evaluate(power * (taken.x_g_slope + (s * taken.x_slope if s != 0 else 0)) / square)

    def quantity(value: sp.Expr) -> Quantity:
        return Quantity(value) if value.is_Rational else Quantity(evaluate(value), False, error, "zero in input_scale")

    chosen = min(shifts, key=lambda v: abs(float(q_slope(v))))
    mean = sp.S.Zero if shape.centred else evaluate(sp.sqrt(power) * (taken.mean + chosen))
    moments = Moments(quantity(mean), quantity(square), Quantity(shape.slope), quantity(q_slope(chosen)))
    known = {gain: evaluate(sp.sqrt(power)), shift: chosen, input_scale: evaluate(z)}
    return Solved(known, moments, exact=False)
