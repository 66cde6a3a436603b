"""The normal form of a smooth integrand: a sum of polynomials times shapes.

    shape(x) = exp(quad x^2 + lin x) * cos(freq x + phase) * prod erf(alpha x + gamma) / (x^2 + pole)^order

It is built by sums and products of normal forms, never by expansion: nested constants stay coefficients, and a
product of two cosines becomes a sum of two cosines at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, reduce
from typing import NamedTuple

import sympy as sp
from sympy.codegen.cfunctions import expm1

from learnact.compiler.declare.constants import sign
from learnact.compiler.declare.symbols import x
from learnact.errors import NoClosedForm

ZERO, ONE = sp.S.Zero, sp.S.One

Poly = dict[int, sp.Expr]
"""Power -> coefficient."""


class Shape(NamedTuple):
    """The factor of a polynomial, shape(x); the default is 1."""

    quad: sp.Expr = ZERO  # exp(quad x^2 + lin x)
    lin: sp.Expr = ZERO
    freq: sp.Expr = ZERO  # cos(freq x + phase); phase is 0 where freq is
    phase: sp.Expr = ZERO
    erfs: tuple[tuple[sp.Expr, sp.Expr], ...] = ()  # erf(alpha x + gamma) as (alpha, gamma), sorted
    pole: sp.Expr = ZERO  # 1 / (x^2 + pole)^order, pole > 0
    order: int = 0

    def scaled(self, s: sp.Expr) -> Shape:
        """The shape of s*x as one of x, without the factor s^(-2 order) that a pole brings."""
        erfs = tuple((alpha * s, gamma) for alpha, gamma in self.erfs)
        return Shape(self.quad * s**2, self.lin * s, self.freq * s, self.phase, erfs, self.pole / s**2, self.order)


PLAIN = Shape()
Form = dict[Shape, Poly]
Monomial = tuple[Shape, int, sp.Expr]


def collect(monomials: Iterable[Monomial]) -> Form:
    """Add up monomials with the same shape and power; zeros are dropped."""
    found: dict[Shape, dict[int, list[sp.Expr]]] = defaultdict(lambda: defaultdict(list))
    for shape, power, coefficient in monomials:
        found[shape][power].append(coefficient)
    form: Form = {}
    for shape, powers in found.items():
        poly = {k: total for k, cs in powers.items() if (total := sp.Add(*cs)) != 0}
        if poly:
            form[shape] = poly
    return form


def monomials(form: Form) -> Iterator[Monomial]:
    """Every (shape, power, coefficient)."""
    return ((shape, k, c) for shape, poly in form.items() for k, c in poly.items())


def rescaled(form: Form, s: sp.Expr) -> Form:
    """The form of f(s x) from that of f(x)."""
    return collect((shape.scaled(s), k, c * s ** (k - 2 * shape.order)) for shape, k, c in monomials(form))


def composed(poly: Poly, scale: sp.Expr, shift: sp.Expr) -> Poly:
    """P(scale x + shift)."""
    if shift == 0:
        return {k: c * scale**k for k, c in poly.items()}
    parts: dict[int, list[sp.Expr]] = defaultdict(list)
    for k, c in poly.items():
        for j in range(k + 1):
            parts[j].append(c * sp.binomial(k, j) * scale**j * shift ** (k - j))
    return {j: sp.Add(*cs) for j, cs in parts.items()}


def evaluated(poly: Poly, point: sp.Expr) -> sp.Expr:
    """P(point)."""
    return sp.Add(*(c * point**k for k, c in poly.items()))


def times(f: Form, g: Form) -> Form:
    """The product of two forms. Raises NoClosedForm for two different quadratic denominators."""
    return collect(
        (shape, j + k, c * d * factor)
        for s, p in f.items()
        for t, q in g.items()
        for shape, factor in _shape_product(s, t)
        for j, c in p.items()
        for k, d in q.items()
    )


def _shape_product(s: Shape, t: Shape) -> list[tuple[Shape, sp.Expr]]:
    if s == PLAIN:
        return [(t, ONE)]
    if t == PLAIN:
        return [(s, ONE)]
    if s.order and t.order and s.pole != t.pole:
        raise NoClosedForm("the denominator has two different quadratic factors")
    smooth = Shape(
        quad=s.quad + t.quad,
        lin=s.lin + t.lin,
        erfs=tuple(sorted(s.erfs + t.erfs, key=sp.default_sort_key)),
        pole=s.pole if s.order else t.pole,
        order=s.order + t.order,
    )
    if s.freq == 0 or t.freq == 0:
        return [_with_wave(smooth, s.freq + t.freq, s.phase + t.phase)]
    half = sp.Rational(1, 2)
    waves = (s.freq - t.freq, s.phase - t.phase), (s.freq + t.freq, s.phase + t.phase)
    return [(shape, factor * half) for shape, factor in (_with_wave(smooth, *wave) for wave in waves)]


def _with_wave(shape: Shape, freq: sp.Expr, phase: sp.Expr) -> tuple[Shape, sp.Expr]:
    """shape * cos(freq x + phase), with one spelling for cos(u) = cos(-u)."""
    if freq == 0:
        return shape, sp.cos(phase)
    if freq.could_extract_minus_sign():
        freq, phase = -freq, -phase
    return shape._replace(freq=freq, phase=phase), ONE


def constant(c: sp.Expr) -> Form:
    """The form of an expression without x."""
    return {PLAIN: {0: c}} if c != 0 else {}


def polynomial(expr: sp.Expr) -> Poly:
    """Coefficients of a polynomial in x. Raises NoClosedForm if it is none."""
    form = normal_form(expr)
    if set(form) - {PLAIN}:
        raise NoClosedForm(f"{expr} is no polynomial in x")
    return form.get(PLAIN, {})


@lru_cache(maxsize=1 << 12)
def normal_form(expr: sp.Expr) -> Form:
    """The normal form of an expression in x without kinks. Raises NoClosedForm where it has none."""
    if not expr.has(x):
        return constant(expr)
    if expr == x:
        return {PLAIN: {1: ONE}}
    if expr.is_Add:
        return collect(m for part in expr.args for m in monomials(normal_form(part)))
    if expr.is_Mul:
        return reduce(times, map(normal_form, expr.args))
    if isinstance(expr, sp.exp):
        return _exponential(expr.args[0])
    if expr.is_Pow:
        return _power(*expr.args)
    rule = _FUNCTIONS.get(type(expr))
    if rule:
        return rule(expr.args[0])
    raise NoClosedForm(f"no rule for {expr}")


def _power(base: sp.Expr, exponent: sp.Expr) -> Form:
    if not base.has(x):
        return _exponential(exponent * sp.log(base))
    if not exponent.is_Integer:
        raise NoClosedForm(f"no rule for {base**exponent}")
    if exponent < 0:
        return _reciprocal(base, -int(exponent))
    if base == x:
        return {PLAIN: {int(exponent): ONE}}
    return reduce(times, [normal_form(base)] * int(exponent), constant(ONE))


def _reciprocal(base: sp.Expr, order: int) -> Form:
    """1 / base^order for base = a (x^2 + c)^k, c > 0."""
    poly = polynomial(base)
    degree = max(poly)
    half, odd = divmod(degree, 2)
    if not odd:
        lead = poly[degree]
        pole = poly.get(degree - 2, ZERO) / lead / half if half else ZERO
        expected = {2 * j: lead * sp.binomial(half, j) * pole ** (half - j) for j in range(half + 1)}
        same = set(poly) == set(expected) and all(sign(poly[k] - expected[k]) == 0 for k in poly)
        if same and sign(pole) == 1:
            return {Shape(pole=pole, order=half * order): {0: lead**-order}}
    raise NoClosedForm(f"the denominator {base} is no power of x**2 + c with c > 0")


def _exponential(argument: sp.Expr) -> Form:
    poly = polynomial(argument)
    if max(poly, default=0) > 2:
        raise NoClosedForm(f"no rule for exp({argument})")
    shape = Shape(quad=poly.get(2, ZERO), lin=poly.get(1, ZERO))
    return {shape: {0: sp.exp(poly.get(0, ZERO))}}


def _affine(argument: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    poly = polynomial(argument)
    if max(poly, default=0) > 1:
        raise NoClosedForm(f"{argument} is not affine in x")
    return poly.get(1, ZERO), poly.get(0, ZERO)


def _cosine(argument: sp.Expr, lag: sp.Expr = ZERO) -> Form:
    freq, phase = _affine(argument)
    shape, factor = _with_wave(PLAIN, freq, phase - lag)
    return {shape: {0: factor}}


def _sine(argument: sp.Expr) -> Form:
    return _cosine(argument, sp.pi / 2)


def _erf(argument: sp.Expr) -> Form:
    return {Shape(erfs=(_affine(argument),)): {0: ONE}}


def _erfc(argument: sp.Expr) -> Form:
    return {PLAIN: {0: ONE}, Shape(erfs=(_affine(argument),)): {0: -ONE}}


def _expm1(argument: sp.Expr) -> Form:
    return collect([*monomials(_exponential(argument)), (PLAIN, 0, -ONE)])


def _hyperbolic(argument: sp.Expr, parity: int) -> Form:
    lin, constant_part = _affine(argument)
    up = Shape(lin=lin), 0, sp.exp(constant_part) / 2
    down = Shape(lin=-lin), 0, parity * sp.exp(-constant_part) / 2
    return collect([up, down])


_FUNCTIONS: dict[type[sp.Function], Callable[[sp.Expr], Form]] = {
    sp.cos: _cosine,
    sp.sin: _sine,
    sp.erf: _erf,
    sp.erfc: _erfc,
    expm1: _expm1,
    sp.cosh: lambda u: _hyperbolic(u, 1),
    sp.sinh: lambda u: _hyperbolic(u, -1),
}
