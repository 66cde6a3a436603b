"""Lean files: few lines, the whole verification, the full file's numbers, and one error where they cannot be had."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from modules import module_of
from plain_numpy import EVERY_DEGREE
from thorough import thinned

from learnact import emit, load
from learnact.compiler.api import verify
from learnact.compiler.emit import header
from learnact.compiler.emit.check import check
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadExpression

LINES = 120  # of a cubic, header and blank lines included
MACHINERY = ("CHUNK", "_chunks", "_features", "Eager", "SCALES", "torch.mv")
AGREEMENT = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""Two orders of the same few dozen operations, relative to the largest number; half types round the answer."""

SPECS = [*(f"{name}:3" for name in EVERY_DEGREE), "sinusoid", "xielu", "rational:3", "polyrelu:3"]
EXPRESSIONS = {
    "Mix": ("a*tanh(b*x) + c*x*sigmoid(x)", ("a=1", "b=1", "c=0.5")),
    "Hinges": ("a*max(0, x, b*x - 1) + min(b*x, 1)", ("a=1/3", "b=2")),
    "Pieces": ("Piecewise((a*x, x < -1), (b*x**2, x <= 1), (exp(-a*x), True)) + abs(x)", ("a=1", "b=0.1")),
    "Kinks": ("a*max(x, 0)**3 + sign(x)*b + abs(b*x)", ("a=1", "b=0.1")),
}
VERIFIED = ("hermite:3", "fourier_free:3", "tropical:3", "rational:3", "xielu", *EXPRESSIONS)
"""A recurrence, sines, ties, a quotient, a range; the whole list takes half a minute more."""


def declared(name: str) -> Declaration:
    if name not in EXPRESSIONS:
        return Declaration(spec=name, lean=True)
    text, params = EXPRESSIONS[name]
    return Declaration(expr=text, params=params, name=name, lean=True)


@pytest.fixture(scope="module")
def lean_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("lean")
    return lambda name: folder / emit(declared(name), folder).filename


def test_a_cubic_fits_on_a_page(lean_file: Callable[[str], Path]) -> None:
    text = lean_file("hermite:3").read_text()
    assert len(text.splitlines()) <= LINES
    assert text.index("STARTS") < text.index("class Hermite3(") < text.index("def hermite3(") < text.index("class _H")


@pytest.mark.parametrize("name", thinned([*SPECS, *EXPRESSIONS], VERIFIED))
def test_a_lean_file_is_verified_as_a_full_one_is(name: str, lean_file: Callable[[str], Path]) -> None:
    path = lean_file(name)
    text = path.read_text()
    assert not [word for word in MACHINERY if word in text]
    assert len(text.splitlines()) < len(emit(declared(name), lean=False).text.splitlines())
    report = verify(path, quick=True)
    assert report.ok, report.table()


@pytest.mark.parametrize("spec", ["hermite:2", "tropical:2"])
def test_a_lean_file_is_verified_compiled(spec: str, lean_file: Callable[[str], Path]) -> None:
    report = verify(lean_file(spec))
    assert report.ok, report.table()
    assert "compile" in {c.name for c in report.checks}


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("dtype", AGREEMENT, ids=str)
@pytest.mark.parametrize("name", [*SPECS, "Pieces"])
def test_lean_and_full_agree(name: str, dtype: torch.dtype, channels: int, lean_file: Callable[[str], Path]) -> None:
    full = load(Declaration(**{**vars(declared(name)), "lean": False}))
    lean = load(declared(name))
    assert lean is not full
    x, grad = torch.randn(7, 5).to(dtype), torch.randn(7, 5).to(dtype)
    runs = []
    for cls in (full, lean):
        act, leaf = cls(channels, dtype=dtype), x.clone().requires_grad_()
        out = act(leaf)
        runs.append([out, *torch.autograd.grad(out, [leaf, *act.parameters()], grad)])
    for a, b in zip(*runs, strict=True):
        assert a.dtype == b.dtype == dtype
        assert (a - b).abs().max() <= AGREEMENT[dtype] * (1 + a.abs().max())


MUTANTS = {
    "sign in the backward": ("slope_fp64", "slope = a1 + a2 * x", "slope = a1 - a2 * x"),
    "term dropped": ("value_fp64", " + a3 * h3)", ")"),
    "no upcast": ("value_bf16", "x.to(coefficients.dtype)", "x"),
    "start value": (
        "starts",
        "(0.5773502691896257, 0.6324555320336759, -",
        "(0.5773502691896257, 0.6324565320336759, -",
    ),
    "axis of channels": ("channels", "d == channel_dim % x.dim()", "d == x.dim() - 1"),
    "no tangents": (
        "forward_mode",
        "return _Hermite3.forward(x, coefficients)",
        "return _Hermite3.apply(x, coefficients)",
    ),
    "jagged values": ("jagged", "x.is_nested or not", "not"),
}


@pytest.mark.parametrize("name", thinned(MUTANTS, ("sign in the backward", "axis of channels", "jagged values")))
def test_a_planted_fault_is_rejected(name: str, lean_file: Callable[[str], Path], tmp_path: Path) -> None:
    check_name, old, new = MUTANTS[name]
    text = lean_file("hermite:3").read_text()
    assert old in text
    path = tmp_path / "hermite3.py"
    path.write_text(text.replace(old, new))
    failed = verify(path, quick=True).failed
    assert {"header", check_name} <= set(failed)


@pytest.mark.parametrize("backend", ["triton", "both"])
def test_kernels_are_refused(backend: str) -> None:
    with pytest.raises(BadExpression, match=f"either --lean or --backend {backend}"):
        emit("hermite:3", lean=True, backend=backend)
    with pytest.raises(BadExpression, match="either --lean"):
        Declaration.read(f"hermite:3 --backend {backend} --lean")


def test_the_header_declares_it(lean_file: Callable[[str], Path], tmp_path: Path) -> None:
    for name in ("hermite:3", "Hinges"):
        text = lean_file(name).read_text()
        read = header.parse(text)
        assert read is not None
        assert read.arguments.endswith(" --lean")
        again = Declaration.read(read.arguments)
        assert again == declared(name)
        assert emit(again).text == text
    emit("hermite:3", tmp_path, lean=True)
    assert check(tmp_path) == []
    path = tmp_path / "hermite3.py"
    path.write_text(path.read_text().replace("hermite3: expected", "hermite3: wanted"))
    (difference,) = check(tmp_path)
    assert difference.verdict == "hand-edited"
    assert "hermite:3 --lean --out" in difference.mend
    with pytest.raises(BadExpression, match="2 times --lean"):
        Declaration.read("hermite:3 --lean --lean")


def test_all_starts_are_there_with_their_moments(lean_file: Callable[[str], Path]) -> None:
    for spec in ("hermite:8", "tropical_rational:3", "sinusoid"):
        lean, full = module_of(lean_file(spec)), load(spec)
        cls = getattr(lean, resolve(spec).names.cls)
        assert cls.starts == full.starts
        for start in cls.starts:
            assert cls(init=start).state_dict().keys() == full(init=start).state_dict().keys()
            assert cls.moments[start] == pytest.approx(full.moments[start], rel=1e-10, abs=1e-15)


def test_a_wrong_input_is_refused_in_one_line(lean_file: Callable[[str], Path]) -> None:
    module = module_of(lean_file("hermite:3"))
    with pytest.raises(
        TypeError, match=re.escape("hermite3: x must be a dense floating-point tensor, found torch.int64")
    ):
        module.Hermite3()(torch.arange(3))
    with pytest.raises(ValueError, match=re.escape("expected 4 channels along dimension 1, found [2, 5]")):
        module.Hermite3(4, channel_dim=1)(torch.zeros(2, 5))
