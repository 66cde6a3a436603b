"""The moments of a fixed function under a law, and the gains that follow, each under the name of its convention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import sympy as sp

from learnact.compiler.analyse.double import Array, in_double, rounding
from learnact.compiler.analyse.rule import integrals
from learnact.compiler.analyse.slopes import jumps, slopes
from learnact.compiler.declare.constants import DIGITS, evaluate
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.derivation import Moments
from learnact.compiler.derive.expectation.expect import derivative, expect, kinks
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import Contradiction, Divergent, NoClosedForm

AGREEMENT = 1e-9
"""Largest relative difference between a moment and the quadrature that checks it. The rule reaches 1e-13; a formula
that is wrong is wrong by far more."""

CANCELLED = 100
"""By how much more a moment may differ than F itself is rounded in doubles: coefficients at a small sigma cancel."""

LARGE = 1000
"""Arguments of exp and erf up to which closed forms are kept as such."""

JUMPED = "F jumps, and the slope of a jump is no number"


@dataclass(frozen=True)
class Gains:
    """Moments and gains of F under a law. What does not exist is None, and `missing` says why.

    A gain is a factor on F, or on the standard deviation of weights; a variance factor is its square. Every number is
    a closed form or holds 30 digits with a bound on its error; of code that can only be called, what its quadrature
    gives. Convert with `float`.
    """

    name: str  # what F was named by
    formula: str  # F(x), for people
    law: Law  # of x
    mean: Quantity | None  # E[F]
    second: Quantity | None  # E[F^2]
    slope_second: Quantity | None  # E[F'^2]
    q_slope: Quantity | None  # E[x F F']/E[F^2]; |q-slope| < 1 is a stable length
    lipschitz: Quantity | None  # sup |F'|
    missing: Mapping[str, str] = field(default_factory=dict)  # attribute that is None -> why
    checked: Mapping[str, float] = field(default_factory=dict)  # attribute -> relative difference of the second method

    @cached_property
    def variance(self) -> Quantity | None:
        """Var F = E[F^2] - E[F]^2."""
        if self.mean is None or self.second is None:
            return None
        m, s = self.mean, self.second
        value = s.value - m.value**2
        if m.exact and s.exact:
            return Quantity(value)
        return Quantity(evaluate(value), False, s.error + 2 * abs(float(m)) * m.error, s.route if m.exact else m.route)

    @property
    def he(self) -> Quantity | None:
        """1/E[F^2]: the variance factor of weights, in units of 1/fan_in (He et al. 2015)."""
        return _power(self.second, -1)

    @property
    def he_backward(self) -> Quantity | None:
        """1/E[F'^2]: the variance factor of weights, in units of 1/fan_out, that preserves gradients (He et al.)."""
        return _power(self.slope_second, -1)

    @property
    def calculate_gain(self) -> Quantity | None:
        """1/sqrt(E[F^2]): what `torch.nn.init.calculate_gain` gives for ReLU, and `gain=` of torch's inits takes."""
        return _power(self.second, -sp.S.Half)

    @property
    def normalize2mom(self) -> Quantity | None:
        """1/sqrt(E[F^2]): the factor of e3nn's `normalize2mom`."""
        return _power(self.second, -sp.S.Half)

    @property
    def nfnet_gamma(self) -> Quantity | None:
        """1/sqrt(Var F): gamma of normalizer-free networks (Brock et al. 2021)."""
        return _power(self.variance, -sp.S.Half)

    @property
    def unit_scaling_forward(self) -> Quantity | None:
        """1/sqrt(Var F): the factor on outputs in unit scaling (Blake et al. 2023)."""
        return _power(self.variance, -sp.S.Half)

    @property
    def unit_scaling_backward(self) -> Quantity | None:
        """1/sqrt(E[F'^2]): the factor on gradients in unit scaling (Blake et al. 2023)."""
        return _power(self.slope_second, -sp.S.Half)


MOMENTS = ("mean", "second", "variance", "slope_second", "q_slope", "lipschitz")
CONVENTIONS: dict[str, str] = {
    "he": "1/E[F^2]",
    "he_backward": "1/E[F'^2]",
    "calculate_gain": "1/sqrt(E[F^2])",
    "normalize2mom": "1/sqrt(E[F^2])",
    "nfnet_gamma": "1/sqrt(Var F)",
    "unit_scaling_forward": "1/sqrt(Var F)",
    "unit_scaling_backward": "1/sqrt(E[F'^2])",
}
"""Attributes of `Gains` that are gains or variance factors, and what they are of the moments."""


def gains_of(name: str, formula: str, function: sp.Expr, law: Law, known: Moments | None = None) -> Gains:
    """Gains of the expression `function` in x, which `name` and `formula` tell people; `known` are its moments if any.

    Raises Contradiction where a moment and the quadrature that checks it differ, and NoClosedForm where the law has
    symbols.
    """
    if law.parameter.free_symbols:
        raise NoClosedForm(f"gains need numbers, found {law}; give its parameter a value")
    missing: dict[str, str] = {}
    slope = derivative(function)
    found: dict[str, Quantity | None]
    if known is not None:
        found = {k: getattr(known, k) for k in ("mean", "second", "slope_second", "q_slope")}
    else:
        found = {
            "mean": _taken("mean", lambda: expect(function, law), missing),
            "second": _taken("second", lambda: expect(function**2, law), missing),
            "slope_second": _taken("slope_second", lambda: expect(slope**2, law), missing),
        }
        found["q_slope"] = _q_slope(found["second"], lambda: expect(x * function * slope, law), missing)
    breaks = _breaks(function)
    if breaks and _has_jump(function):
        found["slope_second"] = found["q_slope"] = None
        missing |= {"slope_second": JUMPED, "q_slope": JUMPED}
    checked = _checked(function, slope, law, found, breaks)
    lipschitz, reason = _lipschitz(function)
    if lipschitz is None:
        missing["lipschitz"] = reason
    return Gains(name, formula, law, **found, lipschitz=lipschitz, missing=missing, checked=checked)


def _taken(name: str, take: Callable[[], Quantity], missing: dict[str, str]) -> Quantity | None:
    try:
        return worked_out(take())
    except (Divergent, NoClosedForm) as err:
        missing[name] = str(err)
        return None


def worked_out(q: Quantity) -> Quantity:
    """The quantity; as a number where its closed form has exp or erf of a large argument, too much for SymPy."""
    atoms = q.value.atoms(sp.exp, sp.erf, sp.erfc) if q.exact else set()
    if all(abs(float(a.args[0].evalf(15))) <= LARGE for a in atoms):
        return q
    value = evaluate(q.value)
    return Quantity(value, False, abs(float(value)) * 10.0**-DIGITS, "closed form, worked out")


def _q_slope(second: Quantity | None, take: Callable[[], Quantity], missing: dict[str, str]) -> Quantity | None:
    if second is None:
        missing["q_slope"] = "E[F^2] does not exist"
        return None
    product = _taken("q_slope", take, missing)
    if product is None:
        return None
    value = product.value / second.value
    if product.exact and second.exact:
        return Quantity(value)
    error = (product.error + abs(float(value)) * second.error) / float(second)
    return Quantity(evaluate(value), False, error, second.route if product.exact else product.route)


def _power(q: Quantity | None, p: sp.Expr | int) -> Quantity | None:
    """q**p, with the error that q's own leads to; None where q is 0 or None."""
    if q is None or float(q) <= q.error:
        return None
    value = q.value**p
    if q.exact:
        return Quantity(value, route=q.route)
    number = evaluate(value)
    return Quantity(number, False, abs(float(p) * float(number) / float(q)) * q.error, q.route)


def _breaks(function: sp.Expr) -> tuple[float, ...]:
    try:
        return tuple(float(k.evalf(DIGITS)) for k in kinks(function))
    except NoClosedForm:
        return ()  # the rule finds them by halving


def _has_jump(function: sp.Expr) -> bool:
    return bool(jumps(function))


def _lipschitz(function: sp.Expr) -> tuple[Quantity | None, str]:
    try:
        found = slopes(function)
    except NoClosedForm as err:
        return None, f"the pieces of F are not known: {err}"
    if found.jumps:
        return None, f"F jumps at x = {found.jumps[0]}"
    return found.lipschitz, "F' is unbounded"


def _checked(
    function: sp.Expr, slope: sp.Expr, law: Law, found: Mapping[str, Quantity | None], breaks: tuple[float, ...]
) -> dict[str, float]:
    """Each moment that exists, against quadrature in double precision: its relative difference."""
    value, rise = in_double(function), in_double(slope)

    def rows(points: Array) -> Array:
        f, s = value(points), rise(points)
        with np.errstate(over="ignore"):
            return np.array([f, f**2, s**2, points * f * s, np.abs(f)])

    try:
        (mean, second, slope_second, product, size), _ = integrals(law, rows, breaks)
    except Divergent:
        return {}  # doubles overflow where thirty digits do not
    second_way = {
        "mean": (mean, size),
        "second": (second, second),
        "slope_second": (slope_second, slope_second),
        "q_slope": (product / second, 1.0 + abs(product / second)),
    }
    allowed = AGREEMENT + CANCELLED * max(rounding(e, float(law.sigma)) for e in (function, slope))
    differences = {}
    for name, (number, scale) in second_way.items():
        claimed = found[name]
        if claimed is not None and np.isfinite(number) and scale > 0:
            differences[name] = abs(float(number) - float(claimed)) / float(scale)
            if differences[name] > allowed:
                raise Contradiction(
                    f"{name} of {function} under {law} is {float(claimed):.12g} by derivation and {number:.12g} by "
                    "quadrature; this is a fault of the compiler"
                )
    return differences
