"""Activations on a grid: the emitted file against NumPy, at the edges of its domain, and planted faults in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_numpy import shape
from test_mutants import stamped

from learnact.compiler.declare.symbols import x
from learnact.compiler.emit import emit, write
from learnact.compiler.resolve.registry import family, resolve
from learnact.compiler.verify import verify
from learnact.compiler.verify.load import executed
from learnact.errors import BadDeclaration, BadExpression
from learnact.generated import Pwlu16

SPECS = ("pwlu:4", "pwlu:5", "bspline:3", "bspline:4")
NODES = np.linspace(-3, 3, 5)
FAR = [1e-12, -1e-12, 1e6, -1e6]
POINTS = np.concatenate([NODES, np.nextafter(NODES, 9), NODES - 1e-9, np.linspace(-7, 7, 61), FAR])


def written(spec: str, folder: Path, *, lean: bool = False) -> Path:
    """The emitted file, without fits: they take seconds and have tests of their own."""
    activation = resolve(spec)
    plain = replace(activation, family=replace(activation.family, fit=None))
    return write(emit(plain, lean=lean), folder, force=True)


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("spec", SPECS)
def test_values_and_gradients_are_those_of_numpy(spec: str, lean: bool, tmp_path: Path) -> None:
    """Gradients of parameters against central differences in NumPy, which hold at kinks too: F is linear in them."""
    rng = np.random.default_rng(3)
    activation = resolve(spec)
    values = {v.name: rng.normal(size=len(v.symbols)) for v in activation.parameters} | {"log_stretch": np.zeros(1)}
    grad = rng.normal(size=POINTS.shape)
    with executed(written(spec, tmp_path, lean=lean)) as module:
        at = torch.tensor(POINTS, requires_grad=True)
        parameters = [torch.tensor(v, requires_grad=True) for v in values.values()]
        out = getattr(module, activation.names.slug)(at, *parameters)
        out.backward(torch.tensor(grad))
    size = 1 + np.abs(POINTS)
    assert (np.abs(out.detach().numpy() - shape(spec, values).value(POINTS)) <= 1e-13 * size).all()
    smooth = np.abs(POINTS[:, None] - shape(spec, values).breaks).min(1) > 1e-7
    slope = grad * shape(spec, values).slope(POINTS)
    assert np.abs(at.grad.numpy() - slope)[smooth].max() <= 1e-13
    for (name, value), parameter in zip(values.items(), parameters, strict=True):
        for k in range(len(value)) if name != "log_stretch" else ():
            unit = np.eye(len(value))[k]
            high, low = (shape(spec, values | {name: value + side * unit}).value(POINTS) for side in (1, -1))
            assert abs(parameter.grad[k].item() - (grad * (high - low)).sum() / 2) <= 1e-13 * (grad * size).std() * 99


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("spec", ["pwlu:3", "bspline:2"])
def test_no_input_leaves_the_table(spec: str, lean: bool, tmp_path: Path) -> None:
    """NaN stays where it is, and neither it nor an infinity is an index."""
    with executed(written(spec, tmp_path, lean=lean)) as module:
        act = getattr(module, resolve(spec).names.cls)()
        for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
            at = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e4, -1e4, 0.5], dtype=dtype, requires_grad=True)
            y = act(at)
            y.sum().backward()
            assert y[0].isnan()
            assert torch.stack([y[3:], at.grad[3:]]).isfinite().all()
        for empty in (torch.empty(0), torch.empty(3, 0, 2), torch.tensor(0.3)):
            leaf = empty.requires_grad_()
            act(leaf).sum().backward()
            assert leaf.grad.shape == empty.shape


FAULTS = {
    "the end of the last cell": ("large_x", ".clamp(FIRST, LAST)\n", ".clamp(FIRST, LAST - 1.0)\n", "pwlu:2", False),
    "index off by one": ("shapes", "torch.ceil(place) + 1.0", "torch.ceil(place) + 2.0", "pwlu:2", False),
    "t from the floor": ("value_fp64", "torch.ceil(place) - 1.0", "torch.floor(place)", "pwlu:2", False),
    "no slope on the right": ("large_x", "(left, right)]", "(left, left)]", "pwlu:2", False),
    "tangent of the wrong end": ("large_x", "zip(LEFT, RIGHT,", "zip(LEFT, LEFT,", "bspline:2", False),
    "a neighbour's gradient": ("shapes", "of_power[1:-1]", "of_power[:-2]", "pwlu:2", False),
    "no gradient from outside": ("large_x", "    total[-1] += sums[0, -1]\n", "", "pwlu:2", False),
    "NaN as an index": ("nan", ".to(torch.int32).clamp(min=0)", ".to(torch.int32)", "pwlu:2", False),
    "chosen too late": ("shapes", "row[k + 1]", "row[k]", "pwlu:2", True),
    "the bump of a neighbour": ("shapes", "(FIRST + k - 1)", "(FIRST + k)", "bspline:2", True),
    "channels in the wrong order": ("channels", "cell * channels + ", "cell + (CELLS + 2) * ", "pwlu:2", False),
}
"""Check, text, what replaces it, spec, whether in a lean file, which chooses as compiled code does."""


def test_results_and_gradients_are_in_memory_as_the_input_is() -> None:
    act = Pwlu16(3, channel_dim=1)
    at = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    out = act(at)
    (grad,) = torch.autograd.grad(out, at, torch.ones_like(out))
    assert out.stride() == grad.stride() == at.stride()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, tmp_path: Path) -> None:
    check, old, new, spec, lean = FAULTS[name]
    path = written(spec, tmp_path, lean=lean)
    text = path.read_text()
    assert old in text
    path.write_text(stamped(text.replace(old, new)))
    assert check in verify(resolve(spec), path, only=[check]).failed


def test_what_is_no_grid_is_refused_in_one_line() -> None:
    pwlu = family("pwlu")
    few = replace(pwlu, grid=replace(pwlu.grid, cells=lambda n: 1))
    with pytest.raises(BadDeclaration, match="at least 2 cells, found 1"):
        _ = few.at(2).grid
    falling = replace(pwlu, grid=replace(pwlu.grid, argument=lambda p, n: p.left * x))
    with pytest.raises(BadDeclaration, match="Positive"):
        _ = falling.at(2).grid
    short = replace(pwlu, grid=replace(pwlu.grid, vector="left"))
    with pytest.raises(BadDeclaration, match="'left' as the last parameter, with 3 entries; found 'heights' with 3"):
        _ = short.at(2).grid
    with pytest.raises(BadExpression, match="leave out --backend both"):
        emit(resolve("pwlu:2"), backend="both")
