"""The neural tangent kernel of a wide plain network of a function, layer by layer, from its correlation map.

Theta_0 = c_0 and Theta_{l+1} = Theta_l C'(c_l) + C(c_l) with c_{l+1} = C(c_l) (Jacot et al. 2018, arXiv:1806.07572; Lee
et al. 2019, arXiv:1902.06720), in units of sigma^2. Weights are sqrt(sigma^2/(E[F^2] fan_in)) times parameters of
variance 1 (NTK parametrization), so that every length stays sigma^2; there are no biases, and all layers learn. Theta_l
belongs to l hidden layers and a linear one behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.analyse.double import Array
from learnact.compiler.analyse.dual import c
from learnact.compiler.analyse.gains import Gains
from learnact.compiler.analyse.paired import Paired, paired
from learnact.compiler.declare.constants import DIGITS
from learnact.compiler.declare.laws import Normal
from learnact.compiler.derive.expectation.expect import derivative, kinks


@dataclass(frozen=True)
class Slope:
    """C'(c) = sigma^2 E[F'(u) F'(v)]/E[F^2]."""

    closed: sp.Expr | None  # in the symbol `c`; None where it is computed
    error: float  # of values
    at_one: float  # C'(1)
    value: Callable[[Array], Array]


def slope_of(function: sp.Expr, law: Normal, mapped: Paired, gains: Gains, smooth: bool) -> Slope:
    """C' of the correlation map `mapped` of the expression `function` in x, which has E[F'^2].

    Where F' has no kinks (`smooth`) a closed form of C is differentiated; with kinks that would lose all digits at
    c = 1, and F' has a closed form of its own. Raises as `paired`, and NoClosedForm where kinks of F' are not known.
    """
    assert gains.slope_second is not None
    assert gains.second is not None
    at_one = float(gains.slope_second) * float(law.std) ** 2 / float(gains.second)
    if at_one == 0:
        return Slope(sp.S.Zero, 0.0, 0.0, lambda at: np.zeros(np.shape(at)))
    scale = law.std**2 * gains.slope_second.value / gains.second.value
    known = sp.diff(mapped.closed, c) / scale if smooth and mapped.closed is not None else None
    rise = derivative(function)
    breaks = sorted({float(k.evalf(DIGITS)) for e in (function, rise) for k in kinks(e)})
    found = paired(rise, law, tuple(breaks), gains.slope_second, known)
    closed = None if found.closed is None else scale * found.closed
    return Slope(closed, at_one * found.error, at_one, lambda at: at_one * found(at))


def kernels(correlation: Callable[[Array], Array], slope: Slope, begin: float) -> Iterator[float]:
    """Theta_1, Theta_2, ... of inputs of correlation `begin`; of an input itself, 1, without a rounding of C(1) = 1."""
    at, theta = begin, begin
    while True:
        here = np.array(at)
        rise, at = (slope.at_one, 1.0) if at == 1 else (float(slope.value(here)), float(correlation(here)))
        at = min(max(at, -1.0), 1.0)
        theta = theta * rise + at
        yield theta
