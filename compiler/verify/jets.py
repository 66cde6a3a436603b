"""The referee's own differentiation: forward mode over the declared expression, one value and gradient per node.

Where F has a kink or a jump, derivatives are limits from the left: each node takes the branch that it is on just below
x, as the derivative of its own argument tells. Where that is 0 too, a tie of Max or Min takes the first argument in
`symbols.tie_order`, and sign, Heaviside and conditions are what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import expm1
from sympy.core.relational import Relational

from learnact.compiler.declare.symbols import tie_order, x
from learnact.compiler.verify.measured import Array, Field, Measured, derivative, elementary
from learnact.errors import UnsupportedNode

KINKED = (sp.Max, sp.Min, sp.Abs, sp.sign, sp.Heaviside, sp.floor, sp.ceiling, sp.Piecewise)
"""Nodes at which value or slope may be discontinuous."""

JUMPING = (sp.sign, sp.Heaviside, sp.floor, sp.ceiling, sp.Piecewise)
"""Nodes whose value may differ from its limit from the left."""

NEAR = 1e-3
"""Distance from a tie, in units of scale, below which rounding may let another argument win: far above that of float32,
in which half types compute too."""


FARTHEST = 2.0**53
"""Steps of floor that are told apart: beyond it every double is an integer."""


@dataclass(frozen=True)
class Jet:
    """A value and its derivative by every active symbol that it depends on."""

    primal: Measured
    tangents: Mapping[sp.Symbol, Measured]
    still: Array | None = None  # where it is a number whatever the inputs are; None: where it has no tangents

    @property
    def at_rest(self) -> Array:
        """Where nothing moves it: its derivatives are 0 there, even times infinity. Broadcasts against the points."""
        return np.array(not self.tangents) if self.still is None else self.still


@dataclass
class Walk:
    """One evaluation of expressions at one array of points."""

    numbers: Field
    shape: tuple[int, ...]
    inputs: Mapping[sp.Symbol, Measured]
    active: frozenset[sp.Symbol]  # differentiate by these
    order: Sequence[sp.Symbol]  # the parameters in declared order: it decides ties of equal slope
    left: bool = False  # whether values too are limits from the left, as in derivatives they must be
    choices: list[Array] = field(default_factory=list)  # which branch was taken, at every kinked node
    kinks: list[Array] = field(default_factory=list)  # distance from a change of branch, in units of its scale
    jumps: list[Array] = field(default_factory=list)  # the same, where the value itself may break
    seen: dict[sp.Expr, Jet] = field(default_factory=dict)
    peak: Array = field(init=False)  # the largest magnitude met on the way, derivatives included

    def __post_init__(self) -> None:
        self.peak = np.zeros(self.shape)

    def jet(self, expr: sp.Expr) -> Jet:
        """Value and derivatives of the expression. Raises UnsupportedNode."""
        if expr not in self.seen:
            jet = self.seen[expr] = self._jet(expr)
            for met in (jet.primal, *jet.tangents.values()):
                self.peak = np.fmax(self.peak, abs(met.value).astype(float))
        return self.seen[expr]

    def _jet(self, expr: sp.Expr) -> Jet:
        if expr in self.inputs:
            tangents = {expr: self.constant(sp.S.One)} if expr in self.active else {}
            return Jet(self.inputs[expr], tangents)
        if expr.is_number:
            return Jet(self.constant(expr), {})
        match expr:
            case sp.Add():
                return self.sum([self.jet(a) for a in expr.args])
            case sp.Mul():
                return self.product([self.jet(a) for a in expr.args])
            case sp.Pow():
                return self.power(expr)
            case sp.Max() | sp.Min():
                return self.extremum(expr)
            case sp.Abs() | sp.sign() | sp.Heaviside():
                return self.broken(expr)
            case sp.floor() | sp.ceiling():
                return self.rounded(expr)
            case sp.Piecewise():
                return self.piecewise(expr)
            case sp.Function() if len(expr.args) == 1:
                return self.applied(type(expr), self.jet(expr.args[0]))
        raise UnsupportedNode(f"the referee has no rule for {type(expr).__name__} in {expr}; add one to verify/jets.py")

    def constant(self, expr: sp.Expr) -> Measured:
        """A number at every point; small integers are exact, all others rounded."""
        value = self.numbers.full(expr, self.shape)
        return Measured(value, self.numbers.full(sp.S.Zero, self.shape) if expr.is_Integer else abs(value))

    def sum(self, terms: Sequence[Jet]) -> Jet:
        """sum_i u_i."""
        total = terms[0]
        for term in terms[1:]:
            tangents = dict(total.tangents)
            for s, t in term.tangents.items():
                tangents[s] = tangents[s] + t if s in tangents else t
            total = Jet(total.primal + term.primal, tangents, total.at_rest & term.at_rest)
        return total

    def product(self, factors: Sequence[Jet]) -> Jet:
        """prod_i u_i, by (u v)' = u' v + u v'."""
        total = factors[0]
        for factor in factors[1:]:
            left = self.scaled(total.tangents, factor.primal)
            right = self.scaled(factor.tangents, total.primal)
            both = self.sum([Jet(total.primal * factor.primal, left), Jet(self.constant(sp.S.Zero), right)])
            total = Jet(both.primal, both.tangents, total.at_rest & factor.at_rest)
        return total

    def scaled(self, tangents: Mapping[sp.Symbol, Measured], slope: Measured) -> dict[sp.Symbol, Measured]:
        """Chain rule: every tangent times the slope."""
        return {s: t * slope for s, t in tangents.items()}

    def chained(self, value: Measured, inner: Jet, slope: Measured) -> Jet:
        """f(u) with the derivative f'(u) u', which is 0 where u stands still."""
        zero = self.constant(sp.S.Zero)
        still = np.broadcast_to(inner.at_rest, self.shape)
        tangents = {s: zero.where(still, t) for s, t in self.scaled(inner.tangents, slope).items()}
        return Jet(value, tangents, inner.still)

    def power(self, expr: sp.Pow) -> Jet:
        """u**c for a constant c; u**v as exp(v log u), and where u is 0 and v > 0 its limit."""
        base, exponent = expr.args
        if not exponent.is_number:
            return self.at_zero(self.jet(sp.exp(exponent * sp.log(base))), self.jet(base), self.jet(exponent))
        below = self.jet(base)
        primal = self.raised(below.primal, exponent)
        if not below.tangents:
            return Jet(primal, {})
        slope = self.constant(exponent) * self.raised(below.primal, exponent - 1)
        return self.chained(primal, below, slope)

    def at_zero(self, power: Jet, base: Jet, exponent: Jet) -> Jet:
        """0**v = 0 for v > 0; the derivative by v is 0, by the base 0, 1 or infinite as v is above, at or below 1."""
        zero, one = self.constant(sp.S.Zero), self.constant(sp.S.One)
        here = ((base.primal.value == 0) & (exponent.primal.value > 0)).astype(bool)
        above, below = ((exponent.primal.value > 1).astype(bool), (exponent.primal.value < 1).astype(bool))
        slope = np.where(above, zero.value, np.where(below, one.value * np.inf, one.value))
        carried = self.chained(zero, base, Measured(slope, zero.scale)).tangents
        tangents = {s: carried.get(s, zero).where(here, t) for s, t in power.tangents.items()}
        return Jet(zero.where(here, power.primal), tangents, base.at_rest & exponent.at_rest)

    def raised(self, base: Measured, exponent: sp.Expr) -> Measured:
        """The value of base**exponent for a constant exponent, and its rounding scale."""
        if exponent.is_zero:
            return self.constant(sp.S.One)
        value = self.numbers.power(base.value, exponent)
        slope = self.numbers.full(exponent, self.shape) * self.numbers.power(base.value, exponent - 1)
        carried = np.where((base.scale == 0).astype(bool), base.scale, abs(slope) * base.scale)  # 0, not 0 times inf
        return Measured(value, carried + abs(self.numbers.full(exponent, self.shape) * value))

    def applied(self, kind: type[sp.Function], inner: Jet) -> Jet:
        """f(u) for a smooth function f of one argument; f' is SymPy's."""
        u = inner.primal
        function, slope_at = elementary(self.numbers, kind)  # type: ignore[arg-type]  # classes are hashable
        value = function(u.value)
        primal = Measured(value, abs(value) + abs(slope_at(u.value)) * u.scale)
        if not inner.tangents:
            return Jet(primal, {})
        symbol, expr = derivative(kind)  # type: ignore[arg-type]  # classes are hashable
        slope = Walk(self.numbers, self.shape, {symbol: u}, frozenset(), ()).jet(expr).primal
        if kind is expm1:  # whose derivative may be computed as expm1(u) + 1, as torch does
            slope = Measured(slope.value, slope.scale + self.numbers.full(sp.S.One, self.shape))
        return self.chained(primal, inner, slope)

    def extremum(self, expr: sp.Max | sp.Min) -> Jet:
        """max_i u_i or min_i u_i; records which argument was taken and its lead over the others."""
        jets = [self.jet(a) for a in tie_order(expr.args, self.order)]
        ahead = np.greater if isinstance(expr, sp.Max) else np.less
        winner = np.zeros(self.shape, dtype=int)
        best = jets[0].primal.value
        slope = self.slope(jets[0])
        for k, other in enumerate(jets[1:], start=1):
            tied = (other.primal.value == best) & ahead(slope, self.slope(other))
            taken = (ahead(other.primal.value, best) | tied).astype(bool)
            winner, best = np.where(taken, k, winner), np.where(taken, other.primal.value, best)
            slope = np.where(taken, self.slope(other), slope)
        self.choices.append(winner)
        result = self.chosen(jets, winner)
        for k, other in enumerate(jets):
            gap = self.relative(abs(best - other.primal.value), result.primal.scale + other.primal.scale)
            self.kinks.append(np.where(winner == k, np.inf, gap))
        scale = result.primal.scale
        for other in jets:  # near a tie another one may win
            near = self.relative(abs(best - other.primal.value), result.primal.scale + other.primal.scale) <= NEAR
            scale = np.where(near & (other.primal.scale > scale).astype(bool), other.primal.scale, scale)
        return Jet(Measured(result.primal.value, scale), result.tangents, result.still)

    def slope(self, jet: Jet) -> Array:
        """The derivative by x."""
        return jet.tangents[x].value if x in jet.tangents else self.constant(sp.S.Zero).value

    def chosen(self, jets: Sequence[Jet], index: Array) -> Jet:
        """The jet of this index, point by point."""
        zero = self.constant(sp.S.Zero)
        primal, tangents, still = jets[0].primal, dict(jets[0].tangents), np.broadcast_to(jets[0].at_rest, self.shape)
        for k, other in enumerate(jets[1:], start=1):
            primal = other.primal.where(index == k, primal)
            still = np.where(index == k, other.at_rest, still)
            for s in tangents.keys() | other.tangents.keys():
                tangents[s] = other.tangents.get(s, zero).where(index == k, tangents.get(s, zero))
        return Jet(primal, tangents, still)

    def broken(self, expr: sp.Abs | sp.sign | sp.Heaviside) -> Jet:
        """|u|, sign(u) or Heaviside(u, h); records the sign of u and its distance from 0."""
        inner = self.jet(expr.args[0])
        u = inner.primal
        distance = self.relative(abs(u.value), u.scale)
        self.choices.append((u.value > 0).astype(int))
        self.kinks.append(distance)
        zero, one = self.constant(sp.S.Zero), self.constant(sp.S.One)
        above, below = (u.value > 0).astype(bool), (u.value < 0).astype(bool)
        if self.left or isinstance(expr, sp.Abs):
            level, slope = (u.value == 0).astype(bool), self.slope(inner)
            above, below = above | level & (slope < 0).astype(bool), below | level & (slope > 0).astype(bool)
        sign = np.where(above, one.value, np.where(below, -one.value, zero.value))
        if isinstance(expr, sp.Abs):
            return Jet(Measured(abs(u.value), u.scale), self.scaled(inner.tangents, Measured(sign, zero.scale)))
        self.jumps.append(distance)
        if isinstance(expr, sp.sign):
            return Jet(Measured(sign, zero.scale), {})
        at_zero = self.numbers.full(expr.args[1], self.shape)
        return Jet(Measured(np.where(above, one.value, np.where(below, zero.value, at_zero)), zero.scale), {})

    def rounded(self, expr: sp.floor | sp.ceiling) -> Jet:
        """floor(u) or ceiling(u), whose derivative is 0; records the step and the distance from the nearest one."""
        inner = self.jet(expr.args[0])
        u = inner.primal
        below = self.numbers.floor(u.value)
        whole = (below == u.value).astype(bool)
        value = below if isinstance(expr, sp.floor) else np.where(whole, below, below + 1)
        if self.left:  # just below x, an integer u was below it where it rises, above where it falls
            rises, falls = ((way * self.slope(inner) > 0).astype(bool) for way in (1, -1))
            down = whole & rises if isinstance(expr, sp.floor) else np.zeros_like(whole)
            up = whole & falls if isinstance(expr, sp.ceiling) else np.zeros_like(whole)
            value = np.where(down, value - 1, np.where(up, value + 1, value))
        steps = np.clip(np.nan_to_num(value.astype(float)), -FARTHEST, FARTHEST)
        self.choices.append(steps.astype(int))
        nearest = np.minimum(abs(u.value - below).astype(float), abs(below + 1 - u.value).astype(float))
        distance = self.relative(nearest, u.scale)
        self.kinks.append(distance)
        self.jumps.append(distance)
        return Jet(Measured(value, self.constant(sp.S.Zero).value), {})

    def piecewise(self, expr: sp.Piecewise) -> Jet:
        """The first piece whose condition holds; NaN where none does."""
        index = np.full(self.shape, len(expr.args))
        for k, (_, condition) in reversed(list(enumerate(expr.args))):
            index = np.where(self.holds(condition), k, index)
        self.choices.append(index)
        nowhere = Jet(Measured(self.numbers.array(np.full(self.shape, np.nan)), self.constant(sp.S.Zero).value), {})
        return self.chosen([*(self.jet(piece) for piece, _ in expr.args), nowhere], index)

    def holds(self, condition: sp.Basic) -> Array:
        """Where a condition holds, (N,) booleans; records the distance of each comparison from equality.

        Raises UnsupportedNode.
        """
        if condition in (sp.true, sp.false):
            return np.full(self.shape, condition is sp.true)
        if isinstance(condition, (sp.And, sp.Or)):
            parts = [self.holds(c) for c in condition.args]
            return np.logical_and.reduce(parts) if isinstance(condition, sp.And) else np.logical_or.reduce(parts)
        if isinstance(condition, sp.Not):
            return ~self.holds(condition.args[0])
        if not isinstance(condition, Relational):
            raise UnsupportedNode(f"the referee has no rule for the condition {condition}; add one to verify/jets.py")
        lower, upper = (self.jet(side) for side in (condition.lhs, condition.rhs))
        left, right = lower.primal, upper.primal
        distance = self.relative(abs(left.value - right.value), left.scale + right.scale)
        self.kinks.append(distance)
        self.jumps.append(distance)
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
        compare |= {"==": np.equal, "!=": np.not_equal}
        relation = compare[condition.rel_op]
        holds = relation(left.value, right.value).astype(bool)
        if not self.left:
            return holds
        fall = self.slope(upper) - self.slope(lower)  # just below x, left - right is so many times a small number
        level = ((left.value == right.value) & (fall != 0)).astype(bool)
        return np.where(level, relation(fall, 0 * fall).astype(bool), holds)

    def relative(self, distance: Array, scale: Array) -> Array:
        """distance / scale as doubles; infinite where the scale is 0, for then nothing is rounded."""
        near, unit = distance.astype(float), scale.astype(float)
        return np.where(unit > 0, near / np.where(unit > 0, unit, 1), np.inf)
