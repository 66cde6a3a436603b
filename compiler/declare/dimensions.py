"""F(x/s) by other values of the same parameters.

Which parameters take a power of s, and which power, is dimensional analysis. Let x have dimension 1 and F dimension 0;
numbers, and arguments of functions such as tanh, have none. If dimensions d_i of the parameters make every sum in the
formula a sum of equals, then F(x/s; p_i) = F(x; s^d_i p_i): a tanh(b x) + c x + d has d_b = d_c = -1, d_a = d_d = 0.
"""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.kinks import Magnitude, Sign, Step
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x


def stretches(activation: Activation) -> dict[sp.Symbol, sp.Expr] | None:
    """Entry of a parameter -> d with F(x/s; p) = F(x; s^d p) for every s > 0; None if the formula shows none."""
    entries = [value for v in activation.parameters for value in v.values]
    dimensions = {entry: sp.Dummy(entry.name) for entry in entries}
    equal: list[sp.Expr] = [d for entry, d in dimensions.items() if entry not in activation.scalable]
    equal.append(_dimension(activation.written, {x: sp.S.One, **dimensions}, equal))
    solution = sp.linsolve(equal, *dimensions.values())
    if not solution:
        return None
    free = dict.fromkeys(dimensions.values(), sp.S.Zero)
    return {entry: value.xreplace(free) for entry, value in zip(dimensions, next(iter(solution)), strict=True)}


def _dimension(e: sp.Expr, of: dict[sp.Symbol, sp.Expr], equal: list[sp.Expr]) -> sp.Expr:
    """The dimension of an expression; what must be 0 for it to have one goes into `equal`."""
    if e in of:
        return of[e]
    if not e.free_symbols:
        return sp.S.Zero
    match e:
        case sp.Mul():
            return sp.Add(*(_dimension(a, of, equal) for a in e.args))
        case sp.Pow() if e.exp.is_Rational:
            return e.exp * _dimension(e.base, of, equal)
        case sp.Add() | sp.Max() | sp.Min():
            return _common(list(e.args), of, equal)
        case sp.Piecewise():
            for _, condition in e.args:
                for relation in condition.atoms(sp.core.relational.Relational):
                    _common([relation.lhs, relation.rhs], of, equal)
            return _common([value for value, _ in e.args], of, equal)
        case Magnitude() | sp.Abs():
            return _dimension(e.args[0], of, equal)
        case Sign() | Step() | sp.sign() | sp.Heaviside():
            _dimension(e.args[0], of, equal)
            return sp.S.Zero
    equal.extend(_dimension(a, of, equal) for a in e.args)  # a function, or a power with x above
    return sp.S.Zero


def _common(parts: list[sp.Expr], of: dict[sp.Symbol, sp.Expr], equal: list[sp.Expr]) -> sp.Expr:
    """The one dimension of several expressions; 0 has every dimension."""
    found = [_dimension(part, of, equal) for part in parts if not part.is_zero]
    equal.extend(found[0] - other for other in found[1:])
    return found[0] if found else sp.S.Zero
