"""Shared by polynomial families: coefficients of the same function after a rescaling of x."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.symbols import x


def at_scale(basis: Callable[[int], sp.Expr], weights: Sequence[sp.Expr], scale: sp.Expr) -> list[sp.Expr]:
    """c with sum_k c_k basis(k)(x) = sum_k weights_k basis(k)(x/scale); basis(k) is a polynomial of degree k in x."""
    if scale == 1:
        return list(weights)
    dense = [sp.Poly(basis(k), x).all_coeffs()[::-1] for k in range(len(weights))]
    rest = [
        sp.Add(*(w * d[j] / scale**j for w, d in zip(weights, dense, strict=True) if j < len(d)))
        for j in range(len(weights))
    ]
    found = [sp.S.Zero] * len(weights)
    for k in reversed(range(len(weights))):
        found[k] = sp.expand(rest[k] / dense[k][k])
        for j, d in enumerate(dense[k]):
            rest[j] -= found[k] * d
    return found
