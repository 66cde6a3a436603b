"""The quotient rule without a squared denominator: N/D^2 is (N/D)/D, for D^2 overflows long before either does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from learnact.compiler.declare.symbols import x

Named = list[tuple[sp.Symbol, sp.Expr]]


def divided_once(exprs: Sequence[sp.Expr], names: Iterator[sp.Symbol]) -> tuple[Named, list[sp.Expr]]:
    """The expressions in terms of named quotients; each denominator is divided by once, each quotient named once.

    A denominator is a sum with x in it that occurs to a whole power below -1; if there is none, nothing is named.
    """
    found = {p.base for e in exprs for p in e.atoms(sp.Pow) if _squared(p)}
    named: Named = []
    for base in sorted(found, key=sp.default_sort_key):
        inverse = next(names)
        named.append((inverse, 1 / base))
        quotients: dict[sp.Expr, sp.Symbol] = {}
        powers = {p: inverse ** (-p.exp) for e in exprs for p in e.atoms(sp.Pow) if p.base == base and _whole(p)}
        exprs = [_named(e.xreplace(powers), inverse, quotients, names) for e in exprs]
        named += [(symbol, numerator * inverse) for numerator, symbol in quotients.items()]
    return named, list(exprs)


def _whole(p: sp.Pow) -> bool:
    return bool(p.exp.is_Integer and p.exp < 0)


def _squared(p: sp.Pow) -> bool:
    return _whole(p) and p.exp < -1 and p.base.is_Add and p.base.has(x)


def _named(e: sp.Expr, inverse: sp.Symbol, quotients: dict[sp.Expr, sp.Symbol], names: Iterator[sp.Symbol]) -> sp.Expr:
    """Products with a power of the inverse above 1, with what else depends on x divided once and named."""
    if not e.args or not e.has(inverse):
        return e
    if not e.is_Mul:
        return e.func(*(_named(a, inverse, quotients, names) for a in e.args))
    power = e.as_powers_dict()[inverse]
    factors = [f for f in e.args if not f.has(inverse) and f.has(x)]
    if power < 2 or not factors:
        return e.func(*(_named(a, inverse, quotients, names) for a in e.args))
    numerator = sp.Mul(*(f for f in factors if f.is_Add)) if any(f.is_Add for f in factors) else sp.Mul(*factors)
    if numerator not in quotients:
        quotients[numerator] = next(names)
    others = [f for f in e.args if f not in sp.Mul.make_args(numerator) and not (f.is_Pow and f.base == inverse)]
    return sp.Mul(quotients[numerator], inverse ** (power - 1), *others)
