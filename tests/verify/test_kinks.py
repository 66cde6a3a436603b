"""The slope at a kink: the limit from the left in every mode and order of terms; files that break the rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from modules import module_of
from thorough import thinned
from torch import Tensor

from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit import emit, write
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.verify import verify
from learnact.generated import TropicalRational6

VALUES = {"a": "0.25", "b": "2"}
PRELU = "Max(0, x) + a*Min(0, x)"
KINKS: dict[str, tuple[float, float, float, list[float]]] = {
    PRELU: (0.0, 0.25, 1.0, [0.0]),
    "a*Min(x, 0) + Max(x, 0)": (0.0, 0.25, 1.0, [0.0]),
    "-Min(-x, 0) - a*Max(-x, 0)": (0.0, 0.25, 1.0, [0.0]),
    "Max(a*x, x)": (0.0, 0.25, 1.0, [0.0]),
    "Piecewise((a*x, x < 0), (x, True))": (0.0, 0.25, 1.0, [0.0]),
    "Piecewise((x, x > 0), (a*x, True))": (0.0, 0.25, 1.0, [0.0]),
    "a*x + (1 - a)*x*Heaviside(x)": (0.0, 0.25, 1.0, [0.0]),
    "Max(0, x) + Min(0, a*(exp(x/a) - 1))": (0.0, 1.0, 1.0, [0.0]),
    "a*sign(x)*log(1 + abs(x))": (0.0, 0.25, 0.25, [0.0]),
    "a*x*abs(x) + b*x": (0.0, 2.0, 2.0, [0.0, 0.0]),
    "a*abs(x)": (0.0, -0.25, 0.25, [0.0]),
    "a*Max(-x, 0, x)": (0.0, -0.25, 0.25, [0.0]),
    "a*Max(0, x - 1) + b*Min(x, 1)": (1.0, 2.0, 0.25, [0.0, 1.0]),
    "a*abs(sin(b*x))": (0.0, -0.5, 0.5, [0.0, 0.0]),
    "Max(b + 2*x, x + 2*a + 1.5)": (0.0, 1.0, 2.0, [2.0, 0.0]),
    "a*Max(0, Min(x, 1)) + b*x": (1.0, 2.25, 2.0, [1.0, 1.0]),
    "a*(x - 1)*floor(x) + b*x": (1.0, 2.0, 2.25, [0.0, 1.0]),
    "a*Max(-x, 0)**(b - 1) + x": (0.0, 0.75, 1.0, [0.0, 0.0]),
    "Piecewise((a*x, b*x*x < 2), (b*(x - 1) + a, True))": (1.0, 0.25, 2.0, [1.0, 0.0]),
}
"""Where, the slopes to the left and to the right, the derivatives by the parameters to the left."""

TWICE = (
    PRELU,
    "Piecewise((a*x, x < 0), (x, True))",
    "a*sign(x)*log(1 + abs(x))",
    "a*Max(0, x - 1) + b*Min(x, 1)",
    "a*(x - 1)*floor(x) + b*x",
    "a*Max(-x, 0)**(b - 1) + x",
)
"""One of each kind: a maximum, cases, a sign, two kinks, a step, a power."""

Module = torch.nn.Module


def declared(text: str) -> Activation:
    return from_expression(text, {k: v for k, v in VALUES.items() if re.search(rf"\b{k}\b", text)}, "Kinked")


def written(text: str, folder: Path, *, lean: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    return write(emit(declared(text), lean=lean), folder)


def module(path: Path, dtype: torch.dtype = torch.float64) -> Module:
    return module_of(path).Kinked(init="declared", dtype=dtype)


def gradients(act: Callable[[Tensor], Tensor], x: Tensor, *parameters: Tensor) -> list[float]:
    """The slope at every element, which must be one, and the mean gradients of the parameters."""
    x = x.clone().requires_grad_()
    slope, *others = torch.autograd.grad(act(x).sum(), [x, *parameters])
    assert (slope == slope.flatten()[0]).all()
    return [float(slope.flatten()[0]), *(float(g.sum()) / x.numel() for g in others)]


MODES = [(lean, text) for lean in (False, True) for text in KINKS]


@pytest.mark.parametrize(("lean", "text"), thinned(MODES, [m for m in MODES if not m[0] or m[1] in TWICE]))
def test_at_a_kink_every_mode_takes_the_limit_from_the_left(text: str, lean: bool, tmp_path: Path) -> None:
    at, left, right, partials = KINKS[text]
    path = written(text, tmp_path / "kinked", lean=lean)
    for dtype, near in ((torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        act = module(path, torch.promote_types(dtype, torch.float32))
        compiled = torch.compile(act, backend="eager", dynamic=False)
        for mode in (act, compiled):
            torch._dynamo.reset()
            for shape in ((3,), (2, 300)) if dtype != torch.bfloat16 else ((3,),):
                found = gradients(mode, torch.full(shape, at, dtype=dtype), *act.parameters())
                assert found == pytest.approx([left, *partials], rel=near, abs=near)
    act, step = module(path), 1e-6
    x = torch.tensor([at - step, at, at + step], dtype=torch.float64)
    value, tangent = torch.func.jvp(act, (x,), (torch.ones_like(x),))
    assert torch.equal(value, act(x))
    assert tangent[1].item() == pytest.approx(left, rel=1e-12)
    differences = (value.diff() / step).tolist()
    assert differences == pytest.approx([left, right], abs=1e-4)  # what this table says of both sides


@pytest.mark.parametrize("text", thinned(KINKS, TWICE))
def test_the_referee_accepts_the_rule(text: str, tmp_path: Path) -> None:
    report = verify(declared(text), written(text, tmp_path), quick=True)
    assert report.ok, report.table()


FAULTS = {
    "each tie for itself, for the constant": (
        PRELU,
        [("torch.minimum, x, x, 0.0)", "torch.minimum, x, 0.0, x)"), ("winner1_is[0]", "winner1_is[1]")],
        {"slope_fp64", "slope_fp32", "kinks", "ties", "traced"},
    ),
    "the limit from the right": (
        "Piecewise((a*x, x < 0), (x, True))",
        [("x <= 0.0", "x < 0.0")],
        {"slope_fp64", "ties", "traced"},
    ),
    "no sign at 0": (
        "a*sign(x)*log(1 + abs(x))",
        [("2.0 * (x > 0.0).to(x.dtype) - 1.0", "torch.sign(x)")],
        {"slope_fp64", "kinks"},
    ),
    "between no two slopes, where rounding decides": (
        "Max(0, x) + Min(0, a*(exp(x/a) - 1))",
        [("torch.minimum, x, part2, 0.0)", "torch.minimum, x, 0.0, part2)"), ("winner1_is[0]", "winner1_is[1]")],
        {"kinks"},
    ),
    "the wrong one of two unknown slopes": ("Max(a*x, b*x)", [("(rise < fall)", "(rise > fall)")], {"slope_fp64"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_breaks_the_rule_is_rejected(name: str, tmp_path: Path) -> None:
    text, edits, checks = FAULTS[name]
    path = written(text, tmp_path)
    source = path.read_text()
    for old, new in edits:
        assert old in source
        source = source.replace(old, new)
    body = "".join(line for line in source.splitlines(keepends=True) if not line.startswith("#"))
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    path.write_text(re.sub(r"(body\s+sha256:)[0-9a-f]{16}", rf"\g<1>{digest}", source, count=1))
    assert checks <= set(verify(declared(text), path, quick=True).failed)


def test_a_layer_behind_zero_weights_learns(tmp_path: Path) -> None:
    act = module(written(PRELU, tmp_path), torch.float32)
    layer = torch.nn.Linear(3, 2)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    act(layer(torch.ones(4, 3))).sum().backward()
    assert layer.weight.grad is not None
    assert (layer.weight.grad == 1.0).all()  # 4 * 0.25


def test_rational_tropical_ties_are_decided_by_learned_slopes() -> None:
    """Whatever the order of the pieces: of two that tie, the one of smaller slope leads to the left."""
    act = TropicalRational6(dtype=torch.float64)
    slopes = torch.tensor([2.0, -1.0, 0.5, 3.0, 1.0, -0.25, 0.0], dtype=torch.float64)
    with torch.no_grad():
        act.numerator_slopes.copy_(slopes)
        act.numerator_offsets.zero_()
        act.denominator_slopes.copy_(slopes.flip(0) / 2)
        act.denominator_offsets.zero_()
    found = gradients(act, torch.zeros(1, dtype=torch.float64))
    assert found == [-1.0 + 0.5]
    (sums,) = torch.autograd.grad(act(torch.zeros(3, dtype=torch.float64)).sum(), act.numerator_offsets)
    assert sums.tolist() == [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
