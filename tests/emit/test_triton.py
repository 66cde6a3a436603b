"""The Triton kernels of emitted files, run by Triton's interpreter on the CPU and held against double precision.

The interpreter runs the kernels' own source, program by program; how they are compiled for sm_90 is the last test's.
It differs from a GPU in one thing that matters: it cuts a number to bfloat16 where a GPU rounds.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from modules import module_of
from torch import Tensor

from learnact import emit
from learnact.compiler.derive import Derivation, Moments, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.emit import Source
from learnact.compiler.emit import emit as emit_activation
from learnact.compiler.emit.check import check
from learnact.compiler.emit.header import read
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify import verify

triton = pytest.importorskip("triton", reason="triton is not installed: its interpreter runs the kernels")
interpreter = pytest.importorskip("triton.runtime.interpreter")

pytestmark = pytest.mark.skipif(
    not triton.knobs.runtime.interpret, reason="TRITON_INTERPRET=1 was not set before triton was imported"
)

DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
ROUNDING = {"fp64": 2**-53, "fp32": 2**-24, "fp16": 2**-11, "bf16": 2**-8}
"""Relative error of one rounding; of bf16 that of one cut, which is how the interpreter makes it."""

OPERATIONS = 32
"""Roundings that a value or a slope may collect, on the scale of the largest; no start here has terms beyond it."""

SUMMED = 64
"""Roundings that a sum of a few thousand products may collect in the wide type, on the scale of the largest sum."""

WIDE = {"fp64": "fp64", "fp32": "fp32", "fp16": "fp32", "bf16": "fp32"}

TRIG = 3e-7
"""Error of a sine or cosine by the kernels' own range reduction: polynomial 1e-7, three roundings of it 1.8e-7."""

SPECS = ("hermite:3", "fourier:3", "fourier_free:2", "sinusoid", "tropical:3", "tropical_rational:2", "legendre:4")

EVERYTHING = Declaration(
    expr="a*tanh(b*x) + b*log(1 + exp(a*x)) + a*sign(x)*erf(x) + max(min(b*x, 1), x**7/1000) + abs(x)**1.5",
    params=("a=0.7", "b=1.3"),
    name="Everything",
)

FURTHER = Declaration(
    expr="a*expm1(x/4) + atan(b*x) + asinh(x)*erfc(x) + tan(tanh(x)) + sinh(x/4)*cosh(b*x/4)"
    " + Max(x, 0)**(1 + b) + (log1p(x**2) if -1 < x <= b else x*floor(x))",
    params=("a=0.7", "b=1.3"),
    name="Further",
)

REFEREED = (
    "value_fp64 slope_fp64 parameter_gradients_fp64 kinks ties gradcheck gradgradcheck forward_mode vmap"
    " per_sample_gradients shapes channels frozen_parts purity nan"
).split()


@dataclass(frozen=True)
class Kernels:
    """An emitted module whose kernels serve CPU tensors."""

    module: ModuleType
    cls: type[torch.nn.Module]

    def run(self, act: torch.nn.Module, x: Tensor, grad: Tensor, *, kernels: bool = True) -> list[Tensor]:
        """Value, gradient of x, gradients of the parameters; by the torch ops if not by the kernels."""
        route = "Triton" if kernels else "Eager"
        self.module._route = lambda _: getattr(self.module, f"_{self.cls.__name__}{route}")
        x = x.detach().requires_grad_()
        y = act(x)
        return [y.detach(), *torch.autograd.grad(y, [x, *act.parameters()], grad)]

    def errors(self, x: Tensor, grad: Tensor, **options: Any) -> list[float]:
        """Largest error of each against the torch ops in double, over the largest number that is right."""
        act = self.cls(**options, dtype=torch.promote_types(x.dtype, torch.float32))
        exact = self.cls(**options, dtype=torch.float64)
        with torch.no_grad():
            for p, q in zip(act.parameters(), exact.parameters(), strict=True):
                q.copy_(p.mul_(1 + 0.1 * torch.rand_like(p)))
        found = self.run(act, x, grad)
        right = self.run(exact, x.double(), grad.double(), kernels=False)
        assert [f.shape for f in found] == [r.shape for r in right]
        assert [f.dtype for f in found] == [x.dtype, x.dtype, *(p.dtype for p in act.parameters())]
        pairs = zip(found, right, strict=True)
        return [
            ((f.double() - r).abs().max() / r.abs().max().clamp(min=1e-300)).item() if r.numel() else 0.0
            for f, r in pairs
        ]

    def holds(self, x: Tensor, grad: Tensor, dtype: str, **options: Any) -> None:
        """Check value, slope and sums against the bounds of the dtype."""
        value, slope, *sums = self.errors(x, grad, **options)
        wide = SUMMED * ROUNDING[WIDE[dtype]]
        assert max(value, slope) <= 2 * ROUNDING[dtype] + OPERATIONS * ROUNDING[WIDE[dtype]]
        assert max(sums) <= wide


def underived(target: Declaration) -> Source:
    """The file without moments, which take long of so many functions and are others' to test."""
    activation, unknown = target.activation(), Quantity(sp.S.Zero)
    values = activation.start("declared").values(None, activation.family.law)
    moments = Moments(unknown, unknown, unknown, unknown)
    start = StartDerivation("declared", "as declared", {p: (v,) for p, v in values.items()}, True, moments)
    return emit_activation(activation, Derivation(activation, activation.family.law, (start,)), backend="triton")


CUDA = "if x.is_cuda and "


def on_cpu(text: str) -> str:
    """The emitted file with its kernels serving every tensor."""
    assert text.count(CUDA) == 1
    return text.replace(CUDA, "if ")


def stand_ins() -> SimpleNamespace:
    """What the kernels call of CUDA's libdevice, which the interpreter cannot: NumPy's."""

    def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*tiles: Any) -> Any:
            data = function(*(t.handle.data if hasattr(t, "handle") else t for t in tiles))
            first = tiles[0]
            return triton.language.tensor(interpreter.TensorHandle(data, first.dtype.scalar), first.type)

        return call

    numpy = "tanh log1p expm1 tan sinh cosh".split()
    others = {
        "pow": np.power,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "erfc": lambda u: np.vectorize(math.erfc, otypes=[float])(u).astype(u.dtype),
    }
    return SimpleNamespace(**{n: lifted(f) for n, f in ({n: getattr(np, n) for n in numpy} | others).items()})


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Kernels]:
    """A spec or declaration, and an edit of the file -> its module."""
    folder = tmp_path_factory.mktemp("triton")

    @cache
    def made(target: str | Declaration, old: str = "", new: str = "") -> Kernels:
        source = underived(target) if target is FURTHER else emit(target, backend="triton")
        assert old in source.text
        path = folder / f"{source.names.slug}_{abs(hash((old, new)))}.py"
        path.write_text(on_cpu(source.text.replace(old, new) if old else source.text))
        module = module_of(path)
        module._kernels()
        if hasattr(module, "libdevice"):
            module.libdevice = stand_ins()
        return Kernels(module, getattr(module, source.names.cls))

    return made


def normal(*shape: int, dtype: str = "fp32") -> Tensor:
    return torch.randn(shape, dtype=torch.float64).to(DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [*SPECS, EVERYTHING, FURTHER], ids=[*SPECS, "everything", "further"])
def test_kernels_compute_what_torch_ops_compute_in_double(target: Any, dtype: str, kernels: Any) -> None:
    kernels(target).holds(normal(3001, dtype=dtype), normal(3001, dtype=dtype), dtype)


TIED = (
    "Max(a*x, b*x, -b*x, x)",
    "Min(x, -a*x, b*x, -b*x)*b + a*x",
    "a*abs(sin(b*x)) + Max(0, x)",
    "a*sign(x)*log(1 + abs(x)) + b*x*Heaviside(x)",
    "Max(0, x) + a*Min(0, x) + b*x",
    "Piecewise((a*x, b*x < 0), (x, True)) + b*x",
)


@pytest.mark.parametrize("expr", TIED)
@pytest.mark.parametrize("values", ["a=0.25 b=2", "a=-2 b=0.5", "a=3 b=-1"])
def test_at_a_kink_kernels_take_the_slope_that_torch_ops_take(expr: str, values: str, kernels: Any) -> None:
    made = kernels(Declaration(expr=expr, params=tuple(values.split()), name="Tied"))
    act = made.cls(init="declared", dtype=torch.float64)
    x = torch.tensor([-1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    for ours, theirs in zip(*(made.run(act, x, torch.ones_like(x), kernels=k) for k in (True, False)), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-13, atol=1e-15)


LAYOUTS: dict[str, tuple[Callable[[], Tensor], int, int]] = {
    "no dimension": (normal, 1, -1),
    "empty": (lambda: normal(3, 0), 1, -1),
    "one": (lambda: normal(1), 1, -1),
    "whole tiles": (lambda: normal(4, 1024), 1, -1),
    "more rows than programs": (lambda: normal(5000), 1, -1),
    "transposed": (lambda: normal(31, 65).T, 1, -1),
    "every second": (lambda: normal(64, 66)[:, ::2], 1, -1),
    "expanded": (lambda: normal(40, 1).expand(40, 33), 1, -1),
    "offset": (lambda: normal(1030)[3:], 1, -1),
    "last": (lambda: normal(60, 48), 48, -1),
    "last, one row": (lambda: normal(1, 7), 7, -1),
    "last, many rows": (lambda: normal(9000, 3), 3, -1),
    "last of a slice": (lambda: normal(70, 40)[:, :24], 24, -1),
    "first": (lambda: normal(5, 130), 5, 0),
    "middle": (lambda: normal(6, 4, 256), 4, 1),
    "middle, long": (lambda: normal(2, 3, 1024), 3, 1),
    "images": (lambda: normal(4, 6, 7, 7), 6, 1),
    "images, channels last": (lambda: normal(4, 6, 8, 8).contiguous(memory_format=torch.channels_last), 6, 1),
    "images, from the end": (lambda: normal(3, 8, 8, 9), 8, -3),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_layout_with_parameters_per_layer_or_channel(
    name: str, kernels: Callable[..., Kernels], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, channels, dim = LAYOUTS[name]
    found, x = kernels("hermite:2"), make()
    if name == "more rows than programs":
        monkeypatch.setattr(found.module, "PROGRAMS", 2)
    for grad in (normal(*x.shape), normal().expand(x.shape)):
        found.holds(x, grad, "fp32", num_parameters=channels, channel_dim=dim)


def test_reruns_are_bit_equal(kernels: Callable[..., Kernels]) -> None:
    found = kernels("hermite:2")
    act, x, grad = found.cls(), normal(5000), normal(5000)
    assert all(map(torch.equal, found.run(act, x, grad), found.run(act, x, grad)))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_parameter_may_be_shared_where_another_is_per_channel(kernels: Callable[..., Kernels], mixed: bool) -> None:
    found = kernels("tropical:2")
    function, x = found.module.tropical2, normal(40, 6).double()
    scale, offsets = torch.rand(1, dtype=torch.float64), torch.rand(3, 6 if mixed else 1, dtype=torch.float64)
    answers = []
    for route in ("Triton", "Eager"):
        found.module._route = lambda _, route=route: getattr(found.module, f"_Tropical2{route}")
        inputs = [t.clone().requires_grad_() for t in (x, scale, offsets if mixed else offsets[:, 0])]
        answers.append(torch.autograd.grad(function(*inputs), inputs, x.cos()))
    bound = SUMMED * ROUNDING["fp64"]
    assert all(torch.allclose(a, b, rtol=bound, atol=bound) for a, b in zip(*answers, strict=True))


def test_offsets_beyond_32_bits(kernels: Callable[..., Kernels]) -> None:
    """The second row begins at 2^31; of the memory between the rows nothing is touched."""
    module = kernels("hermite:2").module
    try:
        x, y = (torch.empty(2**31 + 1024, dtype=torch.float16) for _ in range(2))
    except RuntimeError:
        pytest.skip("8 GiB of address space are not to be had")
    x[-1024:] = normal(1024, dtype="fp16")
    coefficients = torch.tensor([0.0, 2.0, 0.0])
    walk = module._Walk((1, 1), 1, 1024, 2**31, 2, 1024, 1024, True)
    module._launch(module._kernels()[0], walk, x, coefficients, y)
    assert torch.equal(y[-1024:], 2 * x[-1024:])


def test_sine_and_cosine_near_and_far(kernels: Callable[..., Kernels]) -> None:
    """In single precision against double, for both by the range reduction and, where it ends, by Triton's own."""
    found = kernels("sinusoid")
    x = torch.cat([torch.linspace(-e, e, 2001) for e in (1.0, 1e2, 1e4, 2e4, 1e6, 1e30)])
    x = torch.cat([x, torch.tensor([0.0, -0.0, 1e-30, torch.inf, -torch.inf, torch.nan])])
    found.module._route = lambda _: found.module._SinusoidTriton
    x.requires_grad_()
    one, zero = torch.ones(1), torch.zeros(1)
    y = found.module.sinusoid(x, one, one, zero)
    (slope,) = torch.autograd.grad(y.sum(), x)
    for answer, truth in ((y, x.detach().double().sin()), (slope, x.detach().double().cos())):
        error = (answer.detach().double() - truth).abs()
        assert torch.equal(error.isnan(), ~x.isfinite())
        assert error[x.isfinite()].max() <= TRIG


FAULTS = {
    "tail not loaded": ("hermite:2", "range(full + chunk, rows, chunks)", "range(full + chunk, full, chunks)"),
    "tail counted": ("hermite:2", "mask=inside, other=0.0", "mask=inside, other=1.0"),
    "sum of another entry": ("hermite:2", "sum2 + grad * x", "sum2 + grad"),
    "channel of a neighbour": ("hermite:2", "// inner % channels", "// inner % (channels - 1)"),
    "groups too long": ("hermite:2", "math.gcd(inner, tile)", "2 * math.gcd(inner, tile)"),
    "gradient in x's layout": ("hermite:2", "_like(grad, x)", "grad.contiguous()"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str, kernels: Callable[..., Kernels]) -> None:
    found = kernels(*FAULTS[fault])
    x = normal(4, 6, 7, 8).contiguous(memory_format=torch.channels_last)
    with pytest.raises((AssertionError, RuntimeError)):
        found.holds(x, normal(4, 6, 7, 8), "fp32", num_parameters=6, channel_dim=1)


@pytest.mark.parametrize("spec", ["hermite:2", "tropical:2"])
def test_the_referee_accepts_the_kernels(spec: str, tmp_path: Path) -> None:
    """Derivatives of all orders and kinds, vmap, layouts, kinks, ties and NaN, against the declaration itself."""
    source = emit(spec, backend="triton")
    (tmp_path / source.filename).write_text(on_cpu(source.text))
    report = verify(resolve(spec), tmp_path / source.filename, only=REFEREED)
    assert set(report.failed) == {"header"}, report.table()  # the file is not as it was emitted


def test_tracing_and_subclasses_take_torch_ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Distributed(Tensor):
        pass

    source = emit("hermite:2", backend="both")
    (tmp_path / source.filename).write_text(on_cpu(source.text))
    module = module_of(tmp_path / source.filename)
    x = normal(2)
    assert module._route(x) is module._Hermite2Triton
    assert module._route(x.as_subclass(Distributed)) is module._Hermite2Eager
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert module._route(x) is module._Hermite2


def test_files_of_every_backend_say_so_and_check_out(tmp_path: Path) -> None:
    texts = {b: emit("hermite:2", tmp_path / b, backend=b).text for b in ("torch", "both", "triton")}
    assert len(set(texts.values())) == len(texts)
    assert "triton" not in texts["torch"]
    for backend in texts:
        assert Declaration.read(read(tmp_path / backend / "hermite2.py").arguments).backend == backend
        assert check(tmp_path / backend) == []
    assert verify(resolve("hermite:2"), tmp_path / "both" / "hermite2.py", only=["value_fp32", "shapes"]).ok


def python(code: str, *arguments: str | Path, **environment: str) -> str:
    command: Sequence[str | Path] = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


LAZY = """
import sys
sys.path.insert(0, sys.argv[1])
import torch, hermite2
act = hermite2.Hermite2()
act(torch.ones(3)).sum().backward()
assert "triton" not in sys.modules
sys.modules["triton"] = None  # what an import of a missing module finds
try:
    print(hermite2._kernels())
except ImportError:
    print("refused")
"""


@pytest.mark.parametrize(("backend", "answer"), [("both", "None"), ("triton", "refused")])
def test_triton_is_imported_for_cuda_alone_and_may_be_missing(backend: str, answer: str, tmp_path: Path) -> None:
    emit("hermite:2", tmp_path, backend=backend)
    assert python(LAZY, tmp_path).strip() == answer


COMPILED = """
import sys
sys.path.insert(0, sys.argv[1])
import registers
from pathlib import Path
from learnact.compiler.resolve.declaration import Declaration
cases = {case.name: case for case in registers.CASES}
for line in sys.argv[3:]:
    declared, _, case = line.partition(" | ")
    for row in registers.rows(Declaration.read(declared).activation(), Path(sys.argv[2]), [cases[case]]):
        print(row.kernel, row.loads, row.stores, row.spills)
"""


ACCESSES = {
    "hermite:2 | layer fp32": ["forward 2x128 2x128 0", "backward 4x128 2x128 0"],
    "hermite:2 | few odd rows fp32": ["forward 8x32 8x32 0", "backward 16x32 8x32 0"],
    "sinusoid | layer bf16": ["forward 1x128 1x128 0", "backward 2x128 1x128 0"],
    f"{EVERYTHING.arguments} | layer fp64": ["forward 2x128 2x128 0", "backward 4x128 2x128 0"],
}
"""Loads and stores of a thread's 8 elements, 4 of fp64, by number and width in bits, and the bytes spilled."""


def test_ptxas_takes_the_kernels_without_spills_and_with_128_bit_accesses(tmp_path: Path) -> None:
    """For sm_90, of a layer whose size is odd; only where rows are few, all accesses are under a mask."""
    benchmarks = Path(__file__).parents[2] / "benchmarks"
    environment = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    lines = python(COMPILED, benchmarks, tmp_path, *ACCESSES, **environment).splitlines()
    assert lines == [line for expected in ACCESSES.values() for line in expected]
