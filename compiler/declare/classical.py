"""Classical activation functions, which have nothing to learn: formula, domain, source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.cases import Piecewise
from learnact.compiler.declare.functions import gelu, relu, sigmoid, silu, softplus


@dataclass(frozen=True)
class Classical:
    """One function of x."""

    title: str
    function: Callable[[sp.Expr], sp.Expr]
    formula: str  # of f(x), for people
    reference: str
    domain: str = "all x"


SELU_SCALE = sp.Rational("1.0507009873554804934193349852946")
SELU_ALPHA = sp.Rational("1.6732632423543772848170429916717")
"""Klambauer et al. 2017, equation 14, to the digits that their code gives."""


def _leaky(x: sp.Expr, slope: sp.Expr) -> sp.Expr:
    return Piecewise((x, x > 0), (slope * x, True))


def _elu(x: sp.Expr, alpha: sp.Expr = sp.S.One) -> sp.Expr:
    return Piecewise((x, x > 0), (alpha * (sp.exp(x) - 1), True))


def _clamped(x: sp.Expr, low: int, high: int) -> sp.Expr:
    return sp.Min(sp.Max(x, low), high)


def _gelu_tanh(x: sp.Expr) -> sp.Expr:
    return x * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (x + sp.Rational("0.044715") * x**3))) / 2


CLASSICAL_FUNCTIONS: dict[str, Classical] = {
    "relu": Classical("ReLU", relu, "max(0, x)", "Nair & Hinton 2010"),
    "relu6": Classical("ReLU6", lambda x: _clamped(x, 0, 6), "min(max(0, x), 6)", "Krizhevsky 2010"),
    "leaky_relu": Classical(
        "Leaky ReLU", lambda x: _leaky(x, sp.Rational(1, 100)), "x for x > 0, else x/100", "Maas et al. 2013"
    ),
    "relu2": Classical("Squared ReLU", lambda x: sp.Max(0, x) ** 2, "max(0, x)^2", "So et al. 2021, arXiv:2109.08668"),
    "leaky_relu2": Classical(
        "Squared leaky ReLU", lambda x: _leaky(x, sp.S.Half) ** 2, "(x for x > 0, else x/2)^2", "modded-nanogpt 2025"
    ),
    "gelu": Classical("GELU", gelu, "x Phi(x)", "Hendrycks & Gimpel 2016, arXiv:1606.08415"),
    "gelu_tanh": Classical(
        "GELU by tanh",
        _gelu_tanh,
        "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))/2",
        "Hendrycks & Gimpel 2016, arXiv:1606.08415",
    ),
    "silu": Classical("SiLU", silu, "x sigmoid(x)", "Elfwing et al. 2018, arXiv:1702.03118"),
    "mish": Classical(
        "Mish", lambda x: x * sp.tanh(softplus(x)), "x tanh(softplus(x))", "Misra 2019, arXiv:1908.08681"
    ),
    "tanh": Classical("Tanh", sp.tanh, "tanh(x)", "LeCun et al. 1998", "all x; bounded"),
    "sigmoid": Classical("Sigmoid", sigmoid, "1/(1 + exp(-x))", "Rumelhart et al. 1986", "all x; bounded"),
    "softplus": Classical("Softplus", softplus, "log(1 + exp(x))", "Dugas et al. 2000"),
    "softsign": Classical("Softsign", lambda x: x / (1 + sp.Abs(x)), "x/(1 + |x|)", "Bergstra 2009", "all x; bounded"),
    "elu": Classical("ELU", _elu, "x for x > 0, else exp(x) - 1", "Clevert et al. 2015, arXiv:1511.07289"),
    "selu": Classical(
        "SELU",
        lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
        "1.0507 (x for x > 0, else 1.6733 (exp(x) - 1))",
        "Klambauer et al. 2017, arXiv:1706.02515",
    ),
    "hardtanh": Classical(
        "Hard tanh", lambda x: _clamped(x, -1, 1), "min(max(-1, x), 1)", "Collobert 2004", "all x; bounded"
    ),
    "hardsigmoid": Classical(
        "Hard sigmoid",
        lambda x: _clamped(x + 3, 0, 6) / 6,
        "min(max(0, x + 3), 6)/6",
        "Howard et al. 2019, arXiv:1905.02244",
        "all x; bounded",
    ),
    "hardswish": Classical(
        "Hard swish",
        lambda x: x * _clamped(x + 3, 0, 6) / 6,
        "x min(max(0, x + 3), 6)/6",
        "Howard et al. 2019, arXiv:1905.02244",
    ),
    "serf": Classical(
        "SERF", lambda x: x * sp.erf(softplus(x)), "x erf(softplus(x))", "Nag et al. 2021, arXiv:2108.09598"
    ),
    "erf": Classical("Error function", sp.erf, "erf(x)", "Williams 1996", "all x; bounded"),
    "gaussian": Classical("Gaussian", lambda x: sp.exp(-(x**2) / 2), "exp(-x^2/2)", "Broomhead & Lowe 1988"),
    "sine": Classical("Sine", sp.sin, "sin(x)", "Sitzmann et al. 2020, arXiv:2006.09661", "all x; bounded"),
}
