"""A torch, and a Triton language, whose tensors hold expressions: the names that emitted files use, and no others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import sympy as sp

from learnact.compiler.verify.prove import nodes, tensors
from learnact.compiler.verify.prove.tensors import BOOL, FLOAT32, FLOAT64, INT32, INT64, Tensor


@dataclass(frozen=True)
class Situation:
    """In which a file is traced: what it finds when it asks where it runs."""

    name: str
    compiling: bool = False
    grad_mode: bool = False  # in the backward: somebody differentiates twice
    forward_mode: bool = False
    cuda: bool = False
    contiguous: bool = True
    shape: tuple[int, ...] = (2,)
    channels: int = 1


class Names(ModuleType):
    """A module of which an absent name is an error that says what to do."""

    def __init__(self, name: str, entries: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(entries)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the prover has no rule for {self.__name__}.{name}; add one to verify/prove/nodes.py or library.py"
        )


class Context:
    """The ctx of an autograd Function."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *saved: Any) -> None:
        """Keep tensors."""
        self.saved_tensors = saved

    save_for_forward = save_for_backward


class Function:
    """An autograd Function: `apply` runs the forward, and the result remembers how to run the backward."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    setup_context: Callable[..., Any]

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Run the forward; the result keeps what its backward needs."""
        out = cls.forward(*inputs)
        context = Context()
        cls.setup_context(context, inputs, out)
        if isinstance(out, Tensor):
            out.origin = cls, context, inputs
        return out


def into(out: Any, result: Any) -> Any:
    """The result, written where `out` points if it does."""
    return result if out is None else out.copy_(result)


def torch_for(kind: type[Tensor], situation: Situation) -> dict[str, ModuleType]:
    """The importable modules: torch, and torch.autograd.forward_ad."""
    empty = kind(np.empty(0, dtype=object))

    def elementwise(meaning: Callable[..., sp.Expr]) -> Callable[..., Any]:
        return lambda t, out=None: into(out, t.mapped(meaning))

    def where(condition: Any, a: Any, b: Any) -> Any:
        result = condition.mapped(nodes.where, a, b)
        return result.to(next((v.dtype for v in (a, b) if isinstance(v, Tensor)), FLOAT32))

    def addcmul(a: Any, b: Any, c: Any, *, value: Any = 1, out: Any = None) -> Any:
        return into(out, a + b * c * value)

    def mul(a: Any, b: Any, *, out: Any = None) -> Any:
        return into(out, a * b)

    def mv(matrix: Any, vector: Any, *, out: Any = None) -> Any:
        return into(out, (matrix * vector).sum(-1))

    def stack(parts: Sequence[Any], dim: int = 0) -> Any:
        return parts[0].like(np.stack([p.cells for p in parts], dim))

    def cat(parts: Sequence[Any]) -> Any:
        return parts[0].like(np.concatenate([p.cells for p in parts]))

    def full(shape: Any, value: Any, **_: Any) -> Any:
        return empty.new_full(shape if isinstance(shape, tuple) else (shape,), value)

    def arange(count: int, **_: Any) -> Any:
        return empty.like(np.array([sp.Integer(k) for k in range(count)] + [None], dtype=object)[:-1], INT64)

    def unpack_dual(t: Any) -> Any:
        return SimpleNamespace(primal=t.like(t.cells) if situation.forward_mode else t, tangent=None)

    def softplus(t: Any, threshold: Any = 20) -> Any:
        if threshold < 36:  # exp(-36) is half an ulp of 1
            raise NotImplementedError(f"softplus with threshold {threshold} is u where it is not yet rounded to u")
        return t.mapped(nodes.MEANING["softplus"])

    forward_ad = Names("torch.autograd.forward_ad", {"unpack_dual": unpack_dual})
    functional = Names("torch.nn.functional", {"softplus": softplus})
    nn = Names("torch.nn", {"Module": type("Module", (), {}), "Parameter": kind, "functional": functional})
    nothing = type("nothing", (), {})
    torch = Names(
        "torch",
        {name: elementwise(meaning) for name, meaning in nodes.MEANING.items()}
        | {
            "Tensor": kind, "nn": nn, "float32": FLOAT32, "float64": FLOAT64, "bool": BOOL, "int64": INT64,
            "dtype": nothing, "device": nothing, "jagged": "jagged", "fx": Names("torch.fx", {"Proxy": nothing}),
            "autograd": Names("torch.autograd", {"Function": Function, "forward_ad": forward_ad}),
            "compiler": Names("torch.compiler", {"is_compiling": lambda: situation.compiling}),
            "jit": Names("torch.jit", {"is_tracing": lambda: False}),
            "is_grad_enabled": lambda: situation.grad_mode,
            "get_float32_matmul_precision": lambda: "highest",
            "backends": Names("torch.backends", {"mkldnn": SimpleNamespace()}),
            "_C": Names("torch._C", {"_len_torch_dispatch_stack": lambda: 0}),
            "ops": SimpleNamespace(aten=SimpleNamespace(_unsafe_view=lambda t, shape: t.view(shape))),
            "cuda": Names("torch.cuda", {"device_of": lambda t: contextlib.nullcontext()}),
            "promote_types": lambda a, b: FLOAT64 if FLOAT64 in (a, b) else FLOAT32,
            "is_tensor": lambda t: isinstance(t, Tensor), "no_grad": lambda: lambda function: function,
            "maximum": lambda a, b: a.mapped(nodes.upper, b), "minimum": lambda a, b: a.mapped(nodes.lower, b),
            "where": where, "addcmul": addcmul, "mul": mul, "mv": mv, "clamp": kind.clamp, "stack": stack, "cat": cat,
            "pow": lambda a, b: a**b, "arange": arange, "zeros": lambda shape, **_: full(shape, 0),
            "empty": lambda *shape, **_: full(shape, sp.nan),
            "empty_like": lambda t, **_: full(t.shape, sp.nan), "zeros_like": lambda t, **_: full(t.shape, 0),
            "ones_like": lambda t, **_: full(t.shape, 1), "full_like": lambda t, v, **_: full(t.shape, v),
        },
    )  # fmt: skip
    return {"torch": torch, "torch.autograd.forward_ad": forward_ad}


class Pointer:
    """Memory, and an offset into it for every lane."""

    def __init__(self, memory: Any, offset: Any = 0) -> None:
        self.memory, self.offset = memory, offset

    def __add__(self, offset: Any) -> Pointer:
        return Pointer(self.memory, self.offset + _index(offset))


def _index(offset: Any) -> Any:
    """A Python integer, or lanes of them."""
    return offset.cells.astype(int) if isinstance(offset, Tensor) else int(offset)


class Scalar(int):
    """An integer of a kernel: it has a dtype."""

    def to(self, _: Any) -> Scalar:
        return self


class Lanes(Tensor):
    """Integers of a kernel, one for each lane: numbers, on which Python may decide."""

    def __floordiv__(self, other: Any) -> Any:
        return self.mapped(lambda a, b: a // b, other)

    def __mod__(self, other: Any) -> Any:
        return self.mapped(lambda a, b: a % b, other)


def language_for(kind: type[Tensor], program: tuple[int, int], grid: tuple[int, int]) -> dict[str, ModuleType]:
    """triton.language and libdevice, for one program of a grid."""
    base = kind(0)

    def load(pointer: Pointer, mask: Any = None, other: Any = None) -> Any:
        at = pointer.offset
        if mask is None:
            return base.like(pointer.memory[at] if np.ndim(at) else np.array(pointer.memory[at], dtype=object))
        inside = mask.cells.astype(bool)
        cells = np.where(inside, pointer.memory[np.where(inside, at, 0)], tensors.cell(other, kind.exact))
        return base.like(cells.astype(object))

    def store(pointer: Pointer, value: Any, mask: Any = None) -> None:
        inside = np.ones(np.shape(pointer.offset), bool) if mask is None else mask.cells.astype(bool)
        cells = np.broadcast_to(value.cells, inside.shape)
        pointer.memory[np.asarray(pointer.offset)[inside]] = cells[inside]

    def where(condition: Any, a: Any, b: Any) -> Any:
        return condition.mapped(nodes.where, a, b)

    def arange(start: int, stop: int) -> Any:
        return type("Lane", (Lanes, kind), {})([sp.Integer(k) for k in range(start, stop)], INT32)

    def either(function: Callable[..., sp.Expr]) -> Callable[..., Any]:
        def of_two(a: Any, b: Any, propagate_nan: Any = None) -> Any:
            first, second = (a, b) if isinstance(a, Tensor) else (b, a)
            return first.mapped(function, second)

        return of_two

    def full(shape: Any, value: Any, _: Any) -> Any:
        return base.new_full(tuple(shape), value)

    functions = {name: lambda t, meaning=meaning: t.mapped(meaning) for name, meaning in nodes.MEANING.items()}
    tl = Names(
        "tl",
        functions | {
            "float32": FLOAT32, "float64": FLOAT64, "int64": INT64, "int32": INT32, "constexpr": int,
            "program_id": lambda axis: Scalar(program[axis]), "num_programs": lambda axis: grid[axis],
            "load": load, "store": store, "where": where, "arange": arange, "full": full,
            "maximum": either(nodes.upper), "minimum": either(nodes.lower),
            "PropagateNan": SimpleNamespace(ALL=None), "zeros": lambda shape, _: base.new_full(shape, 0),
            "sum": lambda t, axis: t.sum(axis), "max": lambda t, _: t.like(np.array([nodes.upper(*t.cells)])[0]),
            "reshape": lambda t, shape: t.view(shape),
        },
    )  # fmt: skip
    powers = {"pow": lambda a, b: a**b}
    return {"tl": tl, "libdevice": Names("libdevice", functions | powers)}
