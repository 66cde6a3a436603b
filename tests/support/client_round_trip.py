"""What every client goes through: swap, calibrate, two steps of training, save, load in a fresh process, compare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from learnact import calibrate, parameter_groups, swap

SPEC = "hermite:3"


def trained(model: nn.Module, batch: Any, loss: Callable[[], Tensor], activation: Any = SPEC) -> list[str]:
    """Swap with proof, calibrate, take two steps of AdamW; the paths. Every activation must have learned."""
    swapping = swap(model, activation, run=batch)
    calibrate(swapping, batch, "balanced")
    before = {s.path: [p.detach().clone() for p in s.new.parameters()] for s in swapping}
    optimizer = torch.optim.AdamW(parameter_groups(model.train(), lr=1e-3, weight_decay=0.1))
    for _ in range(2):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    model.eval()
    for s in swapping:
        moved = [not p.equal(b) for p, b in zip(s.new.parameters(), before[s.path], strict=True)]
        assert all(moved), f"{s.path} did not learn"
    return [s.path for s in swapping]


def first_tensor(output: Any) -> Tensor:
    """The first tensor of an output: itself, or the first field of a mapping."""
    if isinstance(output, Tensor):
        return output.detach().contiguous()
    return next(v for v in output.values() if isinstance(v, Tensor) and v.dim() > 0).detach().contiguous()


def output(model: nn.Module, batch: Mapping[str, Any] | Tensor) -> Tensor:
    """What the model computes for a batch, in evaluation mode."""
    with torch.no_grad():
        return first_tensor(model.eval()(batch) if isinstance(batch, Tensor) else model.eval()(**batch))


def fresh(code: str, *arguments: object) -> None:
    """Run Python code in a process of its own, with `sys.argv[1:]` as given; its errors become this one's."""
    here = str(Path(__file__).parent)
    text = f"import sys; sys.path.insert(0, {here!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def keep(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors for `kept`."""
    save_file({name: t.clone() for name, t in tensors.items()}, path)


def kept(path: Path) -> dict[str, Tensor]:
    """Tensors that another process wrote."""
    return dict(load_file(path))
