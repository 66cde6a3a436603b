"""Input laws: the distribution of x under which second moments are stated.

Density, support, quantile function and standard deviation are SymPy expressions, so that derivations are exact.
A law's parameter is a number or a positive symbol (sigma, say).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import sympy as sp

from learnact.errors import BadLaw

LEAST, MOST = sp.Rational(1, 10**6), sp.Integer(10) ** 6
"""Range of a law's parameter. Within it squares of powers x^12, and of their coefficients, stay doubles, and a zero is
told from what is 40 digits of cancellation apart; farther out no activation in float32 means anything."""


def _positive(law: object, name: str, value: object) -> sp.Expr:
    try:
        expr = sp.sympify(value, strict=True)
    except sp.SympifyError as err:
        raise BadLaw(f"{type(law).__name__}: {name} must be a number or a SymPy expression, found {value!r}") from err
    if expr.is_positive is False or (not expr.is_finite and not expr.free_symbols):
        raise BadLaw(f"{type(law).__name__}: {name} must be positive and finite, found {expr}")
    if expr.free_symbols and expr.is_positive is None:
        raise BadLaw(f"{type(law).__name__}: the symbol {expr} must be declared positive")
    if not expr.free_symbols and not LEAST <= expr <= MOST:
        raise BadLaw(
            f"{type(law).__name__}: {name} must lie between {float(LEAST):g} and {float(MOST):g}, "
            f"found {sp.N(expr, 6)}; write x in other units"
        )
    return expr


@dataclass(frozen=True)
class Law:
    """Base of the input laws; each has one positive parameter. Raises BadLaw if it is not positive or out of range."""

    @property
    def parameter(self) -> sp.Expr:
        """The law's one parameter, as a SymPy expression."""
        return getattr(self, fields(self)[0].name)

    @property
    def symmetric(self) -> bool:
        """Whether -x has the same law as x."""
        return True

    @property
    def support(self) -> tuple[sp.Expr, sp.Expr]:
        """(low, high), the smallest closed interval of probability 1; ends may be infinite."""
        raise NotImplementedError

    @property
    def sigma(self) -> sp.Expr:
        """Standard deviation of x."""
        raise NotImplementedError

    @property
    def second(self) -> sp.Expr:
        """E[x^2]: sigma^2 where the mean is 0."""
        return self.sigma**2

    def over(self, scale: sp.Expr) -> Law:
        """The law of x/scale, for a positive scale."""
        return replace(self, **{fields(self)[0].name: self.parameter / scale})

    def density(self, x: sp.Symbol) -> sp.Expr:
        """Probability density at x, for x inside the support."""
        raise NotImplementedError

    def quantile(self, p: sp.Expr) -> sp.Expr:
        """The t with P(x <= t) = p, for 0 < p < 1."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _positive(self, f.name, getattr(self, f.name)))


@dataclass(frozen=True)
class Normal(Law):
    """N(0, std^2): the pre-activations of a wide layer with random weights (Poole et al. 2016)."""

    std: sp.Expr = field(default=sp.S.One)

    @property
    def support(self) -> tuple[sp.Expr, sp.Expr]:
        return -sp.oo, sp.oo

    @property
    def sigma(self) -> sp.Expr:
        return self.std

    def density(self, x: sp.Symbol) -> sp.Expr:
        return sp.exp(-(x**2) / (2 * self.std**2)) / (self.std * sp.sqrt(2 * sp.pi))

    def quantile(self, p: sp.Expr) -> sp.Expr:
        return self.std * sp.sqrt(2) * sp.erfinv(2 * sp.sympify(p) - 1)

    def __str__(self) -> str:
        return f"Normal(0, {self.std**2})"


@dataclass(frozen=True)
class Uniform(Law):
    """Uniform on [-limit, limit]: density 1/(2 limit)."""

    limit: sp.Expr = field(default=sp.sqrt(3))

    @property
    def support(self) -> tuple[sp.Expr, sp.Expr]:
        return -self.limit, self.limit

    @property
    def sigma(self) -> sp.Expr:
        return self.limit / sp.sqrt(3)

    def density(self, x: sp.Symbol) -> sp.Expr:
        return 1 / (2 * self.limit)

    def quantile(self, p: sp.Expr) -> sp.Expr:
        return self.limit * (2 * sp.sympify(p) - 1)

    def __str__(self) -> str:
        return f"Uniform(-{self.limit}, {self.limit})"


@dataclass(frozen=True)
class Arcsine(Law):
    """limit * cos(theta), theta uniform on [0, pi]: Chebyshev polynomials of x/limit are orthogonal under it."""

    limit: sp.Expr = field(default=sp.S.One)

    @property
    def support(self) -> tuple[sp.Expr, sp.Expr]:
        return -self.limit, self.limit

    @property
    def sigma(self) -> sp.Expr:
        return self.limit / sp.sqrt(2)

    def density(self, x: sp.Symbol) -> sp.Expr:
        return 1 / (sp.pi * sp.sqrt(self.limit**2 - x**2))

    def quantile(self, p: sp.Expr) -> sp.Expr:
        return -self.limit * sp.cos(sp.pi * sp.sympify(p))

    def __str__(self) -> str:
        return f"Arcsine(-{self.limit}, {self.limit})"


@dataclass(frozen=True)
class Exponential(Law):
    """Density rate * exp(-rate * x) on x >= 0: Laguerre polynomials of rate * x are orthogonal under it."""

    rate: sp.Expr = field(default=sp.S.One)

    @property
    def symmetric(self) -> bool:
        return False

    @property
    def support(self) -> tuple[sp.Expr, sp.Expr]:
        return sp.S.Zero, sp.oo

    @property
    def sigma(self) -> sp.Expr:
        return 1 / self.rate

    @property
    def second(self) -> sp.Expr:
        return 2 / self.rate**2

    def over(self, scale: sp.Expr) -> Law:
        return Exponential(self.rate * scale)

    def density(self, x: sp.Symbol) -> sp.Expr:
        return self.rate * sp.exp(-self.rate * x)

    def quantile(self, p: sp.Expr) -> sp.Expr:
        return -sp.log(1 - sp.sympify(p)) / self.rate

    def __str__(self) -> str:
        return f"Exponential({self.rate})"


LAWS: dict[str, type[Law]] = {"normal": Normal, "uniform": Uniform, "arcsine": Arcsine, "exponential": Exponential}
