"""Everything that only a GPU can tell, in under nine minutes: correctness, kernel times, one step of two models.

    make gpu                                # on a machine with an NVIDIA GPU, into benchmarks/results
    python -m benchmarks.gpu --out OUT      # the same from a plain checkout: torch, triton, transformers, sympy, jinja2
    python -m benchmarks.gpu --dry          # tiny and on the processor: shows that the script runs

Parts that no time is left for are listed, never left out in silence. Exit status 1 if a check or a case fails,
2 without a GPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks import checkout
from benchmarks.device import Device
from benchmarks.peers import PACKAGES
from benchmarks.tables import provenance, save, table

checkout.reach()

from benchmarks import gpu_checks, gpu_kernels, gpu_models  # noqa: E402  (they import learnact)
from learnact import generated  # noqa: E402

Result = TypeVar("Result")

MINUTES = 9.0
RESERVE = 25.0  # seconds that a compilation and its timing may take: nothing is begun later than that before the end
NUMEL, DRY_NUMEL = 1 << 26, 1 << 12  # of the kernels' tensors
CHECKED, DRY_CHECKED = 1 << 20, 1 << 12  # of the checks' tensors
DRY_MODULES = ("Hermite3", "Fourier3", "Tropical3")
SHARES = {"checks": 0.4, "kernels": 0.6, "models": 1.0}  # by when a part ends, as a share of the whole time


class Clock:
    """Runs cases while there is time, and keeps what failed and what there was no time for."""

    def __init__(self, minutes: float) -> None:
        self.begin = time.monotonic()
        self.limit = minutes * 60
        self.part = "checks"
        self.skipped: list[str] = []
        self.failed: list[str] = []

    def left(self) -> float:
        """Seconds until the part at hand ends."""
        return self.limit * SHARES[self.part] - (time.monotonic() - self.begin)

    def together(self, cases: Sequence[tuple[str, Callable[[], Result]]], processes: int) -> list[Result | None]:
        """What the cases give, run side by side in processes of their own: for what is not timed."""
        print(f"{time.monotonic() - self.begin:5.0f} s  {len(cases)} cases, {processes} at a time", file=sys.stderr)
        found: list[Result | None] = []
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
        futures = [(what, pool.submit(case)) for what, case in cases]
        for what, future in futures:
            try:
                found.append(future.result(timeout=max(0.0, self.left())))
            except TimeoutError:
                self.skipped.append(f"{self.part}: {what}")
                found.append(None)
            except Exception as err:  # as in `attempt`
                self.note(what, err)
                found.append(None)
        if self.left() < 0:  # what still runs would take the processor from what is timed next
            for worker in list((pool._processes or {}).values()):
                worker.kill()
        pool.shutdown(cancel_futures=True)
        return found

    def note(self, what: str, err: Exception) -> None:
        """Keep a failure, its first line in the results."""
        line = next((text for text in str(err).splitlines() if text.strip()), "")
        self.failed.append(f"{self.part}: {what}: {type(err).__name__}: {line}")
        traceback.print_exception(err)

    def attempt(self, what: str, case: Callable[[], Result]) -> Result | None:
        """What the case gives; None, and a note, where it fails or may not begin any more."""
        if self.left() < RESERVE:
            self.skipped.append(f"{self.part}: {what}")
            return None
        print(f"{time.monotonic() - self.begin:5.0f} s  {what}", file=sys.stderr, flush=True)
        try:
            return case()
        except Exception as err:  # the machine is lent for minutes: one failure must not cost the other cases
            self.note(what, err)
            return None


def checks(device: Device, clock: Clock) -> list[dict]:
    """Every generated module: eager in three dtypes, then compiled."""
    names = list(generated.MODULES)
    if device.dry:
        names = [name for name in names if name in DRY_MODULES]
    cases = [(name, dtype, False) for name in names for dtype in gpu_checks.TOLERANCES]
    cases += [(name, dtype, True) for dtype in (torch.float32, torch.bfloat16) for name in names]
    numel = DRY_CHECKED if device.dry else CHECKED
    named = [
        (
            f"{name} {'compiled' if compiled else 'eager'} {dtype}",
            partial(gpu_checks.check, name, device, dtype, compiled=compiled, numel=numel),
        )
        for name, dtype, compiled in cases
    ]
    found = [check for check in clock.together(named, device.processes()) if check]
    rows = [{**asdict(check), "holds": check.holds} for check in found]
    cells = [
        [r["activation"], r["route"], r["dtype"], *(f"{r[k]:.2f}" for k in ("value", "slope", "parameters")),
         "pass" if r["holds"] else "FAIL"]
        for r in rows
    ]  # fmt: skip
    head = ["module", "route", "dtype", "value", "slope", "parameters", ""]
    print("\n## Against float64 (errors in units of their tolerance)\n\n" + table(head, cells), flush=True)
    return rows


def kernels(device: Device, clock: Clock) -> list[dict]:
    """Both dtypes at NUMEL elements."""
    rows: list[dict] = []
    dtypes = (torch.bfloat16,) if device.dry else (torch.bfloat16, torch.float32)
    numel = DRY_NUMEL if device.dry else NUMEL
    fill = [case for dtype in dtypes for case in gpu_kernels.compilations(device, dtype, numel)]
    clock.together(fill, device.processes(gib=2))
    for dtype in dtypes:
        torch._dynamo.reset()
        rows += gpu_kernels.measure(device, dtype, numel, clock.attempt)
    head = ["case", "route", "dtype", "fb ratio", "f ratio", "fb ms", "f ms", "fb floor", "f floor", "peak B/el"]
    cells = [
        [r["name"], r["route"], r["dtype"], r["both_ratio"], r["forward_ratio"], r["both_ms"], r["forward_ms"],
         r["both_floor"], r["forward_floor"], r["peak"]]
        for r in rows
    ]  # fmt: skip
    copies = ", ".join(f"{r['dtype']} {r['copy_gb_s']} GB/s" for r in rows if r["name"] == "copy")
    print(f"\n## Kernels, {DRY_NUMEL if device.dry else NUMEL:,} elements (copy: {copies})\n\n" + table(head, cells))
    return rows


def models(device: Device, clock: Clock) -> list[dict]:
    """GPT-2 and ConvNeXt-T, the families in turn."""
    names = gpu_models.activations(device)
    fill = [
        (f"compiling {task.name} with {name}", partial(gpu_models.compilation, task, name, device))
        for name in names
        for task in gpu_models.TASKS
    ]
    clock.together(fill, device.processes(gib=gpu_models.GIB))
    rows = [row for task in gpu_models.TASKS for row in gpu_models.measure(task, names, device, clock.attempt)]
    cells = [
        [r["model"], r["activation"], r["step_ms"], r["ratio"], r["peak_gib"], f"{r['per_second']:,} {r['unit']}/s",
         r["first_loss"], r["last_loss"]]
        for r in rows
    ]  # fmt: skip
    head = ["model", "activation", "step ms", "ratio to GELU", "peak GiB", "throughput", "loss, first", "last"]
    print("\n## One training step, bfloat16 autocast, compiled by blocks\n\n" + table(head, cells), flush=True)
    return rows


PARTS = {"checks": checks, "kernels": kernels, "models": models}


def main() -> int:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description="Correctness and speed on an NVIDIA GPU.")
    parser.add_argument("--dry", action="store_true", help="tiny and on the processor; measures nothing")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by comma: checks, kernels, models")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--out", type=Path, help="folder for gpu.json (default: none is written)")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not options.dry and not torch.cuda.is_available():
        print("no GPU that torch can use; --dry runs on the processor", file=sys.stderr)
        return 2
    for threads in ("OMP_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):  # in each of the processes side by side
        os.environ.setdefault(threads, "2")
    device, clock, results = Device(options.dry), Clock(options.minutes), {}
    for part, run in PARTS.items():
        if part in options.only.split(","):
            clock.part = part
            results[part] = run(device, clock)
            if options.out:  # after every part, lest a later one takes the process down
                about = {**provenance(extra=PACKAGES), **device.describe()}
                save(options.out / "gpu.json", {**about, "not_run": clock.skipped, "failed": clock.failed, **results})
    wrong = [r for r in results.get("checks", []) if not r["holds"]]
    print(f"\n{len(wrong)} checks do not hold, {len(clock.failed)} cases failed, {len(clock.skipped)} found no time.")
    for case in clock.failed:
        print(f"  failed: {case}")
    for case in clock.skipped:
        print(f"  not run: {case}")
    return 1 if wrong or clock.failed else 0


if __name__ == "__main__":
    sys.exit(main())
