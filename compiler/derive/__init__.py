"""Derive: exact second moments and the starts that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive.balance import moments
from learnact.compiler.derive.derivation import Derivation, Moments, StartDerivation
from learnact.compiler.derive.starts import declared_start
from learnact.errors import NoStart, UnknownName

__all__ = ["Derivation", "Moments", "StartDerivation", "derive", "moments", "start", "start_names"]


FREE = "free_"
"""free_NAME is the fit of all parameters to the classical function NAME: any activation has it, on request."""


def start_names(activation: Activation) -> tuple[str, ...]:
    """Names of all starts: the declared ones, the default first, then the fits to classical functions."""
    return (*activation.family.starts, *(CLASSICAL if activation.family.fit else ()))


def derive(
    activation: Activation,
    law: Law | None = None,
    *,
    preserve: bool = False,
    free: Sequence[str] = (),
    watch: Callable[[str, int], None] | None = None,
) -> Derivation:
    """Solve every start under `law` (default: the family's): E[F^2] = 1 and E[F'^2] = 1.

    With `preserve` E[F^2] = E[x^2] in place of 1. Fits are to T(x), with `preserve` to s T(x/s), s^2 = E[x^2]; one that
    does not exist is in `missing`, with the reason. `free` names classical functions that all parameters are fitted to
    besides, each the start free_NAME.
    `watch(name, count)` is called before each of the `count` starts. Raises Divergent, NoClosedForm, BadDeclaration,
    UnknownName for a function that is not classical.
    """
    law = law or activation.family.law
    starts, missing = [], {}
    names = (*start_names(activation), *(f"{FREE}{name}" for name in free))
    for name in names:
        if watch is not None:
            watch(name, len(names))
        try:
            starts.append(start(activation, name, law, preserve=preserve))
        except NoStart as err:
            if name in activation.family.starts and activation.start(name).shape is not None:
                raise  # it was asked for: nothing may be written without it
            missing[name] = str(err)
    return Derivation(activation, law, tuple(starts), law.second if preserve else sp.S.One, missing)


def start(activation: Activation, name: str, law: Law | None = None, *, preserve: bool = False) -> StartDerivation:
    """Solve the start `name`, declared, fitted, or free_NAME, the fit of all parameters to a classical function NAME.

    Raises UnknownName, NoStart for a fit that does not exist, and what `derive` raises.
    """
    law = law or activation.family.law
    second = law.second if preserve else sp.S.One
    if name in activation.family.starts:
        return declared_start(activation, name, law, second)
    if name.startswith(FREE):
        from learnact.compiler.derive.fit.free import free_fit  # noqa: PLC0415  (numpy, as below)

        return free_fit(activation, name.removeprefix(FREE), law, sp.sqrt(second))
    if name not in start_names(activation):
        raise UnknownName(f"start of {activation.names.spec}", name, start_names(activation))
    from learnact.compiler.derive.fit.fitted import fitted_start  # noqa: PLC0415  (numpy: only where a fit is asked for)

    return fitted_start(activation, name, law, sp.sqrt(second))
