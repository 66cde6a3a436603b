"""Every float32 there is, through each helper of templates/elementary.py.jinja and through Inductor's own function.

Inputs, helper, float64 oracle and error are one compiled loop. For |x| < 2^-14 and |x| >= 128, nine tenths of all bit
patterns, the oracle is a Taylor polynomial and the limit, which differ from it by less than 2^-40.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.ulp_cases import FUNCTIONS
from learnact.compiler.emit.elementary import REQUIRES, elementary_context
from learnact.compiler.emit.render import environment

CHUNK = 1 << 18
NEAR, FAR = 2.0**-14, 128.0
HELPERS = {
    "_tanh": ("tanh", "value", torch.tanh),
    "_sech2": ("tanh", "slope", None),
    "_sigmoid": ("sigmoid", "value", torch.sigmoid),
    "_logistic": ("sigmoid", "slope", None),
    "_softplus": ("softplus", "value", functional.softplus),
    "_erf": ("erf", "value", torch.erf),
    "_gelu": ("gelu", "value", functional.gelu),
    "_gelu_slope": ("gelu", "slope", None),
    "_expm1": ("expm1", "value", torch.expm1),
}
"""Helper -> function, whether F or F', and torch's own F."""

Call = Callable[[Tensor], Tensor]
DENSITY = 1 / math.sqrt(2 * math.pi)
ENDS: dict[str, tuple[tuple[float, ...], Call]] = {
    "_tanh": ((0.0, 1.0, 0.0, -1 / 3), torch.sign),
    "_sech2": ((1.0, 0.0, -1.0), torch.zeros_like),
    "_sigmoid": ((1 / 2, 1 / 4), lambda x: (x > 0).double()),
    "_logistic": ((1 / 4, 0.0, -1 / 16), torch.zeros_like),
    "_softplus": ((math.log(2), 1 / 2, 1 / 8), torch.relu),
    "_erf": ((0.0, 2 / math.sqrt(math.pi), 0.0, -2 / 3 / math.sqrt(math.pi)), torch.sign),
    "_gelu": ((0.0, 1 / 2, DENSITY), torch.relu),
    "_gelu_slope": ((1 / 2, 2 * DENSITY), lambda x: (x > 0).double()),
    "_expm1": ((0.0, 1.0, 1 / 2, 1 / 6), lambda x: torch.where(x > 0, torch.inf, -1.0)),
}
"""Helper -> coefficients of its Taylor polynomial at 0, and what it is for |x| >= FAR."""


def helpers() -> ModuleType:
    """All helpers, as emitted files have them."""
    module = ModuleType("learnact_elementary")
    called = elementary_context(REQUIRES, sines=False)
    text = environment().get_template("elementary.py.jinja").render(elementary=called)
    exec(compile(f"import torch\nfrom torch import nn\n{text}", module.__name__, "exec"), vars(module))
    sys.modules[module.__name__] = module  # Dynamo looks up a function's globals by the name of its module
    return module


def ends(name: str) -> Call:
    """The helper where |x| is below NEAR or at least FAR, in float64."""
    taylor, limit = ENDS[name]

    def run(x: Tensor) -> Tensor:
        near = torch.zeros_like(x)
        for c in reversed(taylor):
            near = near * x + c
        return torch.where(torch.abs(x) < 1.0, near, limit(x))

    return run


def scanner(call: Call, exact: Call, stride: int = 1) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Compiled: the first bit pattern of a chunk -> x, results, errors of normal results, errors of smaller ones."""

    def run(begin: Tensor) -> tuple[Tensor, ...]:
        x = (torch.arange(CHUNK, dtype=torch.int32) * stride + begin).view(torch.float32)
        x = torch.where(torch.abs(x) <= torch.finfo(torch.float32).max, x, 0.0)
        found, due = call(x), exact(x.double())
        nearest = due.float()
        exponent = nearest.view(torch.int32) & 0x7F800000
        unit = torch.clamp(exponent.view(torch.float32), min=2.0**-126).double() * 2.0**-23
        errors = torch.abs(found.double() - due) / unit
        errors = torch.where(torch.isinf(nearest) & (found == nearest), 0.0, errors)
        errors = torch.where(torch.isnan(errors), torch.inf, errors)
        normal = torch.abs(due) >= 2.0**-126
        return x, found, torch.where(normal, errors, 0.0).float(), torch.where(normal, 0.0, errors).float()

    own = FunctionType(run.__code__.replace(), run.__globals__, "run", None, run.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)


@torch.no_grad()
def scan(name: str, *, own: bool = False, stride: int = 1) -> dict[str, Any]:
    """The largest errors of a helper, or of Inductor's own function, at every stride-th of all 2^32 inputs."""
    function, what, torchs = HELPERS[name]
    oracle = getattr(FUNCTIONS[function], what)
    call = torchs if own else getattr(helpers(), name)
    middle, outside = scanner(call, oracle, stride), scanner(call, ends(name), stride)
    digest, begin = hashlib.sha256(), time.process_time()
    worst, at, small, over, count = 0.0, 0.0, 0.0, 0, 0
    for first in range(-(1 << 31), 1 << 31, CHUNK * stride):
        size = (torch.tensor([first, first + (CHUNK - 1) * stride]).to(torch.int32) & 0x7FFFFFFF).view(torch.float32)
        far = bool((size < NEAR).all() or (size >= FAR).all())
        x, found, normal, subnormal = (outside if far else middle)(torch.tensor(first, dtype=torch.int32))
        digest.update(found.numpy())
        place = int(normal.argmax())
        if float(normal[place]) > worst:
            worst, at = float(normal[place]), float(x[place])
        small = max(small, float(subnormal.max()))
        over, count = over + int((normal >= 1.0).sum()), count + len(x)
    return {
        "function": function, "route": "torch compiled" if own else "ours compiled", "dtype": "float32",
        "what": f"{what}, all 2^32" if stride == 1 else f"{what}, every {stride}th of 2^32",
        "normal": worst, "at": at, "subnormal": small, "over": over, "count": count,
        "sha256": digest.hexdigest()[:16], "seconds": round(time.process_time() - begin),
    }  # fmt: skip
