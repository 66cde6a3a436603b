"""Every float32 there is, through each helper of templates/elementary.py.jinja and through Inductor's own function.

Inputs, helper, float64 oracle and error are one compiled loop: 2^32 inputs take minutes of one core.
"""

from __future__ import annotations

import hashlib
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

CHUNK = 1 << 22
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


def helpers() -> ModuleType:
    """All helpers, as emitted files have them."""
    module = ModuleType("learnact_elementary")
    called = elementary_context(REQUIRES, sines=False)
    text = environment().get_template("elementary.py.jinja").render(elementary=called)
    exec(compile(f"import torch\nfrom torch import nn\n{text}", module.__name__, "exec"), vars(module))
    sys.modules[module.__name__] = module  # Dynamo looks up a function's globals by the name of its module
    return module


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
        return x, found, torch.where(normal, errors, 0.0), torch.where(normal, 0.0, errors)

    own = FunctionType(run.__code__.replace(), run.__globals__, "run", None, run.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)


@torch.no_grad()
def scan(name: str, *, own: bool = False, stride: int = 1) -> dict[str, Any]:
    """The largest errors of a helper, or of Inductor's own function, at every stride-th of all 2^32 inputs."""
    function, what, torchs = HELPERS[name]
    oracle = getattr(FUNCTIONS[function], what)
    run = scanner(torchs if own else getattr(helpers(), name), oracle, stride)
    digest, begin = hashlib.sha256(), time.process_time()
    worst, at, small, over, count = 0.0, 0.0, 0.0, 0, 0
    for first in range(-(1 << 31), 1 << 31, CHUNK * stride):
        x, found, normal, subnormal = run(torch.tensor(first, dtype=torch.int32))
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
