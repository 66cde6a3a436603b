"""From a declared start to parameter values: solve for its unknowns, substitute them, state the moments."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import PLAIN, gain, input_scale, put, shift, tilt, x
from learnact.compiler.derive.balance import Expectations, is_one, solve, tidy
from learnact.compiler.derive.derivation import Moments, StartDerivation
from learnact.compiler.derive.shaped import solve_shape
from learnact.compiler.derive.stretch import preserving_values
from learnact.errors import BadDeclaration

PROBES = (
    (sp.Rational(2, 7), sp.Rational(5, 3), sp.Rational(-3, 4), sp.Rational(7, 5), sp.Rational(9, 8)),
    (sp.Rational(-13, 11), sp.Rational(1, 2), sp.S(2), sp.Rational(-2, 9), sp.Rational(5, 6)),
)
"""x and the unknowns at which the form of F is checked; rational, so that both sides are exact."""

INSIDE = sp.Rational(3, 5)
"""Quantile of the law that replaces an x outside its support."""


def declared_start(activation: Activation, name: str, law: Law, second: sp.Expr = sp.S.One) -> StartDerivation:
    """Solve one declared start under the law for E[F^2] = `second` and E[F'^2] = 1.

    Raises BadDeclaration, Divergent, NoClosedForm, UnknownName, NoStart for a start that cannot preserve E[x^2].
    """
    start = activation.start(name)
    values = activation.start_values(name, law) if second == 1 else preserving_values(activation, name, law)
    unknowns = frozenset(s for v in values.values() for s in v.free_symbols) & PLAIN.keys()
    function = activation.function
    g = put(function, {s: v.xreplace(PLAIN) for s, v in values.items()})
    if unknowns:
        line = _check_form(activation, name, values, g, law)
    reason = ""
    if start.shape is not None:
        found = solve_shape(g, line, law, second, start.shape, unknowns)
        kind, moments, exact = start.shape.name, found.moments, found.exact
        solved = {s: tidy(v.xreplace(found.known)) for s, v in values.items()}
    elif not unknowns:
        taken = Expectations.of(g, law)
        moments = taken.moments(sp.S.One, sp.S.Zero)
        balanced = is_one(moments.second.value / second) and is_one(moments.slope_second.value)
        reason = _missing(moments, taken.lacking)
        kind, solved, exact = ("balanced" if balanced else "as declared"), values, True
    else:
        taken = Expectations.of(g, law)
        solution = solve(taken, law, second, has_shift=shift in unknowns, root=start.root)
        solved = {s: v.xreplace({gain: solution.gain, shift: solution.shift}) for s, v in values.items()}
        kind, reason, moments, exact = solution.kind, solution.reason, solution.moments, taken.exact
    return StartDerivation(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        values={v.name: tuple(_stored(solved[s], exact) for s in v.symbols) for v in activation.parameters},
        exact=exact,
        moments=moments,
        reason=reason,
        note=start.note,
        shape=start.shape,
    )


def _missing(moments: Moments, why: str) -> str:
    """Which moments do not exist, and why; "" if all do."""
    named = {"E[F'^2]": moments.slope_second, "the q-slope": moments.q_slope}
    names = [name for name, q in named.items() if not q.exists]
    return f"{' and '.join(names)} {'do' if len(names) > 1 else 'does'} not exist: {why}" if names else ""


def _stored(value: sp.Expr, exact: bool) -> sp.Expr:
    return value if exact or value.is_Rational else evaluate(value)


def _check_form(activation: Activation, name: str, values: dict[sp.Symbol, sp.Expr], g: sp.Expr, law: Law) -> sp.Expr:
    """The multiple of x that a tilt of 1 adds to g, 0 without one. Raises BadDeclaration where F has another form."""
    held = {s for v in values.values() for s in v.free_symbols}
    line = sp.S.Zero
    if tilt in held:
        line = sp.expand(
            put(activation.function, {s: v.xreplace(PLAIN | {tilt: sp.S.One}) for s, v in values.items()}) - g
        )
    for probe, *numbers in PROBES:
        at = probe if law.parameter.free_symbols or law.support[0] <= probe <= law.support[1] else law.quantile(INSIDE)
        known = dict(zip((gain, shift, tilt, input_scale), numbers, strict=True))
        point = {s: evaluate(v.xreplace(known)) for s, v in values.items()}
        scale, offset, lean, zoom = (known[u] if u in held else PLAIN[u] for u in known)
        left = sp.N(put(activation.function, point | {x: at}), 30)
        right = evaluate(known[gain] * (put(g, {x: zoom * at}) + lean * put(line, {x: at}) + offset))
        if left.free_symbols or right.free_symbols:
            return line  # a symbolic law: the same start with a number is checked when it is emitted
        if abs(left - right) > sp.Float(10) ** -15 * (1 + abs(right)):
            raise BadDeclaration(
                f"{activation.names.spec}: start {name!r} must make F = gain*(g + shift); at x = {at}, gain = {scale}, "
                f"shift = {offset} the function is {sp.N(left, 8)} instead of {sp.N(right, 8)}"
            )
    return line
