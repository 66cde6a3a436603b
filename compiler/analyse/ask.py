"""The analyses as functions for a program or a notebook: `gain` and `maps`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from learnact.compiler.analyse.gains import Gains, gains_of
from learnact.compiler.analyse.maps import Maps, maps_of
from learnact.compiler.analyse.subject import law_of, subject_of
from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.emit.target import Target, is_declared
from learnact.compiler.resolve.number import Number
from learnact.compiler.resolve.parameters import Number as Value
from learnact.errors import BadTarget

if TYPE_CHECKING:
    from torch import Tensor


def gain(
    function: Target | Callable[[Tensor], Tensor],
    *,
    start: str | None = None,
    params: Mapping[str, Value] | None = None,
    law: Law | str | None = None,
    sigma: Number | None = None,
) -> Gains:
    """Moments of a fixed function under a law, and its gains as He, torch, NFNet, e3nn and unit scaling define them.

    `function` is a name or SPEC, `gelu` or `hermite:3@paper`, with the default `start` if none is given; an expression
    in x and `params` (name -> value), such as `frozen_expression` gives; whatever else `derive` takes; or code: a
    module or a pointwise function of a tensor, which is called in double precision and integrated numerically. A module
    is taken as it is now, parameters and mode, an emitted one too. `law` is a Law or text such as `uniform:pi`,
    `sigma` short for N(0, sigma^2); the default is the family's, of code N(0, 1).

        torch.nn.init.xavier_normal_(weight, gain=float(gain("mish").calculate_gain))

    Raises BadTarget for code that is not pointwise, random or too slow, Contradiction where two methods differ, and
    what `derive` raises. A moment that does not exist is None in the result, with the reason.
    """
    asked = law_of(law, sigma)
    if _is_code(function):
        from learnact.compiler.analyse.code import gains_of_code  # noqa: PLC0415  (torch: only where code is called)

        if start is not None or params:
            raise BadTarget("code has no start and no params to choose; pass it as it should be called")
        return gains_of_code(cast("Callable[[Tensor], Tensor]", function), asked or Normal())
    if isinstance(function, type) and not is_declared(function):
        raise BadTarget(f"{function.__name__} is a class; pass an instance, such as {function.__name__}()")
    found = subject_of(cast("Target", function), start=start, params=params, law=asked)
    return gains_of(found.name, found.formula, found.function, found.law, found.moments)


def maps(
    function: Target,
    *,
    start: str | None = None,
    params: Mapping[str, Value] | None = None,
    sigma: Number | None = None,
) -> Maps:
    """Correlation and length map of a fixed function under N(0, sigma^2): what depth does to angles and mean squares.

    `function`, `start` and `params` as in `gain`, but no code; sigma is 1 if not given, and starts are solved under it.

        maps("gelu").correlation(0.5), maps("hermite:5").iterates[50]

    Raises BadTarget for code, Divergent where E[F^2] does not exist, NoClosedForm where the kinks of F are not known or
    F oscillates too often under a wide law, Contradiction where two methods differ, and what `gain` raises.
    """
    law = law_of(None, sigma) or Normal()
    if _is_code(function):
        raise BadTarget("maps are of declared functions, not of code; give a SPEC or an expression")
    found = subject_of(function, start=start, params=params, law=law)
    gains = gains_of(found.name, found.formula, found.function, law, found.moments)
    return maps_of(gains, found.function, Normal(law.parameter))


def _is_code(target: Any) -> bool:
    """Whether the target is to be called: a module or a function, and no declaration."""
    from learnact.compiler.declare.spec import Activation, Family  # noqa: PLC0415
    from learnact.compiler.resolve.declaration import Declaration  # noqa: PLC0415

    return callable(target) and not isinstance(target, (type, Activation, Declaration, Family))
