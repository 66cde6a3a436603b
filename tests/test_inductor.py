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


@pytest.mark.parametrize("spec", ["hermite:5", "fourier:3", "tropical:3"])
def test_each_way_is_one_pass_and_sums_stay_in_registers(spec: str, emitted: EMITTED) -> None:
    forward, backward = compiled(emitted(spec)(), (ROWS, ROW))
    assert (passes(forward), passes(backward)) == (1, 1)
    assert "cascade_sum" not in backward


def test_flat_sums_carry_a_cascade(emitted: EMITTED) -> None:
    """Else the test above would prove nothing."""
    _, backward = compiled(emitted("hermite:5")(), (ROWS * ROW,))
    assert "cascade_sum" in backward
