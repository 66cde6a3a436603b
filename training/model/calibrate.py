"""Fit the start of every activation to the law of its own input, as measured on one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sympy as sp
import torch
from torch import nn

from learnact import start as solve_start
from learnact.errors import BadLaw, UnknownName
from learnact.training.errors import BadConfig, BadModel
from learnact.training.model.gates import gates, watching_gates
from learnact.training.model.learnable import is_learnable, numbers_of
from learnact.training.model.moments import InputMoments, Pool, observe, round_sigma
from learnact.training.model.passes import Run, as_call
from learnact.training.model.swap import Swapped, Swapping

__all__ = ["InputMoments", "Starts", "assign", "calibrate", "cancellation", "measure", "round_sigma"]

Starts = Callable[..., Mapping[str, Sequence[float]]]
"""sigma -> parameter name -> values: the exact start under N(0, sigma^2). In a gated block it is called with sigma and
the factor 1/s of `gates`, by which it multiplies F if the product is to keep F's moments."""

MOST_LOST = 0.02
"""Of an activation's size that rounding may take, at most: five steps of bfloat16."""

CONVERGED = 0.05
"""Relative change of a sigma that counts as none: half a unit of the second digit of 1.0."""

MOST_PASSES = 10
"""Passes after which a module that is called several times must have converged."""


def measure(modules: Iterable[Swapped], run: Run) -> list[InputMoments]:
    """Mean and sigma of each activation's input during one pass, over all its calls.

    `run` is a call such as `lambda: model(batch)`, or the batch itself if `modules` is what `swap` returned.
    Raises BadModel when the pass leaves one of them out, or feeds one a constant or something not finite.
    """
    places, call = _asked(modules, run)
    return [pool.moments() for pool in observe(places, call, lambda module, pool: None).values()]


def calibrate(modules: Iterable[Swapped], run: Run, starts: Starts | str | None = None) -> list[InputMoments]:
    """Give each activation the start that is exact for the sigma of its own input; return what was measured.

    `run` is a call such as `lambda: model(batch)`, or the batch itself if `modules` is what `swap` returned.
    `starts` names a start ("balanced", "gelu"); without it each module keeps the one that it began with. These
    preserve the second moment, E[F^2] = sigma^2. Or it is a function of sigma, `functools.partial(start, ...)` say;
    each distinct rounded sigma asks it once. In a gated block, whose product is F(u) v, F is divided by the root mean
    square of v (`gates`): the product then has the second moment that F alone has elsewhere.

    A hook measures an activation's input and sets its parameters before it computes, so every later layer is measured
    behind layers already calibrated, and one pass suffices where each module is called once. A module that is called
    several times, in several places or in a loop, has one shape for all of its inputs: it gets the start for the sigma
    of all of them together. As that start changes the later inputs, passes are repeated until no sigma changes by more
    than CONVERGED; `InputMoments.calls` has the sigma of each call.

    Shapes of parameters are (length,) or (length, channels); all channels get the same values.

    Raises BadModel as `measure` does, when the start's names or lengths are not the module's, and where sigma does not
    converge; UnknownName for a start that a module does not have; BadConfig where the start's coefficients cancel so
    much that the module's precision does not hold F, NoStart where nothing scales F in a gated block.
    """
    places, call = _asked(modules, run)
    solve = _solver(places, starts)
    gated = gates(modules.model) if isinstance(modules, Swapping) else {}
    pooled: dict[nn.Module, sp.Rational] = {}
    multiplied: dict[nn.Module, Pool] = {}

    def fit(module: nn.Module, path: str, sigma: sp.Rational) -> None:
        gate = multiplied[module].root_mean_square if module in multiplied else None
        if gate == 0:
            raise BadModel(f"what {path} is multiplied with is 0 on the whole batch; nothing can be calibrated to it")
        _fit(module, path, (sigma,) if gate is None else (sigma, 1 / round_sigma(gate)), solve)

    def before(module: nn.Module, pool: Pool) -> None:
        if module not in pooled and pool.sigma > 0 and max(pool.calls[:-1], default=0.0) == 0:  # first that varies
            fit(module, pool.path, round_sigma(pool.sigma))

    for _ in range(MOST_PASSES):
        for module, sigma in pooled.items():
            fit(module, _path(places, module), sigma)
        with watching_gates(gated, multiplied):
            pools = observe(places, call, before)
        gate = {module: pool.root_mean_square for module, pool in multiplied.items()}
        found = {module: replace(pool.moments(), gate=gate.get(module)) for module, pool in pools.items()}
        moving = {
            module: moments.rounded
            for module, moments in found.items()
            if len(moments.calls) > 1 and abs(1 - pooled.get(module, sp.oo) / moments.rounded) > CONVERGED
        }
        if not moving:
            return list(found.values())
        pooled |= moving
    raise BadModel(
        f"the sigma of {', '.join(found[m].path for m in moving)} does not converge: each is called several times, and "
        f"after {MOST_PASSES} passes its inputs still change with its own start. Give each call an activation of its "
        "own, or leave these places out"
    )


def cancellation(module: nn.Module, sigma: float) -> float:
    """Largest error of F in the module's own precision, over three sigma, relative to F's root mean square there."""
    own = copy.deepcopy(module).cpu()  # where there is float64; called by `forward`, past its hooks
    parameter = next(own.parameters())
    at = torch.linspace(-3 * sigma, 3 * sigma, 241, dtype=torch.float64)
    at = at[:, None].expand(-1, getattr(own, "num_parameters", 1))
    with torch.no_grad():
        found = own.forward(at.to(parameter.dtype)).double()
        exact = own.double().forward(at)
    return float((found - exact).abs().max() / exact.square().mean().sqrt())


def assign(module: nn.Module, values: Mapping[str, Sequence[float]]) -> None:
    """Set a generated module's parameters and buffers in place. Raises BadModel when names or lengths do not fit."""
    parameters = numbers_of(module)
    found = {name: len(entries) for name, entries in values.items()}
    expected = {name: p.shape[0] for name, p in parameters.items()}
    if found != expected:
        raise BadModel(f"{type(module).__name__} takes parameters of lengths {expected}, the start has {found}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            entries = torch.tensor(list(values[name]), dtype=torch.float64).to(parameter.dtype)
            parameter.copy_(entries.reshape(-1, *[1] * (parameter.dim() - 1)))


Fed = tuple[sp.Rational, ...]
"""sigma of the input; in a gated block the factor of F after it."""

Solver = Callable[[nn.Module, Fed], Mapping[str, Sequence[float]]]


def _solver(places: Mapping[str, nn.Module], starts: Starts | str | None) -> Solver:
    if callable(starts):
        cached = cache(starts)
        return lambda _, fed: cached(*fed)
    for path, module in places.items():
        if not is_learnable(module):
            raise BadModel(
                f"{path} holds {type(module).__name__}, which has no named starts; pass starts=function of sigma, or "
                "swap a learnable activation in"
            )
        known = type(module).starts  # type: ignore[attr-defined]
        if starts is not None and starts not in known:
            raise UnknownName(f"start of {path} ({type(module).__name__})", str(starts), known)

    @cache
    def named(cls: Any, name: str, sigma: sp.Rational, factor: sp.Rational = sp.S.One) -> Mapping[str, Sequence[float]]:
        return solve_start(cls, name, sigma=sigma, preserve=True, factor=factor)

    def solve(module: Any, fed: Fed) -> Mapping[str, Sequence[float]]:
        kind: Any = type(module)
        return named(kind, starts or module.init, *fed)

    return solve


def _fit(module: nn.Module, path: str, fed: Fed, solve: Solver) -> None:
    sigma = fed[0]
    try:
        values = solve(module, fed)
    except BadLaw as err:
        raise BadModel(
            f"the input of {path} has sigma {float(sigma):.2g} ({err}): what comes before it grows or shrinks beyond "
            "use. A module that is called several times may feed itself: give each call an activation of its own, or "
            "leave this place out"
        ) from err
    assign(module, values)
    lost = cancellation(module, float(sigma))
    if not lost <= MOST_LOST:
        raise BadConfig(
            f"{type(module).__name__} for the input of {path}, sigma {float(sigma):.2g}, has coefficients "
            f"so large that float32 loses {lost:.1g} of the result; take a lower degree or --calibrate none"
        )


def _asked(modules: Iterable[Swapped], run: Run) -> tuple[dict[str, nn.Module], Callable[[], object]]:
    call = as_call(modules.model if isinstance(modules, Swapping) else None, run)
    places = {s.path: s.new for s in modules}
    if not places:
        raise BadModel("there is no activation to measure; pass what swap() returned")
    return places, call


def _path(places: Mapping[str, nn.Module], module: nn.Module) -> str:
    return next(path for path, place in places.items() if place is module)
