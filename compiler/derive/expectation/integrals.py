"""Integrals of normal-form terms over an interval, for the uniform and exponential laws."""

from __future__ import annotations

from collections import Counter

import sympy as sp

from learnact.compiler.declare.constants import sign
from learnact.compiler.derive.expectation.gaussian import normal_expectation
from learnact.compiler.derive.expectation.terms import ZERO, Poly, Shape, evaluated
from learnact.errors import Divergent, NoClosedForm


def integral(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    """The integral of P(x) shape(x) over (lo, hi); only `hi` may be infinite. Raises NoClosedForm, Divergent."""
    if not poly:
        return ZERO
    if shape.order:
        raise NoClosedForm("a rational function under a law other than the normal")
    if shape.quad != 0:
        return _gaussian(poly, shape, lo, hi)
    if hi is sp.oo:
        _require_decay(shape)
    if shape.freq != 0 and shape.erfs:
        raise NoClosedForm("a cosine times erf on an interval")
    if shape.freq != 0:
        return _wave(poly, shape, hi) - _wave(poly, shape, lo)
    return _by_parts(poly, shape, lo, hi)


def _gaussian(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    s = sign(shape.quad)
    if s == 1 and hi is sp.oo:
        raise Divergent("exp(+c x**2) outgrows the density")
    if s != -1:
        raise NoClosedForm("a growing Gaussian on a bounded interval")
    under_normal = shape._replace(quad=shape.quad + sp.Rational(1, 2))
    return sp.sqrt(2 * sp.pi) * normal_expectation(poly, under_normal, lo, hi)


def _require_decay(shape: Shape) -> None:
    s = sign(shape.lin)
    if s is None:
        raise NoClosedForm(f"whether exp({shape.lin}*x) decays depends on the symbols in it")
    if s >= 0:
        raise Divergent("the integrand does not decay as fast as the exponential density needs")


def _by_parts(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    """Q exp(lin x) prod erf between the ends, less the integrals in which one erf is differentiated."""
    primitive = _primitive(poly, shape.lin)
    parts = [_boundary(primitive, shape, hi), -_boundary(primitive, shape, lo)]
    for (alpha, gamma), count in Counter(shape.erfs).items():
        others = list(shape.erfs)
        others.remove((alpha, gamma))
        bell = Shape(quad=-(alpha**2), lin=shape.lin - 2 * alpha * gamma, erfs=tuple(others))
        slope = 2 * alpha / sp.sqrt(sp.pi) * sp.exp(-(gamma**2))
        parts.append(-count * slope * integral(primitive, bell, lo, hi))
    return sp.Add(*parts)


def _primitive(poly: Poly, lin: sp.Expr) -> Poly:
    """Q with (Q exp(lin x))' = P exp(lin x)."""
    if lin == 0:
        return {k + 1: c / (k + 1) for k, c in poly.items()}
    found: Poly = {}
    for k in range(max(poly), -1, -1):
        found[k] = (poly.get(k, ZERO) - (k + 1) * found.get(k + 1, ZERO)) / lin
    return found


def _boundary(primitive: Poly, shape: Shape, end: sp.Expr) -> sp.Expr:
    if end is sp.oo:
        return ZERO
    erfs = sp.Mul(*(sp.erf(alpha * end + gamma) for alpha, gamma in shape.erfs))
    return evaluated(primitive, end) * sp.exp(shape.lin * end) * erfs


def _wave(poly: Poly, shape: Shape, end: sp.Expr) -> sp.Expr:
    """Antiderivative of P(x) exp(lin x) cos(freq x + phase): real part of the one with exp((lin + i freq) x)."""
    if end is sp.oo:
        return ZERO
    angle = shape.freq * end + shape.phase
    total = []
    for j in range(max(poly) + 1):  # the j-th derivative of P against (-1)^j / (lin + i freq)^(j + 1)
        slope = sp.Add(*(c * sp.ff(k, j) * end ** (k - j) for k, c in poly.items() if k >= j))
        total.append((-1) ** j * slope * _turned(angle, shape, j + 1))
    return sp.exp(shape.lin * end) * sp.Add(*total)


def _turned(angle: sp.Expr, shape: Shape, power: int) -> sp.Expr:
    """Real part of exp(i angle) / (lin + i freq)^power."""
    a, w = shape.lin, shape.freq
    if a == 0:
        return sp.cos(angle - power * sp.pi / 2) / w**power
    real = sp.Add(*(sp.binomial(power, j) * (-1) ** (j // 2) * a ** (power - j) * w**j for j in range(0, power + 1, 2)))
    imag = sp.Add(
        *(-sp.binomial(power, j) * (-1) ** (j // 2) * a ** (power - j) * w**j for j in range(1, power + 1, 2))
    )
    return (real * sp.cos(angle) - imag * sp.sin(angle)) / (a**2 + w**2) ** power
