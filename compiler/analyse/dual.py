"""E[F(u) F(v)] for u, v ~ N(0, sigma^2) of correlation c in closed form, where there is one.

polynomials                sum_k a_k^2 c^k, a_k the Hermite coefficients
cos(w x + p)               exp(-q (w^2 + y^2)/2) (cosh, sinh of q w y c), q = sigma^2
erf(a x), x erf(a x)       arcsine (Williams 1996); GELU (Tsuchida et al. 2021)
polynomials of degree 2 on either side of 0        arc-cosine kernels (Cho & Saul 2009)
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.expectation.gaussian import hermite
from learnact.compiler.derive.expectation.pieces import pieces
from learnact.compiler.derive.expectation.terms import PLAIN, Form, Poly, normal_form, polynomial
from learnact.errors import NoClosedForm

c = sp.Symbol("c", real=True)
"""The correlation of u and v."""

MOST_WAVES = 16
"""Cosines whose pairs are written out; 12 harmonics are what families have."""


def dual(function: sp.Expr, sigma: sp.Expr) -> sp.Expr | None:
    """E[F(u) F(v)] as an expression in `c`, for the expression `function` in x; None where no rule gives one."""
    try:
        found = pieces(function)
        if len(found) == 1:
            return _smooth(normal_form(found[0].expr), sigma)
        if len(found) == 2 and found[0].hi == 0:
            return _two_sided(polynomial(found[0].expr), polynomial(found[1].expr), sigma)
    except NoClosedForm:
        pass
    return None


def _smooth(form: Form, sigma: sp.Expr) -> sp.Expr | None:
    plain = form.get(PLAIN, {})
    rest = {shape: poly for shape, poly in form.items() if shape != PLAIN}
    if not rest:
        return _polynomial(plain, sigma)
    if all(shape == PLAIN._replace(freq=shape.freq, phase=shape.phase) for shape in rest):
        waves = [(poly.get(0, sp.S.Zero), shape.freq, shape.phase) for shape, poly in rest.items()]
        if max(plain, default=0) == 0 and all(max(p) == 0 for p in rest.values()) and len(waves) <= MOST_WAVES:
            return _waves([(plain.get(0, sp.S.Zero), sp.S.Zero, sp.S.Zero), *waves], sigma)
        return None
    (shape, poly), *others = rest.items()
    centred = len(shape.erfs) == 1 and shape.erfs[0][1] == 0
    if others or not centred or shape != PLAIN._replace(erfs=shape.erfs):
        return None
    if max(plain, default=0) > 1 or max(poly) > 1:
        return None
    return _erfs(plain, poly, shape.erfs[0][0], sigma)


def _polynomial(poly: Poly, sigma: sp.Expr) -> sp.Expr:
    """sum_k a_k^2 c^k / k! with F(sigma z) = sum_k a_k He_k(z)/k!."""
    total = []
    for k in range(max(poly, default=0) + 1):
        a = sp.expand(
            sum(
                b * sigma**j * sp.factorial(j) / (sp.factorial((j - k) // 2) * 2 ** ((j - k) // 2))
                for j, b in poly.items()
                if j >= k and (j - k) % 2 == 0
            )
        )
        total.append(sp.expand(a**2) / sp.factorial(k) * c**k)
    return sp.Add(*total)


def _waves(waves: list[tuple[sp.Expr, sp.Expr, sp.Expr]], sigma: sp.Expr) -> sp.Expr:
    total = []
    for a, w, p in waves:
        for b, y, r in waves:
            if a != 0 and b != 0:
                q = sigma**2
                for sign, phase in ((1, p - r), (-1, p + r)):
                    total.append(a * b / 2 * sp.exp(-q * (w**2 + y**2 - sign * 2 * w * y * c) / 2) * sp.cos(phase))
    return sp.Add(*total)


def _erfs(plain: Poly, poly: Poly, alpha: sp.Expr, sigma: sp.Expr) -> sp.Expr:
    """F = p0 + p1 x + (q0 + q1 x) erf(alpha x): p0 and x erf are even, the others odd."""
    p0, p1 = (plain.get(k, sp.S.Zero) for k in (0, 1))
    q0, q1 = (poly.get(k, sp.S.Zero) for k in (0, 1))
    s2 = sigma**2
    wide = 1 + 2 * alpha**2 * s2  # of one erf: its slope's Gaussian joins the density
    rise = 2 * alpha / sp.sqrt(sp.pi * wide)  # E[erf'(alpha x)]
    ratio = 2 * alpha**2 * s2 / wide
    arcsine = 2 / sp.pi * sp.asin(ratio * c)  # E[erf erf]
    narrow = s2 * (1 - ratio * c**2)  # variance of v under the density tilted by the slope at u
    both = 4 * alpha**2 / (sp.pi * sp.sqrt(wide) * sp.sqrt(1 + 2 * alpha**2 * narrow))  # E[erf' erf']
    product = c * s2 * arcsine + both * s2 * (narrow + c**2 * s2 / wide)  # E[u v erf erf], by Stein's lemma
    even = p0**2 + 2 * p0 * q1 * s2 * rise + q1**2 * product
    odd = p1**2 * s2 * c + 2 * p1 * q0 * s2 * c * rise + q0**2 * arcsine
    return even + odd


def _two_sided(left: Poly, right: Poly, sigma: sp.Expr) -> sp.Expr | None:
    """F = sum_k p_k x^k + q_k x^k sign(x) with k <= 2."""
    if max((*left, *right), default=0) > 2:
        return None
    p, q = ([(right.get(k, sp.S.Zero) + e * left.get(k, sp.S.Zero)) / 2 for k in range(3)] for e in (1, -1))
    s, root, angle = sigma, sp.sqrt(1 - c**2), sp.asin(c)
    mean = sp.sqrt(2 / sp.pi)
    pairs: Mapping[tuple[int, int], sp.Expr] = {
        (0, 0): 2 / sp.pi * angle,
        (1, 1): s**2 * 2 / sp.pi * (root + c * angle),
        (2, 2): s**4 * 2 / sp.pi * ((1 + 2 * c**2) * angle + 3 * c * root),
        (0, 2): s**2 * 2 / sp.pi * (c * root + angle),
    }
    signs = sum(q[k] ** 2 * pairs[k, k] for k in range(3)) + 2 * q[0] * q[2] * pairs[0, 2]
    crosses = (
        p[0] * q[1] * s * mean
        + p[2] * q[1] * s**3 * mean * (1 + c**2)
        + p[1] * q[0] * s * mean * c
        + p[1] * q[2] * s**3 * mean * 2 * c
    )
    return _polynomial({k: v for k, v in enumerate(p) if v != 0}, sigma) + signs + 2 * crosses


def hermite_polynomial(k: int, sigma: sp.Expr) -> sp.Expr:
    """He_k(x/sigma)/sqrt(k!), orthonormal under N(0, sigma^2)."""
    return sp.expand(hermite(k, x / sigma)) / sp.sqrt(sp.factorial(k))
