"""Fair timing of element-wise functions: every round times every case once, and ratios are taken inside a round.

What disturbs one case then disturbs its neighbours alike, and the median over rounds forgets what did not. On one
thread the clock is the processor time of this process, which other processes do not lengthen; on more it is the wall's.
"""

from __future__ import annotations

import ctypes
import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor_config
from torch._inductor.utils import run_and_get_code

SHORTEST = 2e-3  # seconds that one timing lasts at least: small cases are repeated inside it
SLOW = 0.25  # a case whose step takes longer is timed in SLOW_ROUNDS rounds only
SLOW_ROUNDS = 3

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of mallopt, from malloc.h
KEPT = 32 << 20  # bytes: the largest block that glibc lets us keep on the heap


@dataclass(frozen=True)
class Case:
    """A module under a name, to be run compiled or as it is."""

    name: str
    make: Callable[[], nn.Module]
    compiled: bool = True

    @property
    def route(self) -> str:
        """How it runs, in a word."""
        return "compiled" if self.compiled else "eager"


@dataclass
class Prepared:
    """A case ready to be timed, with what its first step told."""

    case: Case
    forward: Callable[[], object]
    both: Callable[[], object]
    compile_seconds: float
    loops: tuple[int, ...] | None  # outer loops in the C++ of the forward and the backward graph; None when eager
    saved: float  # bytes an element kept for the backward, beside x and the parameters
    peak: float | None  # bytes an element that one forward and backward takes at its highest
    times: dict[str, list[float]] = field(default_factory=lambda: {"forward": [], "both": []})

    def median(self, what: str) -> float:
        """Median seconds of a step."""
        return statistics.median(self.times[what])

    def ratio(self, what: str, reference: Prepared) -> float:
        """Median of the ratios that were taken within one round."""
        return statistics.median(t / r for t, r in zip(self.times[what], reference.times[what], strict=False))


def prepare(case: Case, x: Tensor) -> Prepared:
    """Build, run and compile the case for inputs such as x; the steps draw nothing and allocate only what they need."""
    module = case.make()
    function = torch.compile(own_code(module), fullgraph=True, dynamic=False) if case.compiled else module
    x = x.detach().requires_grad_()
    wanted = [x, *(p for p in module.parameters() if p.requires_grad)]
    gradient = torch.randn_like(x)

    def forward() -> object:
        with torch.no_grad():
            return function(x)

    def both() -> object:
        return torch.autograd.grad(function(x), wanted, gradient, allow_unused=True)

    begin = time.perf_counter()
    _, codes = run_and_get_code(both) if case.compiled else (both(), [])
    seconds = time.perf_counter() - begin
    forward()
    loops = tuple(outer_loops(code) for code in codes) if case.compiled else None
    return Prepared(case, forward, both, seconds, loops, saved_bytes(function, module, x), peak_bytes(both, x.numel()))


def own_code(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """A function whose code object no other case shares: Dynamo keeps and counts compilations by code object."""

    def call(x: Tensor) -> Tensor:
        return module(x)

    return FunctionType(call.__code__.replace(), call.__globals__, "call", None, call.__closure__)


def outer_loops(code: str) -> int:
    """Loops of Inductor's C++ that lie in no other loop: passes over the data, and small loops over parameters."""
    count, indent_of = 0, None
    for line in code.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if indent_of is None and text.startswith("for("):
            count, indent_of = count + 1, indent
        elif indent_of == indent and text.startswith("}"):
            indent_of = None
    return count


def saved_bytes(function: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor) -> float:
    """Bytes an element of the distinct storages that the backward keeps, beside x's and the parameters'."""
    own = {t.untyped_storage().data_ptr() for t in (x, *module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in own:
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = function(x)
    del y
    return sum(kept.values()) / x.numel()


def peak_bytes(step: Callable[[], object], numel: int) -> float | None:
    """Growth of the resident set at its highest during one step; None where the system does not tell."""
    if not Path("/proc/self/clear_refs").exists() or numel < 1 << 20:
        return None  # below some megabytes other allocations count for as much
    keep_freed_memory(False)
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    step()
    return (_status("VmHWM") - before) / numel


def _status(key: str) -> int:
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(key))
    return int(line.split()[1]) * 1024


def keep_freed_memory(keep: bool) -> bool:
    """Let malloc keep freed blocks, as a caching allocator does, or give them back at once; False if it cannot."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    libc.mallopt(M_MMAP_THRESHOLD, KEPT if keep else 64 << 10)
    libc.mallopt(M_TRIM_THRESHOLD, -1 if keep else 64 << 10)
    libc.mallopt(M_TOP_PAD, KEPT if keep else 0)
    libc.malloc_trim(0)
    return True


def interleave(prepared: Sequence[Prepared], rounds: int) -> None:
    """Time forward and forward with backward of every case in every round; the first round warms up."""
    keep_freed_memory(True)
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    repeats = {}
    for what in ("forward", "both"):
        for i, p in enumerate(prepared):
            step = getattr(p, what)
            step()
            repeats[i, what] = max(1, math.ceil(SHORTEST / max(_timed(step, 1, clock), 1e-9)))
    gc.disable()
    try:
        for turn in range(rounds):
            for what in ("forward", "both"):
                for i, p in enumerate(prepared):
                    done = p.times[what]
                    if turn < SLOW_ROUNDS or done[0] < SLOW:
                        done.append(_timed(getattr(p, what), repeats[i, what], clock))
    finally:
        gc.enable()


def _timed(step: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(repeats):
        step()
    return (clock() - begin) / repeats


def copied(x: Tensor) -> Prepared:
    """A copy of x as a case: it moves two elements per element, and sets the floor for all that must move data."""
    target = torch.empty_like(x)
    source = x.detach()

    def copy() -> object:
        return target.copy_(source)

    return Prepared(Case("copy", nn.Identity, compiled=False), copy, copy, 0.0, None, 0.0, None)


def fresh_compiler() -> None:
    """Forget what was compiled, and compile everything from here on instead of loading graphs from a cache."""
    torch._dynamo.reset()
    inductor_config.fx_graph_cache = False
    torch._functorch.config.enable_autograd_cache = False
