"""Standard normal expectations of normal-form terms: E[P(Z) shape(Z); lo < Z < hi].

A factor exp(q z^2 + l z) tilts Z to N(l v, v), v = 1/(1 - 2q),
which an affine change of variable turns into Z. Stein's identity E[Z h(Z)] = E[h'(Z)], plus boundary terms, lowers
powers of Z; the derivative of an erf factor is a Gaussian factor with one erf less. At power 0 a table remains:
    E[cos(w Z + p)]                    = exp(-w^2/2) cos p                                        (any power: Hermite)
    E[erf(a Z + g)]                    = erf(g / sqrt(1 + 2 a^2))
    E[erf(a Z); Z > 0]                 = atan(sqrt(2) a) / pi
    E[erf(a Z) erf(b Z)]               = (2/pi) asin(2ab / sqrt((1 + 2a^2)(1 + 2b^2)))            (half of it on Z > 0)
    E[erf(Z/sqrt 2)^r; lo < Z < hi]    = [erf(z/sqrt 2)^(r+1)] / (2(r+1))
    E[cos(w Z + p) erf(a Z)]           = -sin p exp(-w^2/2) erfi(a w / sqrt(1 + 2 a^2))
    E[1/(Z^2 + c)]                     = sqrt(pi/2c) exp(c/2) erfc(sqrt(c/2))
Two off-centre erf factors need Owen's T function and are left to quadrature.
"""

from __future__ import annotations

from collections import Counter

import sympy as sp

from learnact.compiler.declare.constants import sign
from learnact.compiler.derive.expectation.moments import STANDARD_NORMAL, normal_pdf
from learnact.compiler.derive.expectation.terms import ONE, PLAIN, ZERO, Poly, Shape, composed, evaluated
from learnact.errors import Divergent, NoClosedForm

Erfs = tuple[tuple[sp.Expr, sp.Expr], ...]
NEVER = -sp.oo


def normal_expectation(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    """E[P(Z) shape(Z); lo < Z < hi] for a standard normal Z. Raises NoClosedForm, Divergent."""
    if not poly:
        return ZERO
    if shape == PLAIN:
        return STANDARD_NORMAL.below(poly, hi) - STANDARD_NORMAL.below(poly, lo)
    if shape.quad != 0 or shape.lin != 0:
        return _tilted(poly, shape, lo, hi)
    if (shape.freq != 0 or shape.order) and (lo, hi) != (NEVER, sp.oo):
        raise NoClosedForm("a cosine or a rational function against a truncated normal density")
    if shape.order:
        return _rational(poly, shape)
    if shape.freq != 0:
        return _oscillating(poly, shape.freq, shape.phase, shape.erfs)
    if hi is not sp.oo and lo is NEVER:
        mirrored = tuple((-alpha, gamma) for alpha, gamma in shape.erfs)
        return _with_erfs(composed(poly, -ONE, ZERO), mirrored, -hi, sp.oo)
    return _with_erfs(poly, shape.erfs, lo, hi)


def _tilted(poly: Poly, shape: Shape, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    shrink = sp.together(1 - 2 * shape.quad)
    s = sign(shrink)
    if s is None:
        raise NoClosedForm(f"whether exp({shape.quad}*z**2) is integrable depends on the symbols in it")
    if s < 0 and sp.oo in (hi, -lo):
        raise Divergent("exp(+c x**2) outgrows the normal density")
    if s <= 0:
        raise NoClosedForm("a growing Gaussian on a bounded interval")
    variance = 1 / shrink
    mean, scale = shape.lin * variance, sp.sqrt(variance)
    if shape.order and mean != 0:
        raise NoClosedForm("a rational function times an exponential")
    rest = shape._replace(quad=ZERO, lin=ZERO)
    moved = rest.scaled(scale)._replace(
        phase=shape.freq * mean + shape.phase,
        erfs=tuple((alpha * scale, gamma + alpha * mean) for alpha, gamma in shape.erfs),
    )
    factor = scale ** (1 - 2 * shape.order) * sp.exp(shape.lin * mean / 2)
    ends = ((end - mean) / scale for end in (lo, hi))
    return factor * normal_expectation(composed(poly, scale, mean), moved, *ends)


def _rational(poly: Poly, shape: Shape) -> sp.Expr:
    """E[P(Z) / (Z^2 + c)^m] by powers of q = Z^2 + c and 2jc K_(j+1) = K_(j-1) - (c + 1 - 2j) K_j, K_j = E[q^-j]."""
    if shape.erfs or shape.freq != 0:
        raise NoClosedForm("a rational function times another function")
    c, m = shape.pole, shape.order
    inverse = [ONE, sp.sqrt(sp.pi / (2 * c)) * sp.exp(c / 2) * sp.erfc(sp.sqrt(c / 2))]
    for j in range(1, m):
        inverse.append(sp.expand((inverse[j - 1] - (c + 1 - 2 * j) * inverse[j]) / (2 * j * c)))
    total = []
    for k, coefficient in poly.items():
        if k % 2 == 0:
            half = k // 2
            for j in range(half + 1):  # Z^k = (q - c)^half
                part = coefficient * sp.binomial(half, j) * (-c) ** (half - j)
                total.append(part * (inverse[m - j] if j <= m else _power_moment(c, j - m)))
    return sp.Add(*total)


def _power_moment(c: sp.Expr, n: int) -> sp.Expr:
    return STANDARD_NORMAL.whole({2 * i: sp.binomial(n, i) * c ** (n - i) for i in range(n + 1)})


def hermite(k: int, w: sp.Expr) -> sp.Expr:
    """He_k(w), the probabilists' Hermite polynomial."""
    return sp.Add(
        *(
            (-1) ** j * sp.factorial(k) / (sp.factorial(j) * sp.factorial(k - 2 * j) * 2**j) * w ** (k - 2 * j)
            for j in range(k // 2 + 1)
        )
    )


def _oscillating(poly: Poly, freq: sp.Expr, phase: sp.Expr, erfs: Erfs) -> sp.Expr:
    if erfs:
        return _oscillating_erf(poly, freq, phase, erfs)
    waves = (c * hermite(k, freq) * sp.cos(phase + k * sp.pi / 2) for k, c in poly.items())
    return sp.exp(-(freq**2) / 2) * sp.Add(*waves)


def _oscillating_erf(poly: Poly, freq: sp.Expr, phase: sp.Expr, erfs: Erfs) -> sp.Expr:
    """E[P(Z) cos(freq Z + phase) erf(alpha Z)]: Stein's identity trades cos and sin until no power is left."""
    if len(erfs) > 1 or erfs[0][1] != 0:
        raise NoClosedForm("a cosine times several or off-centre erf factors")
    alpha = erfs[0][0]
    waves = {phase: dict(poly), phase - sp.pi / 2: {}}  # cos and sin of the same argument
    cos, sin = waves.values()
    tilts: list[tuple[sp.Expr, Poly]] = [(angle, {}) for angle in waves]
    for k in range(max(poly), 0, -1):
        c, s = cos.pop(k, ZERO), sin.pop(k, ZERO)
        cos[k - 1], sin[k - 1] = cos.get(k - 1, ZERO) + freq * s, sin.get(k - 1, ZERO) - freq * c
        if k > 1:
            cos[k - 2], sin[k - 2] = cos.get(k - 2, ZERO) + (k - 1) * c, sin.get(k - 2, ZERO) + (k - 1) * s
        for (_, tilt), value in zip(tilts, (c, s), strict=True):
            if value != 0:
                tilt[k - 1] = value
    base = sp.exp(-(freq**2) / 2) * sp.erfi(alpha * freq / _widened(alpha))
    value = base * sp.Add(*(-sp.sin(angle) * wave.get(0, ZERO) for angle, wave in waves.items()))
    for angle, tilt in tilts:
        bell = Shape(quad=-(alpha**2), freq=freq, phase=angle)
        value += 2 * alpha / sp.sqrt(sp.pi) * normal_expectation(tilt, bell, NEVER, sp.oo)
    return value


def _with_erfs(poly: Poly, erfs: Erfs, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    if not erfs:
        return normal_expectation(poly, PLAIN, lo, hi)
    centred = all(gamma == 0 for _, gamma in erfs)
    if centred and hi == -lo:  # odd integrands vanish
        poly = {k: c for k, c in poly.items() if (k + len(erfs)) % 2 == 0}
    rest, lowered = dict(poly), {}
    for k in range(max(poly, default=0), 0, -1):
        c = rest.pop(k, ZERO)
        if c != 0:
            lowered[k - 1] = c
            if k > 1:
                rest[k - 2] = rest.get(k - 2, ZERO) + (k - 1) * c
    mass = rest.get(0, ZERO)
    parts = [mass * _base(erfs, lo, hi)] if sign(mass) != 0 else []
    if lowered:
        parts += [_edge(lowered, erfs, lo), -_edge(lowered, erfs, hi)]
        for (alpha, gamma), count in Counter(erfs).items():
            others = list(erfs)
            others.remove((alpha, gamma))
            bell = Shape(quad=-(alpha**2), lin=-2 * alpha * gamma, erfs=tuple(others))
            slope = 2 * alpha / sp.sqrt(sp.pi) * sp.exp(-(gamma**2))
            parts.append(count * slope * normal_expectation(lowered, bell, lo, hi))
    return sp.Add(*parts)


def _edge(poly: Poly, erfs: Erfs, end: sp.Expr) -> sp.Expr:
    if end in (sp.oo, NEVER):
        return ZERO
    return evaluated(poly, end) * normal_pdf(end) * sp.Mul(*(sp.erf(a * end + g) for a, g in erfs))


def _base(erfs: Erfs, lo: sp.Expr, hi: sp.Expr) -> sp.Expr:
    """E[prod erf(alpha Z + gamma); lo < Z < hi], from the table."""
    full, half = (lo, hi) == (NEVER, sp.oo), (lo, hi) == (ZERO, sp.oo)
    centred = all(gamma == 0 for _, gamma in erfs)
    if centred and full and len(erfs) % 2:
        return ZERO
    if centred and all(sign(2 * alpha**2 - 1) == 0 for alpha, _ in erfs):
        r = len(erfs) + 1
        flips = sp.Mul(*(sp.sign(alpha) for alpha, _ in erfs))
        return flips * (_erf_at(hi) ** r - _erf_at(lo) ** r) / (2 * r)
    alphas = [alpha for alpha, _ in erfs]
    if len(erfs) == 1 and full:
        return sp.erf(erfs[0][1] / _widened(alphas[0]))
    if centred and half and len(erfs) == 1:
        return sp.atan(sp.sqrt(2) * alphas[0]) / sp.pi
    if centred and (full or half) and len(erfs) == 2:
        correlation = 2 * alphas[0] * alphas[1] / (_widened(alphas[0]) * _widened(alphas[1]))
        whole = 2 / sp.pi * sp.asin(correlation)
        return whole if full else whole / 2
    raise NoClosedForm(f"{len(erfs)} erf factors, off-centre or on part of the line")


def _widened(alpha: sp.Expr) -> sp.Expr:
    """sqrt(1 + 2 alpha^2): the standard deviation of N + sqrt(2) alpha Z, whose sign an erf averages."""
    return sp.sqrt(sp.together(1 + 2 * alpha**2))


def _erf_at(end: sp.Expr) -> sp.Expr:
    return sp.erf(end / sp.sqrt(2))
