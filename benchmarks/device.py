"""A GPU's clock, memory and compiler; or, for a dry run, the processor's in their place."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.timing import own_code

Attempt = Callable[[str, Callable[[], Any]], Any]
"""Given a case's name and the making of it: what it makes, or None."""

SLEEP_CYCLES = 10_000_000  # about 5 ms: longer than the processor takes to launch what is timed


@dataclass(frozen=True)
class Device:
    """Where a benchmark runs."""

    dry: bool  # on the processor, tiny, traced but not compiled: shows that the script runs, measures nothing

    @property
    def name(self) -> str:
        """For `device=`."""
        return "cpu" if self.dry else "cuda"

    def describe(self) -> dict[str, Any]:
        """What the results should say of the hardware."""
        if self.dry:
            return {"device": "cpu, dry run: times mean nothing"}
        properties = torch.cuda.get_device_properties(0)
        return {
            "device": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
        }

    def compiled(self, module: nn.Module) -> Callable[..., Any]:
        """The module through torch.compile, under a code object of its own."""
        return torch.compile(own_code(module), fullgraph=True, dynamic=False, backend=self.backend)

    @property
    def backend(self) -> str:
        """Inductor; a dry run stops behind the tracing."""
        return "aot_eager" if self.dry else "inductor"

    def processes(self, gib: float = 1.0) -> int:
        """How many may work side by side, each with two cores and so much of the device's memory."""
        if self.dry:
            return 2
        held = torch.cuda.get_device_properties(0).total_memory / 2**30
        return max(1, min((os.cpu_count() or 2) // 2, int(held // gib)))

    def synchronize(self) -> None:
        """Wait until everything asked for is done."""
        if not self.dry:
            torch.cuda.synchronize()

    def seconds(self, step: Callable[[], object]) -> float:
        """Time that the device takes for one step, by two events.

        The device sleeps first, so that the whole step is queued when it begins: what the processor takes to launch
        it, which a model's other work hides, is not in it.
        """
        if self.dry:
            begin = time.perf_counter()
            step()
            return time.perf_counter() - begin
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(SLEEP_CYCLES)
        before.record()
        step()
        after.record()
        after.synchronize()
        return before.elapsed_time(after) / 1e3

    def interleaved(self, steps: Sequence[Callable[[], object]], rounds: int, warm: int = 2) -> list[float]:
        """Median seconds of every step, all of them once a round."""
        times: list[list[float]] = [[] for _ in steps]
        for turn in range(warm + rounds):
            for step, kept in zip(steps, times, strict=True):
                taken = self.seconds(step)
                if turn >= warm:
                    kept.append(taken)
        return [statistics.median(kept) for kept in times]

    def reset_peak(self) -> None:
        """Begin to watch the allocator."""
        if not self.dry:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Most memory held since `reset_peak`; 0 in a dry run."""
        return 0.0 if self.dry else torch.cuda.max_memory_allocated() / 2**30
