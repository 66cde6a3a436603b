"""How long the first compiled step takes: forward and backward in a fresh process with an empty compiler cache.

    python -m benchmarks.coldstart                        # three times each, in turn; some minutes
    python -m benchmarks.coldstart --only hermite:5 --times 1

Measured in the child process around the first step alone: imports and the making of the module are not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tables import provenance, save, table

CASES = "GELU hermite:3 hermite:5 hermite:8 fourier:6 tropical:6".split()
TIMES = 3


def child(name: str) -> float:
    """Seconds of the first compiled step in this process."""
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    from benchmarks.timing import own_code  # noqa: PLC0415
    from learnact import load  # noqa: PLC0415

    torch.set_num_threads(1)
    module = nn.GELU() if name == "GELU" else load(name)()
    x = torch.randn(64, 3072, requires_grad=True)
    function = torch.compile(own_code(module), fullgraph=True)
    begin = time.perf_counter()
    function(x).sum().backward()
    return time.perf_counter() - begin


def fresh(name: str) -> float:
    """The same in a new process whose compiler cache is empty. Raises CalledProcessError with what it printed."""
    with tempfile.TemporaryDirectory(prefix="coldstart-") as cache:
        command = [sys.executable, "-m", "benchmarks.coldstart", "--child", name]
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
        run = subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE)
    return float(json.loads(run.stdout.splitlines()[-1]))


def main() -> int:
    """Print and, if asked, write the table."""
    parser = argparse.ArgumentParser(description="Seconds of the first compiled forward and backward.")
    parser.add_argument("--only", default=",".join(CASES), help="GELU or SPECs, by comma")
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--out", type=Path, help="folder for coldstart.json and coldstart.md (default: none)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child)))
        return 0
    names = list(dict.fromkeys(["GELU", *options.only.split(",")]))
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.times):
        for name in names:
            seconds[name].append(fresh(name))
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    rows = []
    for name, taken in seconds.items():
        ratio = statistics.median(t / g for t, g in zip(taken, seconds["GELU"], strict=True))
        rows.append({"name": name, "seconds": round(statistics.median(taken), 2), "ratio": round(ratio, 2)})
    text = table(["activation", "first step, s", "ratio to GELU"], [list(r.values()) for r in rows])
    print(text)
    if options.out:
        save(options.out / "coldstart.json", {**provenance(), "times": options.times, "rows": rows})
        page = f"# First compiled step\n\n{INTRODUCTION}\n\n{text}\n"
        (options.out / "coldstart.md").write_text(page)
    return 0


INTRODUCTION = """\
Written by `python -m benchmarks.coldstart --out benchmarks/results`: forward and backward of a compiled activation for
the first time, each in a fresh process with an empty compiler cache; medians, and ratios within a round."""


if __name__ == "__main__":
    sys.exit(main())
