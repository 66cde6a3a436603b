"""A start made to follow the law's scale: F(x/s) in place of F(x), by other values of the same parameters."""

from __future__ import annotations

import sympy as sp

from learnact.compiler.declare.dimensions import stretches
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import gain, shift
from learnact.errors import NoStart


def preserving_values(activation: Activation, name: str, law: Law) -> dict[sp.Symbol, sp.Expr]:
    """Symbol -> value of the start `name`, with `gain` and `shift`, made for x as wide as under `law`.

    A start that follows the law itself is as it declares; another one is stretched by s, s^2 = E[x^2], where its
    parameters allow it, and where they do not, gain and shift have to do.

    Raises NoStart where there is no shift to do it, UnknownName and BadDeclaration.
    """
    values = activation.start_values(name, law)
    s = sp.sqrt(law.second)
    unknowns = {u for v in values.values() for u in v.free_symbols} & {gain, shift}
    follows = s == 1 or values != activation.start_values(name, law.over(s))
    if follows or not unknowns or activation.start(name).fixed_scale:
        return values
    powers = stretches(activation)
    if powers is not None:
        return activation.scaled(values, {entry: s**power for entry, power in powers.items()})
    if shift not in unknowns:
        raise NoStart(
            f"the start {name!r} of {activation.names.spec} would be a gain alone under {law}, its bends at another "
            "scale than its input: no parameters stretch x, and no offset learns. Let a factor of x learn, as b in "
            "a*tanh(b*x), or take the start without preserve (--calibrate none)"
        )
    return values
