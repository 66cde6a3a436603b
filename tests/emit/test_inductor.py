"""What Inductor makes of emitted code on a CPU: one pass over the data each way, and sums that stay in registers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch._inductor.utils import run_and_get_code

ROWS, ROW = 96, 320  # long enough to be summed row by row, and in all longer than any sum without a cascade
EMITTED = Callable[[str], type[torch.nn.Module]]


def passes(code: str) -> int:
    """Loops over all elements, flat or along a row."""
    return sum(code.count(f"<static_cast<int64_t>({n}L); {x}+=") for x, n in (("x0", ROWS * ROW), ("x1", ROW)))


def compiled(act: torch.nn.Module, shape: tuple[int, ...]) -> list[str]:
    """Inductor's code for forward and backward."""
    torch._dynamo.reset()
    x = torch.randn(shape, requires_grad=True)
    call = torch.compile(act, fullgraph=True, dynamic=False)
    with torch._inductor.config.patch(fx_graph_cache=False):
        _, codes = run_and_get_code(lambda: torch.autograd.grad(call(x).sum(), [x, *act.parameters()]))
    return codes


class Neighbours(torch.nn.Module):
    """LayerNorm and a bias before, a scale after."""

    def __init__(self, act: torch.nn.Module) -> None:
        super().__init__()
        self.norm, self.act = torch.nn.LayerNorm(ROW), act
        self.bias, self.scale = (torch.nn.Parameter(torch.randn(ROW)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.norm(x) + self.bias) * self.scale


WITH_NEIGHBOURS = {"hermite:5": (3, 3), "fourier:3": (5, 3), "tropical:3": (3, 3)}
"""Passes forward and backward between neighbours, where GELU takes 3 and 2: more of them is a step back."""


@pytest.mark.parametrize("spec", WITH_NEIGHBOURS)
def test_neighbours_cost_no_more_passes_than_they_did(spec: str, emitted: EMITTED) -> None:
    found = [passes(code) for code in compiled(Neighbours(emitted(spec)()), (ROWS, ROW))]
    assert all(a <= b for a, b in zip(found, WITH_NEIGHBOURS[spec], strict=True)), found


@pytest.mark.parametrize("spec", ["hermite:5", "fourier:3", "tropical:3"])
def test_each_way_is_one_pass_and_sums_stay_in_registers(spec: str, emitted: EMITTED) -> None:
    forward, backward = compiled(emitted(spec)(), (ROWS, ROW))
    assert (passes(forward), passes(backward)) == (1, 1)
    assert "cascade_sum" not in backward


def test_flat_sums_carry_a_cascade(emitted: EMITTED) -> None:
    """Else the test above would prove nothing."""
    _, backward = compiled(emitted("hermite:5")(), (ROWS * ROW,))
    assert "cascade_sum" in backward
