"""Every finite bfloat16 and float16 through every module of generated/ and every classical function, F and F'.

The truth is the referee's oracle, which shares no code with the compiler: the declaration in doubles and, wherever
these might not decide a thousandth of an ulp, with 400 digits.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.ulp import LEAST, halves, unit, units
from learnact import generated, load
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit.plan import GENERATED, generated_folder
from learnact.compiler.resolve.classical import classical_names
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify.measured import DOUBLE, LIMIT
from learnact.compiler.verify.oracle import Known, Oracle

TYPES = (torch.bfloat16, torch.float16)
ENOUGH = 2.0**-10
"""What the oracle may be off by, in ulps of the half type."""
PRECISE = ((DOUBLE, 2.0**-49), (LIMIT, 1e-396))
"""Numbers that the oracle computes in, and their relative errors, in units of the rounding scale."""

Pair = tuple[Tensor, Tensor]


def names() -> tuple[str, ...]:
    """The specs of all modules of generated/, then all classical functions."""
    return (*GENERATED, *classical_names())


def module_of(name: str) -> nn.Module:
    """The committed module at its default start or, of a classical function, what the compiler makes of it now."""
    if name not in GENERATED:
        return load(name)()
    modules = json.loads((generated_folder() / "MANIFEST.json").read_text())["modules"]
    found: nn.Module = getattr(generated, next(m["class"] for m in modules.values() if m["spec"] == name))()
    return found


def truths(activation: Activation, parameters: tuple[float, ...], x: Tensor) -> tuple[Known, Known]:
    """F and F' at the numbers x of a half type, to ENOUGH."""
    oracle, points = Oracle(activation), x.double().numpy()
    found = oracle(points, parameters, exact=False)
    for (_, relative), (numbers, _) in itertools.pairwise(PRECISE):
        vague = np.flatnonzero(_vague(found.value, relative, x.dtype) | _vague(found.slope, relative, x.dtype))
        if vague.size:
            found = found.put(vague, oracle.within(numbers, points[vague], parameters))
    return found.value, found.slope


def _vague(known: Known, relative: float, dtype: torch.dtype) -> np.ndarray:
    step = unit(torch.from_numpy(known.high), dtype).numpy()
    with np.errstate(invalid="ignore"):
        return ~(relative * known.scale <= ENOUGH * step)


def results(call: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor]) -> Iterator[Pair]:
    """F and F' at each of the inputs, all in one call."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    values = call(*leaves)
    slopes = torch.autograd.grad(values, leaves, [torch.ones_like(y) for y in values])
    yield from zip((y.detach() for y in values), slopes, strict=True)


def rows_of(group: Sequence[str]) -> list[dict[str, Any]]:
    """A row for F and for F' of each module of the group, in each type, eager and compiled: all in one compilation."""
    acts = [module_of(name) for name in group]
    inputs = tuple(next(halves(dtype)) for dtype in TYPES)
    asked = [(k, name, x) for k, name in enumerate(group) for x in inputs]

    def everything(*xs: Tensor) -> tuple[Tensor, ...]:
        return tuple(acts[k](x) for (k, _, _), x in zip(asked, xs, strict=True))

    torch.compiler.reset()
    routes = {"eager": everything, "compiled": torch.compile(everything, fullgraph=True, dynamic=False)}
    found = {route: list(results(call, [x for _, _, x in asked])) for route, call in routes.items()}
    rows = []
    for place, (k, name, x) in enumerate(asked):
        parameters = tuple(v for p in acts[k].parameters() for v in p.detach().double().flatten().tolist())
        known = truths(resolve(name), parameters, x)
        for route, pairs in found.items():
            for what, result, true in zip(("value", "slope"), pairs[place], known, strict=True):
                kind = str(x.dtype).removeprefix("torch.")
                rows.append({"module": name, "route": route, "dtype": kind, "what": what, **counted(x, result, true)})
    return rows


def counted(x: Tensor, found: Tensor, true: Known) -> dict[str, Any]:
    """Errors in ulps where the exact result is a normal number; the rest is counted apart.

    So are results that are not finite where they should be: float32 overflowed on the way.
    """
    exact, scale = torch.from_numpy(true.high), torch.from_numpy(true.scale)
    asked = ~torch.isnan(exact)
    over = asked & torch.isinf(exact.to(found.dtype))
    normal = asked & ~over & (exact.abs() >= 2.0 ** LEAST[found.dtype])
    small = asked & ~over & ~normal
    lost = normal & ~torch.isfinite(found)
    errors = units(found, exact)
    wide = torch.maximum(scale.nan_to_num(torch.inf), exact.abs()).clamp(max=torch.finfo(torch.float64).max)
    scaled = (found.double() - exact).abs() / unit(wide, found.dtype)
    large = torch.where(normal & ~lost, errors, 0.0)
    place = int(large.argmax())
    return {
        "worst": float(large[place]), "at": float(x[place]), "off": int((large >= 1.0).sum()),
        "scaled": float(torch.where(normal & ~lost, scaled, 0.0).max()),
        "lost": int(lost.sum()), "normal": int(normal.sum()), "subnormal": int(small.sum()), "over": int(over.sum()),
        "subnormal_worst": float(torch.where(small, errors, 0.0).max()),
        "over_wrong": int((torch.where(over, errors, 0.0) > 0).sum()),
    }  # fmt: skip
