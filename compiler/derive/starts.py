"""From a declared start to parameter values: solve for gain and shift, substitute them, state the moments."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import gain, put, shift, x
from learnact.compiler.derive.balance import Expectations, is_one, solve
from learnact.compiler.derive.derivation import Moments, StartDerivation
from learnact.compiler.derive.stretch import preserving_values
from learnact.errors import BadDeclaration

PROBES = (
    (sp.Rational(2, 7), sp.Rational(5, 3), sp.Rational(-3, 4)),
    (sp.Rational(-13, 11), sp.Rational(1, 2), sp.S(2)),
)
"""(x, gain, shift) at which F = gain (g + shift) is checked; rational, so that both sides are exact."""

INSIDE = sp.Rational(3, 5)
"""Quantile of the law that replaces an x outside its support."""


def declared_start(activation: Activation, name: str, law: Law, second: sp.Expr = sp.S.One) -> StartDerivation:
    """Solve one declared start under the law for E[F^2] = `second` and E[F'^2] = 1.

    Raises BadDeclaration, Divergent, NoClosedForm, UnknownName, NoStart for a start that cannot preserve E[x^2].
    """
    start = activation.start(name)
    values = activation.start_values(name, law) if second == 1 else preserving_values(activation, name, law)
    unknowns = {s for v in values.values() for s in v.free_symbols} & {gain, shift}
    function = activation.function
    g = put(function, {s: v.xreplace({gain: sp.S.One, shift: sp.S.Zero}) for s, v in values.items()})
    taken = Expectations.of(g, law)
    if not unknowns:
        moments = taken.moments(sp.S.One, sp.S.Zero)
        balanced = is_one(moments.second.value / second) and is_one(moments.slope_second.value)
        reason = _missing(moments, taken.lacking)
        kind, solved = ("balanced" if balanced else "as declared"), values
    else:
        _check_form(activation, name, values, g, law)
        solution = solve(taken, law, second, has_shift=shift in unknowns, root=start.root)
        known = {gain: solution.gain, shift: solution.shift}
        solved = {s: v.xreplace(known) for s, v in values.items()}
        kind, reason, moments = solution.kind, solution.reason, solution.moments
    exact = taken.exact or not unknowns
    return StartDerivation(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        values={v.name: tuple(_stored(solved[s], exact) for s in v.symbols) for v in activation.parameters},
        exact=exact,
        moments=moments,
        reason=reason,
        note=start.note,
    )


def _missing(moments: Moments, why: str) -> str:
    """Which moments do not exist, and why; "" if all do."""
    named = {"E[F'^2]": moments.slope_second, "the q-slope": moments.q_slope}
    names = [name for name, q in named.items() if not q.exists]
    return f"{' and '.join(names)} {'do' if len(names) > 1 else 'does'} not exist: {why}" if names else ""


def _stored(value: sp.Expr, exact: bool) -> sp.Expr:
    return value if exact or value.is_Rational else evaluate(value)


def _check_form(activation: Activation, name: str, values: dict[sp.Symbol, sp.Expr], g: sp.Expr, law: Law) -> None:
    for probe, scale, offset in PROBES:
        at = probe if law.parameter.free_symbols or law.support[0] <= probe <= law.support[1] else law.quantile(INSIDE)
        known = {gain: scale, shift: offset}
        point = {s: evaluate(v.xreplace(known)) for s, v in values.items()}
        left = sp.N(put(activation.function, point | {x: at}), 30)
        right = evaluate(scale * (put(g, {x: at}) + (offset if _has(values, shift) else 0)))
        if left.free_symbols or right.free_symbols:
            return  # a symbolic law: the same start with a number is checked when it is emitted
        if abs(left - right) > sp.Float(10) ** -15 * (1 + abs(right)):
            raise BadDeclaration(
                f"{activation.names.spec}: start {name!r} must make F = gain*(g + shift); at x = {at}, gain = {scale}, "
                f"shift = {offset} the function is {sp.N(left, 8)} instead of {sp.N(right, 8)}"
            )


def _has(values: dict[sp.Symbol, sp.Expr], symbol: sp.Symbol) -> bool:
    return any(v.has(symbol) for v in values.values())
