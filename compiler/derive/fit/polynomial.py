"""The fit in closed form: polynomials under a normal law.

The polynomials He_k(x/sigma) are orthogonal under N(0, sigma^2) and so are their slopes, so the projections in value
(L2) and in value and slope (H1) are one: T ~ sum_k c_k He_k(x/sigma)/k! with c_k = E[T(sigma z) He_k(z)], z ~ N(0, 1).
By Stein's lemma c_k = sigma^k E[T^(k)(sigma z)], which is in closed form where T'' is made of Gaussians:
relu'' = delta and gelu'' = phi - phi'', so with g_j(v) = He_j(0) v^(-(j+1)/2)/sqrt(2 pi), the j-th derivative at 0 of
the N(0, v) density,
    relu: c_k = sigma^k g_{k-2}(sigma^2),    gelu: c_k = sigma^k (g_{k-2} - g_k)(1 + sigma^2),    k >= 2.
The moments of F are sums over the c_k; the q-slope's by Stein's lemma, E[x F F'] = sigma^2 E[F'^2 + F F''].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mpmath as mp
import numpy as np
import sympy as sp

from learnact.compiler.declare.constants import DIGITS
from learnact.compiler.declare.laws import Normal
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.balance import tidy
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.values import InFixedPoint, Integers, from_fixed, to_fixed
from learnact.compiler.derive.fit.nodes import BITS, WORKING, Rule, refined
from learnact.compiler.derive.fit.target import Target
from learnact.compiler.derive.quantity import Quantity

Parts = Mapping[sp.Expr, Sequence[sp.Expr]]
"""Numbers c_k as sum over factors of factor * coefficients[k]: the irrational factor is kept out of the arithmetic."""


def spans_polynomials(features: Sequence[sp.Expr]) -> bool:
    """Whether the features are polynomials of the degrees 0..n, one each."""
    if not all(f.is_polynomial(x) for f in features):
        return False
    return sorted(sp.degree(f, x) for f in features) == list(range(len(features)))


def project(features: Sequence[sp.Expr], target: Target, law: Normal) -> tuple[list[sp.Expr], Moments, str]:
    """Weights of the features in the projection of the target, the moments of F, and how they were found."""
    parts = hermite_coefficients(target, law.std, len(features))
    weights = [sp.S.Zero] * len(features)
    for factor, coefficients in parts.items():
        for i, w in enumerate(_in_features(coefficients, features, law.std)):
            weights[i] += factor * w
    if not any(w.has(sp.Float) for w in weights):
        return weights, _moments(parts, law.std), "projection in closed form"
    numbers = [sp.N(w, DIGITS) for w in weights]
    return numbers, _moments(parts, law.std), f"projection by quadrature, to {DIGITS} digits"


def _moments(parts: Parts, sigma: sp.Expr) -> Moments:
    """Of sum_k c_k He_k(x/sigma)/k!, where E[He_j He_k] = k! for j = k and 0 otherwise."""
    second = slope_second = tilt = sp.S.Zero
    for factor, a in parts.items():
        for other, b in parts.items():
            products = [c * d / sp.factorial(k) for k, (c, d) in enumerate(zip(a, b, strict=True))]
            slopes = sp.Add(*(k * p for k, p in enumerate(products)))
            bends = sp.Add(*(c * d / sp.factorial(k) for k, (c, d) in enumerate(zip(a, b[2:], strict=False))))
            second += factor * other * sp.Add(*products)
            slope_second += factor * other * slopes / sigma**2
            tilt += factor * other * (slopes + bends)
    mean = sp.Add(*(factor * c[0] for factor, c in parts.items()))
    return Moments(*map(_quantity, (mean, second, slope_second, tilt / second)))


def _quantity(value: sp.Expr) -> Quantity:
    if not value.has(sp.Float):
        return Quantity(tidy(value))
    return Quantity(sp.N(value, DIGITS), False, float(max(abs(value), 1)) * 10.0**-DIGITS, "sums over the projection")


def hermite_coefficients(target: Target, sigma: sp.Expr, count: int) -> Parts:
    """c_k = E[T(sigma z) He_k(z)] for k < count: closed forms, or numbers of 30 digits and more."""
    if target.name in ("relu", "gelu"):
        parts = _closed_form(target.name, sigma / target.scale, count)
        return {factor: [target.scale * c for c in of] for factor, of in parts.items()}
    mirrored = target.expr.xreplace({x: -x})
    halves = (target.expr + mirrored) / 2, (target.expr - mirrored) / 2
    rule = Rule(Normal(sigma), target.kinks, half=True)
    levels: list[InFixedPoint] = []
    with mp.workdps(WORKING):
        per_sigma = to_fixed(1 / rule.scale, BITS)

        def coefficients(level: int) -> list[mp.mpf]:
            if level == len(levels):
                levels.append(InFixedPoint(rule.points(level), BITS))
            even, odd, points = (np.concatenate([at(e) for at in levels[: level + 1]]) for e in (*halves, x))
            z = (points * per_sigma) >> BITS
            before: Integers = np.zeros(len(z), object)
            now = rule.weights(level)  # weight * He_k(z)
            found = []
            for k in range(count):
                found.append(from_fixed(int((odd if k % 2 else even) @ now), 2 * BITS))
                before, now = now, ((z * now) >> BITS) - k * before
            return found

        _, solved = refined(rule, coefficients)
        largest = max(map(abs, solved))
        return {sp.S.One: [_number(c, largest) for c in solved]}


def _number(value: mp.mpf, largest: mp.mpf) -> sp.Expr:
    """A computed zero is noise far below the digits that are promised."""
    return sp.S.Zero if abs(value) < largest * mp.mpf(10) ** -(WORKING - 15) else sp.Float(value, WORKING - 15)


def _closed_form(name: str, sigma: sp.Expr, count: int) -> Parts:
    at_zero = [sp.S.One, sp.S.Zero]  # He_j(0)
    for j in range(1, count):
        at_zero.append(-j * at_zero[j - 1])
    if name == "relu":
        factor = 1 / sp.sqrt(2 * sp.pi)
        even = [sigma, sp.S.Zero, *(sigma * at_zero[k - 2] for k in range(2, count))]
    else:
        v = 1 + sigma**2
        factor = 1 / sp.sqrt(2 * sp.pi * v)
        g = [at_zero[j] / v ** sp.Rational(j, 2) for j in range(count)]
        even = [sigma**2, sp.S.Zero, *(sigma**k * (g[k - 2] - g[k]) for k in range(2, count))]
    odd = [sp.S.Zero, sigma / 2, *[sp.S.Zero] * (count - 2)]  # both targets are x/2 and an even function
    return {sp.S.One: odd[:count], factor: even[:count]}


def _in_features(coefficients: Sequence[sp.Expr], features: Sequence[sp.Expr], sigma: sp.Expr) -> list[sp.Expr]:
    """Weights of the features in sum_k coefficients_k He_k(x/sigma)/k!, by elimination from the highest degree."""
    rest = [sp.S.Zero] * len(coefficients)
    before: list[sp.Expr] = []
    now: list[sp.Expr] = [sp.S.One]  # coefficients of He_k(u), from the constant up
    for k, c in enumerate(coefficients):
        for j, h in enumerate(now):
            rest[j] += c * h / (sp.factorial(k) * sigma**j)
        padded = [*before, *[0] * (len(now) + 1 - len(before))]
        before, now = now, [a - k * b for a, b in zip([0, *now], padded, strict=True)]
    dense = [sp.Poly(f, x).all_coeffs()[::-1] for f in features]
    weights = [sp.S.Zero] * len(features)
    for i in sorted(range(len(features)), key=lambda i: -len(dense[i])):
        lead = len(dense[i]) - 1
        weights[i] = sp.expand(rest[lead] / dense[i][lead])
        for j, d in enumerate(dense[i]):
            rest[j] -= weights[i] * d
    return weights
