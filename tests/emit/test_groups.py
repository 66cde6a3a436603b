"""Groups: neighbouring channels share parameters, in every mode, and the referee sees when they share others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify import verify
from learnact.generated.hermite3 import Hermite3, hermite3
from learnact.training.errors import BadModel
from learnact.training.model.channels import swap_per_channel

SHAPES = {"channels last": ((3, 4, 6), -1), "channels first": ((3, 6, 2, 2), 1)}


@pytest.mark.parametrize("layout", SHAPES)
def test_a_group_is_its_channels_side_by_side(layout: str) -> None:
    """Against one module per channel, gradients added up, in eager mode and in the traced graph."""
    shape, dim = SHAPES[layout]
    module = Hermite3(6, groups=3, channel_dim=dim, dtype=torch.float64)
    assert {n: tuple(t.shape) for n, t in module.state_dict().items()} == {"coefficients": (4, 3)}
    with torch.no_grad():
        module.coefficients.add_(torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    x, g = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaf = x.requires_grad_()
    traced = torch.compile(module, backend="aot_eager", fullgraph=True)
    columns = [module.coefficients.detach()[:, k // 2].clone().requires_grad_() for k in range(6)]
    alone = torch.stack([hermite3(leaf.select(dim, k), columns[k]) for k in range(6)], dim)
    slope, *each = torch.autograd.grad(alone, [leaf, *columns], g)
    summed = torch.stack([each[2 * k] + each[2 * k + 1] for k in range(3)], 1)
    for call in (module, traced):
        out = call(leaf)
        found = torch.autograd.grad(out, [leaf, module.coefficients], g)
        for mine, due in zip((out, *found), (alone, slope, summed), strict=True):
            torch.testing.assert_close(mine, due, rtol=1e-12, atol=1e-12)


MUTANTS = {
    "": ("", ""),
    "channels of a group apart": ("p.repeat_interleave(repeats, 1)", "p.repeat(1, repeats)"),
    "groups in reverse": ("p.repeat_interleave(repeats, 1)", "p.flip(1).repeat_interleave(repeats, 1)"),
    "another group's gradient": ("p.repeat_interleave(repeats, 1)",
                                 "(p + (p - p.detach()).flip(1)).repeat_interleave(repeats, 1)"),
    "a parameter for each channel": ("else (self.groups,)", "else (num_parameters,)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_the_referee_sees_other_groups(name: str, emitted_file: Callable[[str], Path], tmp_path: Path) -> None:
    old, new = MUTANTS[name]
    text = emitted_file("hermite:3").read_text()
    assert old in text
    (tmp_path / "hermite3.py").write_text(text.replace(old, new) if name else text)
    report = verify(resolve("hermite:3"), tmp_path / "hermite3.py", quick=True, only=["channels"])
    assert ("channels" in report.failed) == bool(name), report.table()


@pytest.mark.parametrize("groups", [0, 4, 2.0, -3])
def test_groups_divide_the_channels(groups: object) -> None:
    with pytest.raises(ValueError, match=f"groups must divide 6 channels, found {groups}"):
        Hermite3(6, groups=groups)


def test_swap_per_channel_takes_groups() -> None:
    model, x = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 9), nn.GELU()), torch.randn(2, 4)
    (place, _) = swap_per_channel(model, "hermite:3", x, groups=3)
    assert place.new.coefficients.shape == (4, 3)
    assert "groups=3" in repr(place.new)
    with pytest.raises(BadModel, match="groups must divide the 9 channels of 3, found 2"):
        swap_per_channel(
            nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 9), nn.GELU()), "hermite:3", x, groups=2
        )
