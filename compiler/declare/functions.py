"""Functions that a declaration may use beyond SymPy's own, and the classical activations used as fit targets."""

from __future__ import annotations

import sympy as sp


class sigmoid(sp.Function):
    """1 / (1 + exp(-u)) as one node: printers call the numerically stable library function."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (1 - self)

    @classmethod
    def eval(cls, u: sp.Expr) -> sp.Expr | None:
        if u.is_zero:
            return sp.Rational(1, 2)
        return u.args[0] / (1 + u.args[0]) if isinstance(u, sp.log) else None

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_rewrite_as_exp(self, u: sp.Expr, **_: object) -> sp.Expr:
        return 1 / (1 + sp.exp(-u))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (1 / (1 + sp.exp(-self.args[0])))._eval_evalf(prec)


class softplus(sp.Function):
    """log(1 + exp(u)) as one node: printers call the numerically stable library function."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sigmoid(self.args[0])

    @classmethod
    def eval(cls, u: sp.Expr) -> sp.Expr | None:
        return sp.log(1 + u.args[0]) if isinstance(u, sp.log) else None

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_rewrite_as_exp(self, u: sp.Expr, **_: object) -> sp.Expr:
        return sp.log(1 + sp.exp(u))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.log(1 + sp.exp(self.args[0]))._eval_evalf(prec)


class logistic(sp.Function):
    """sigmoid(u) sigmoid(-u), the slope of the sigmoid, as one node: s (1 - s) has no digits left far to the right."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (1 - 2 * sigmoid(self.args[0]))

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> sp.Expr:
        u = self.args[0]
        return (1 / ((1 + sp.exp(-u)) * (1 + sp.exp(u))))._eval_evalf(prec)


class sech2(sp.Function):
    """1/cosh(u)^2, the slope of tanh, as one node: 1 - tanh(u)^2 has no digits left far out."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -2 * sp.tanh(self.args[0]) * self

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return (1 / sp.cosh(self.args[0]) ** 2)._eval_evalf(prec)


class raised_erf(sp.Function):
    """1 + erf(u) as one node: the sum has no digits left far to the left, and SymPy writes erfc(-u) as 2 - erfc(u)."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 2 / sp.sqrt(sp.pi) * sp.exp(-(self.args[0] ** 2))

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.erfc(-self.args[0])._eval_evalf(prec)


class gelu_value(sp.Function):
    """u Phi(u), Phi the standard normal distribution function, as one node: 1 + erf has no digits far to the left."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return gelu_slope(self.args[0])

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> sp.Expr:
        u = self.args[0]
        return (u * sp.erfc(-u / sp.sqrt(2)) / 2)._eval_evalf(prec)


class gelu_slope(sp.Function):
    """The derivative of u Phi(u) as one node: both terms share an exponential, and where they cancel digits stay."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        u = self.args[0]
        return (2 - u**2) * sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi)

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real

    def _eval_evalf(self, prec: int) -> sp.Expr:
        u = self.args[0]
        return (sp.erfc(-u / sp.sqrt(2)) / 2 + u * sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi))._eval_evalf(prec)


def gelu(x: sp.Expr) -> sp.Expr:
    """x Phi(x), Phi the standard normal distribution function, without approximation (Hendrycks & Gimpel 2016)."""
    return x * (1 + sp.erf(x / sp.sqrt(2))) / 2


def relu(x: sp.Expr) -> sp.Expr:
    """max(0, x) (Nair & Hinton 2010)."""
    return sp.Max(0, x)


def silu(x: sp.Expr) -> sp.Expr:
    """x sigmoid(x) (Elfwing et al. 2018)."""
    return x * sigmoid(x)


CLASSICAL = {"gelu": gelu, "relu": relu, "silu": silu, "tanh": sp.tanh}
"""Targets of fitted starts: start name -> function of x."""
