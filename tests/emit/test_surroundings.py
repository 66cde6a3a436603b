"""Emitted modules in other people's code: in-place neighbours, construction on meta, tracers, jagged batches."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
from modules import module_of
from torch import Tensor, nn
from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh
from torch.utils._python_dispatch import TorchDispatchMode

from learnact import emit
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.registry import resolve

SPECS = ("hermite:3", "fourier:3", "tropical:3", "tropical_rational:2", "sinusoid")
Kind = Callable[..., nn.Module]
pytestmark = pytest.mark.filterwarnings("ignore:.*jit.*:DeprecationWarning", "ignore:.*nested tensors.*:UserWarning")


@pytest.fixture(params=SPECS)
def cls(request: pytest.FixtureRequest, emitted: Callable[[str], Kind]) -> Kind:
    return emitted(request.param)


def start_of(act: nn.Module, name: str) -> dict[str, tuple[float, ...]]:
    return type(act).forward.__globals__["STARTS"][name]


# What writes in place.


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.parametrize("neighbour", [nn.Dropout(0.1, inplace=True), nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)])
def test_an_in_place_neighbour_may_follow(cls: Kind, channels: int, neighbour: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(16, 16), cls(channels), neighbour)
    for rows in (4, 9000):  # fewer and more elements than a chunk
        model(torch.randn(rows, 16)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spec", SPECS)
def test_the_compiled_function_copies_its_result(spec: str, dtype: torch.dtype, lean: bool, tmp_path: Path) -> None:
    """The Dynamo of PyTorch 2.11 gives zeros for all gradients of a result that aliases another tensor of `forward`."""

    class Last(TorchDispatchMode):
        operation: str

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.operation = function.name()
            return function(*args, **(kwargs or {}))

    declaration = Declaration(spec=spec, lean=lean)
    module, cls = module_of(tmp_path / emit(declaration, tmp_path).filename), resolve(spec).names.cls
    act, forward = getattr(module, cls)(), getattr(module, f"_{cls}").forward
    with Last() as last:
        forward(torch.randn(4, 8, dtype=dtype), *(p.detach() for p in act.parameters()))
    assert last.operation == "aten::_to_copy"


def test_a_result_is_no_view_whatever_the_layout(cls: Kind) -> None:
    for x in (torch.randn(3, 4), torch.randn(300, 300), torch.randn(4, 3).T, torch.randn(()), torch.randn(0, 2)):
        act = cls()
        assert not act(x)._is_view()
        act(x).mul_(2.0).sum().backward()


# What builds on meta.


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_parameters_come_back_after_to_empty(cls: Kind, channels: int, dtype: torch.dtype) -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(2, 2), cls(channels, init=cls.starts[-1], dtype=dtype))
    model.to_empty(device="cpu")
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    fresh = cls(channels, init=cls.starts[-1], dtype=dtype)
    for found, wanted in zip(model[1].parameters(), fresh.parameters(), strict=True):
        assert found.dtype == wanted.dtype == dtype
        assert torch.equal(found, wanted)
    for name, values in start_of(fresh, cls.starts[-1]).items():
        expected = torch.tensor(values, dtype=dtype)
        assert torch.equal(getattr(fresh, name), expected if channels == 1 else expected[:, None].expand(-1, channels))


def test_a_moved_module_goes_back_in_place(cls: Kind) -> None:
    act, x = cls(init=cls.starts[-1]), torch.randn(5)
    before, held = act(x), [p.data_ptr() for p in act.parameters()]
    for p in act.parameters():
        p.data.add_(1.0)
        p.requires_grad_(False)
    act.reset_parameters()
    assert torch.equal(act(x), before)
    assert [p.data_ptr() for p in act.parameters()] == held
    assert not any(p.requires_grad for p in act.parameters())


@pytest.fixture
def mesh() -> Iterator[object]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("channels", [1, 4])
def test_sharded_parameters_go_back_too(cls: Kind, channels: int, mesh: object) -> None:
    """As FSDP holds them: DTensors, which take no plain tensor."""
    for placement in (Shard(0), Replicate()):
        act, fresh = cls(channels), cls(channels)
        for name, p in list(act.named_parameters()):
            empty = torch.full_like(p.detach(), torch.nan)
            setattr(act, name, nn.Parameter(distribute_tensor(empty, mesh, [placement])))
        act.reset_parameters()
        for found, wanted in zip(act.parameters(), fresh.parameters(), strict=True):
            assert torch.equal(found.full_tensor(), wanted)


def test_modules_say_what_they_are(cls: Kind) -> None:
    model = nn.Sequential(nn.Linear(2, 2), cls(), nn.GELU())
    found = [m for m in model.modules() if getattr(m, "learnable_activation", False)]
    assert found == [model[1]]


# What traces.


class Functional(nn.Module):
    """Calls the functional form, as a user's own module does."""

    def __init__(self, act: nn.Module, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function, self.held = function, nn.ParameterList(act.parameters())

    def forward(self, x: Tensor) -> Tensor:
        return self.function(torch.relu(x), *self.held, channel_dim=1) + x


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["class", "function"])
def test_symbolic_tracing_records_one_call(cls: Kind, channels: int, form: str) -> None:
    act = cls(channels, channel_dim=1)
    function = type(act).forward.__globals__[act.spec.replace(":", "")]
    model = nn.Sequential(nn.Linear(4, 4), act) if form == "class" else Functional(act, function)
    graph = torch.fx.symbolic_trace(model)
    (node,) = [n for n in graph.graph.nodes if n.target is function]
    assert node.kwargs == {"channel_dim": 1}
    for rows in (2, 7):  # for other sizes too
        x = torch.randn(rows, 3, 4)
        runs = []
        for call in (model, graph, copy.deepcopy(graph)):
            leaf = x.clone().requires_grad_()
            out = call(leaf)
            runs.append([out, *torch.autograd.grad(out.sum(), [leaf, *call.parameters()])])
        for run in runs[1:]:
            assert all(map(torch.equal, runs[0], run))


def test_a_traced_module_compiles(emitted: Callable[[str], Kind]) -> None:
    act, x = emitted("tropical:3")(), torch.randn(3, 4)
    graph = torch.compile(torch.fx.symbolic_trace(nn.Sequential(act)), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(graph(x), act(x))


@pytest.mark.parametrize("channels", [1, 4])
def test_a_trace_is_saved_loaded_and_differentiated(cls: Kind, channels: int) -> None:
    act = cls(channels, dtype=torch.float64)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(act, torch.randn(2, 4, dtype=torch.float64)), buffer)
    buffer.seek(0)
    loaded = torch.jit.load(buffer)
    x = torch.randn(9, 4, dtype=torch.float64)
    runs = []
    for call in (act, loaded):
        leaf = x.clone().requires_grad_()
        out = call(leaf)
        runs.append([out, *torch.autograd.grad(out.sum(), [leaf, *call.parameters()])])
    for found, wanted in zip(*runs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


def test_scripting_is_one_clear_error(cls: Kind) -> None:
    for model in (cls(), nn.Sequential(nn.Linear(2, 2), cls())):
        with pytest.raises(RuntimeError, match=r"torch.jit.script cannot compile it; use torch.compile") as caught:
            torch.jit.script(model)
        assert "\n" not in str(caught.value)


# Jagged tensors.

LENGTHS = (3, 0, 5)


def jagged(values: Tensor, lengths: tuple[int, ...] = LENGTHS) -> Tensor:
    return torch.nested.nested_tensor(list(values.detach().split(lengths)), layout=torch.jagged, requires_grad=True)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("channels", "axis", "dense_axis"), [(1, -1, -1), (4, -1, -1), (4, 2, 1), (3, 3, 2)])
def test_a_jagged_tensor_gives_what_its_values_give(
    cls: Kind, channels: int, axis: int, dense_axis: int, compiled: bool
) -> None:
    shape = (sum(LENGTHS), 4, 3) if axis == 3 else (sum(LENGTHS), 4)
    values = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    cotangent = torch.randn(shape, dtype=torch.float64)
    act, dense = (cls(channels, channel_dim=d, dtype=torch.float64) for d in (axis, dense_axis))
    call = torch.compile(act, backend="aot_eager", fullgraph=True) if compiled else act
    x = jagged(values)
    out = call(x)
    assert (out + x).shape == x.shape  # the ragged sizes are known to be the same
    slope, *found = torch.autograd.grad(out.values(), [x, *act.parameters()], cotangent)
    expected = torch.autograd.grad(dense(values), [values, *dense.parameters()], cotangent)
    for a, b in zip([out.values(), slope.values(), *found], [dense(values), *expected], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_jagged_tensor_may_be_longer_than_a_chunk(cls: Kind) -> None:
    values = torch.randn(30008, 4)
    act = cls()
    out = act(jagged(values, (30000, 0, 8)))
    out.values().sum().backward()
    assert torch.equal(out.values(), act(values))


def test_another_ragged_dimension_is_kept(cls: Kind) -> None:
    x = jagged(torch.randn(sum(LENGTHS), 4)).transpose(1, 2)
    act = cls()
    out = act(x)
    assert out.shape == x.shape
    for found, part in zip(out.unbind(), x.unbind(), strict=True):
        torch.testing.assert_close(found, act(part))


@pytest.mark.parametrize("axis", [0, 1, -2, -3, 5, -7])
def test_channels_along_a_ragged_dimension_are_refused(cls: Kind, axis: int) -> None:
    x = jagged(torch.randn(3, 4), (1, 2, 0))
    with pytest.raises(ValueError, match=re.escape(f"found channel_dim={axis} and x of shape")) as caught:
        cls(3, channel_dim=axis)(x)
    assert "neither its batch nor ragged" in str(caught.value)


def test_a_strided_nested_tensor_is_refused(cls: Kind) -> None:
    x = torch.nested.nested_tensor([torch.randn(2), torch.randn(3)])
    with pytest.raises(TypeError, match=r"must have layout torch.jagged, found torch.strided"):
        cls()(x)


# The text.

RULE = "# " + "-" * 118
KINDS = {"feature matrix": ("hermite:2", "hermite:3", "legendre:4"), "maxima": ("tropical:2", "tropical:3")}


def run_part(path: Path) -> str:
    """What stands under the second heading, without the class's name and what the family's features are."""
    text = path.read_text()
    assert text.count(RULE) == 2
    what, heading, how = text.split(f"{RULE}\n")
    assert heading.startswith("# How it is run")
    assert all(word in what for word in ("STARTS", "nn.Module", "def _value(", "def _gradients(", "autograd.Function"))
    name = re.search(r"^class (\w+)\(nn.Module\)", what, re.MULTILINE)
    assert name is not None
    how = re.sub(r"^(SCALES|SLOPES) = \([^\"]*\n\"", '"', how, flags=re.MULTILINE)
    how = re.sub(r"^def _features\(.*?\n\n\n", "", how, flags=re.MULTILINE | re.DOTALL)
    return how.replace(name[1], "NAME")


@pytest.mark.parametrize("kind", KINDS)
def test_how_it_is_run_is_the_same_text_in_every_file_of_a_kind(kind: str, emitted_file: Callable[[str], Path]) -> None:
    first, *others = (run_part(emitted_file(spec)) for spec in KINDS[kind])
    assert all(other == first for other in others)


def test_every_helper_says_why(emitted_file: Callable[[str], Path]) -> None:
    for spec in SPECS:
        module: ModuleType = module_of(emitted_file(spec))
        functions = [
            f for f in vars(module).values() if callable(f) and getattr(f, "__module__", "") == module.__name__
        ]
        assert all(f.__doc__ for f in functions), [f.__name__ for f in functions if not f.__doc__]
