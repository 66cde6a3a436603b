"""How long a step takes, how much it gets through, and how much memory that needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

STATUS = Path("/proc/self/status")
"""Where Linux tells the peak memory of a process; other systems have no such file."""
KILOBYTE = 1024  # its unit


class Meter:
    """Times of the steps since it was last read; a watched step, which does more and is not compiled, is apart."""

    def __init__(self, device: torch.device, per_step: int, counted: str) -> None:
        """`per_step` is how many of `counted`, tokens or images, all processes take in a step."""
        self.device, self.per_step, self.counted = device, per_step, counted
        self._plain: list[float] = []
        self._watched: list[float] = []
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def step(self, *, watched: bool) -> Iterator[None]:
        """Time what happens within; waiting for data counts, evaluation and checkpoints lie outside."""
        began = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        (self._watched if watched else self._plain).append(time.perf_counter() - began)

    def read(self) -> dict[str, Any]:
        """Median time of a step, throughput at it and peak memory, ready for the log; empty without a step."""
        times = self._plain or self._watched
        if not times:
            return {}
        self._plain, self._watched = [], []
        typical = median(times)
        return {
            "step_seconds": float(f"{typical:.5g}"),
            f"{self.counted}_per_second": float(f"{self.per_step / typical:.5g}"),
            "peak_memory_bytes": peak_memory(self.device),
            "memory_of": "GPU" if self.device.type == "cuda" else "process",
        }


def peak_memory(device: torch.device) -> int | None:
    """Bytes that tensors took at most on a GPU, else that this process did; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not STATUS.is_file():
        return None
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) * KILOBYTE for line in lines if line.startswith("VmHWM:")), None)
