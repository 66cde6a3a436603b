"""The committed modules: each stands alone, is listed, and behaves as a torch module does in every dtype and layout."""

from __future__ import annotations

import copy
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from modules import module_of
from torch import nn

from learnact import generated
from learnact.compiler.emit import header
from learnact.compiler.emit.plan import GENERATED
from learnact.compiler.resolve.registry import resolve
from learnact.version import __version__

FOLDER = Path(generated.__file__).parent
MANIFEST = json.loads((FOLDER / "MANIFEST.json").read_text())
CLASSES = sorted(generated.MODULES)
CHANNELS = 4
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
HALF = (torch.float16, torch.bfloat16)

ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 2e-2}
"""Relative to 1 + |F|, inputs of size 2: degree 8 loses two digits, half types round the parameters and the answer."""

PROBE = torch.tensor([-1.7, -0.6, 0.3, 1.1, 2.3], dtype=torch.float64)
APART = 1e-3  # between neighbouring degrees at some probe; rounding is 1e-12

Kind = Callable[..., nn.Module]


def cls(name: str) -> Kind:
    return getattr(generated, name)


def close(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    difference = (found.double() - wanted.double()).abs()
    return bool((difference <= ROUNDING[dtype] * (1 + wanted.double().abs())).all())


# Files, package and manifest.

ALONE = """
import importlib.util, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"learnact", "sympy", "mpmath", "jinja2", "click"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import torch

torch.set_num_threads(1)
for path, name in zip(sys.argv[1::2], sys.argv[2::2]):
    spec = importlib.util.spec_from_file_location("alone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    activation = getattr(module, name)(3)
    activation(torch.randn(2, 3, requires_grad=True)).sum().backward()
    assert all(p.grad is not None for p in activation.parameters())
    print(name)
assert not [m for m in sys.modules if m.startswith("learnact")]
"""


def test_every_file_stands_alone(tmp_path: Path) -> None:
    """By its path, in a process that can import torch and nothing of the compiler."""
    arguments = [text for name in CLASSES for text in (str(FOLDER / f"{generated.MODULES[name]}.py"), name)]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == CLASSES


LAZY = """
import sys
import learnact.generated as g

assert dir(g) and "Hermite5" in dir(g)
assert "torch" not in sys.modules and "learnact.compiler" not in sys.modules
try:
    g.Hermite6
except ImportError as err:
    assert "Hermite6" in str(err) and "hermite:6" in str(err) and "\\n" not in str(err)
assert "torch" not in sys.modules
from learnact.generated import Hermite5

assert "torch" in sys.modules and Hermite5.degree == 5
assert "learnact.generated.hermite5" in sys.modules and "learnact.generated.hermite3" not in sys.modules
"""


def test_the_package_imports_torch_only_when_a_class_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_lists_its_classes() -> None:
    assert set(CLASSES) <= set(dir(generated))
    with pytest.raises(ImportError, match=r"no 'Hermite6'; write learnact.load\('hermite:6'\)"):
        _ = generated.Hermite6
    with pytest.raises(AttributeError, match="no 'nothing'"):
        _ = generated.nothing
    with pytest.raises(ImportError):
        importlib.import_module("learnact.generated.hermite6")
    assert {resolve(spec).names.cls: resolve(spec).names.slug for spec in GENERATED} == generated.MODULES


def test_the_manifest_is_of_the_files() -> None:
    files = {p.stem for p in FOLDER.glob("*.py")} - {"__init__"}
    assert files == set(MANIFEST["modules"]) == set(generated.MODULES.values())
    assert MANIFEST["compiler"] == __version__
    for slug, entry in MANIFEST["modules"].items():
        read = header.read(FOLDER / f"{slug}.py")
        assert read.intact, f"{slug}.py was edited by hand"
        assert (read.arguments, read.inputs, read.body) == (entry["spec"], entry["inputs"], entry["body"])
        assert read.version == __version__
        assert generated.MODULES[entry["class"]] == slug
        assert resolve(entry["spec"]).names.cls == entry["class"]


# Modules.


@pytest.mark.parametrize("name", CLASSES)
def test_every_start_is_taken_and_others_are_refused(name: str) -> None:
    starts = sys.modules[cls(name).__module__].STARTS
    assert tuple(starts) == cls(name).starts
    for start, values in starts.items():
        module = cls(name)(init=start, dtype=torch.float64)
        assert {k: tuple(p.tolist()) for k, p in module.named_parameters()} == values
        assert torch.isfinite(module(PROBE)).all()
    assert torch.equal(cls(name)(init=cls(name).starts[0])(PROBE), cls(name)()(PROBE))
    with pytest.raises(ValueError, match=rf"unknown init 'none'.*{cls(name).starts[0]}"):
        cls(name)(init="none")
    for wrong in (0, 2.5, "a"):
        with pytest.raises(ValueError, match=f"1 or more, found {wrong!r}"):
            cls(name)(wrong)


def shaken(module: nn.Module) -> nn.Module:
    """Move every parameter, each entry and channel by its own step."""
    with torch.no_grad():
        for p in module.parameters():
            p += torch.linspace(-0.1, 0.1, p.numel(), dtype=p.dtype).view_as(p)
    return module


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_every_dtype_and_layout_agrees_with_double_precision_channel_by_channel(name: str, dtype: torch.dtype) -> None:
    """NCHW along dimension 1, (B, T, C) along the last, and one set of parameters for all."""
    for shape, channel_dim in (((2, CHANNELS, 3, 5), 1), ((2, 3, CHANNELS), -1)):
        module = shaken(cls(name)(CHANNELS, channel_dim=channel_dim, dtype=dtype))
        x = torch.empty(shape, dtype=dtype).uniform_(-2, 2)
        found = module(x)
        assert found.shape == x.shape
        assert found.dtype == dtype
        for channel in range(CHANNELS):
            single = cls(name)(dtype=torch.float64)
            for p, q in zip(single.parameters(), module.parameters(), strict=True):
                p.data = q.detach()[:, channel].double()
            wanted = single(x.select(channel_dim, channel).double())
            assert close(found.select(channel_dim, channel), wanted, dtype)
    one = cls(name)(dtype=dtype)
    assert close(one(x), cls(name)(dtype=torch.float64)(x.double()), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels", [1, CHANNELS])
@pytest.mark.parametrize("name", CLASSES)
def test_gradients_come_in_the_dtypes_of_what_they_are_of(name: str, channels: int, dtype: torch.dtype) -> None:
    module = cls(name)(channels, dtype=dtype)
    x = torch.empty(2, 3, CHANNELS, dtype=dtype).uniform_(-2, 2).requires_grad_()
    module(x).sum().backward()
    for tensor in (x, *module.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.shape == tensor.shape
        assert tensor.grad.dtype == dtype
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_half_inputs_meet_parameters_in_single_precision(name: str, dtype: torch.dtype) -> None:
    """As under autocast: the answer in the input's dtype, the parameters' gradients in theirs."""
    module = cls(name)()
    x = torch.empty(64, dtype=dtype).uniform_(-2, 2).requires_grad_()
    y = module(x)
    y.sum().backward()
    assert y.dtype == dtype == x.grad.dtype
    assert {p.grad.dtype for p in module.parameters()} == {torch.float32}
    assert torch.equal(y, module(x.float()).to(dtype))


@pytest.mark.parametrize("channels", [1, CHANNELS])
@pytest.mark.parametrize("name", CLASSES)
def test_state_is_kept_by_every_way_of_copying(name: str, channels: int, tmp_path: Path) -> None:
    module = shaken(cls(name)(channels))
    x = torch.randn(3, CHANNELS)
    other = cls(name)(channels)
    assert other.load_state_dict(module.state_dict()) == ([], [])
    torch.save(module.state_dict(), tmp_path / "state.pt")
    third = cls(name)(channels)
    third.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    duplicate = copy.deepcopy(module)
    for twin in (other, third, duplicate):
        assert torch.equal(twin(x), module(x))
        assert not {p.data_ptr() for p in twin.parameters()} & {p.data_ptr() for p in module.parameters()}
    assert type(duplicate) is type(module)
    assert repr(duplicate) == repr(module)
    with pytest.raises(RuntimeError, match="size mismatch"):
        cls(name)(channels + 1).load_state_dict(module.state_dict())


@pytest.mark.parametrize("name", CLASSES)
def test_a_wrong_input_is_refused(name: str) -> None:
    slug = generated.MODULES[name]
    with pytest.raises(TypeError, match=f"{slug}: x must be a floating-point tensor, found torch.int64"):
        cls(name)()(torch.arange(3))
    with pytest.raises(ValueError, match=f"{slug}: expected {CHANNELS} channels along dimension 1"):
        cls(name)(CHANNELS, channel_dim=1)(torch.zeros(2, CHANNELS + 1))
    with pytest.raises(ValueError, match=f"{slug}: expected {CHANNELS} channels along dimension 2"):
        cls(name)(CHANNELS, channel_dim=2)(torch.zeros(2, CHANNELS))


@pytest.mark.parametrize("name", CLASSES)
def test_empty_and_single_numbers_are_inputs(name: str) -> None:
    module = cls(name)()
    empty = torch.zeros(0, 3, requires_grad=True)
    module(empty).sum().backward()
    assert empty.grad.shape == (0, 3)
    assert all(not p.grad.any() for p in module.parameters())
    assert module(torch.tensor(0.5)).shape == ()


def at_probe(spec: str, emitted: Callable[[str], Kind]) -> torch.Tensor:
    """Values at the probe with all parameters drawn the same way, as far as both have them."""
    module = emitted(spec)(dtype=torch.float64)
    for k, p in enumerate(module.parameters()):
        p.data = torch.cos(torch.arange(len(p), dtype=torch.float64) + k)
    return module(PROBE).detach()


@pytest.mark.parametrize("family", ["hermite", "chebyshev", "legendre", "fourier", "fourier_free", "tropical"])
def test_neighbouring_degrees_differ(family: str, emitted: Callable[[str], Kind]) -> None:
    lower, upper = (at_probe(f"{family}:{degree}", emitted) for degree in (2, 3))
    assert (lower - upper).abs().max() > APART


def test_degrees_of_one_family_differ_at_their_starts() -> None:
    values = [cls(f"Hermite{n}")(dtype=torch.float64)(PROBE) for n in (2, 3, 5, 8)]
    for i, first in enumerate(values):
        for second in values[i + 1 :]:
            assert (first - second).abs().max() > APART


def test_the_committed_file_is_the_one_that_is_imported() -> None:
    alone = module_of(FOLDER / "hermite5.py")
    assert torch.equal(alone.Hermite5()(PROBE), generated.Hermite5()(PROBE))
    assert Path(sys.modules[generated.Hermite5.__module__].__file__) == FOLDER / "hermite5.py"
