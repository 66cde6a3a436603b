"""Tensors whose elements are expressions: numpy arrays of SymPy, with the methods that emitted files call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from learnact.compiler.verify.prove import nodes

Cells = Any  # a numpy array of SymPy expressions


@dataclass(frozen=True)
class Dtype:
    """A dtype: only its name counts."""

    name: str

    @property
    def is_floating_point(self) -> bool:
        """Whether numbers are rounded."""
        return self.name.startswith(("float", "bfloat"))


FLOAT32, FLOAT64, BOOL, INT64, INT32 = map(Dtype, ("float32", "float64", "bool", "int64", "int32"))


@dataclass(frozen=True)
class Device:
    """A device by its type."""

    type: str


class Undecided(Exception):
    """Python code asked for the truth of an expression."""


def cell(value: Any, exact: Callable[[float], sp.Expr]) -> sp.Expr:
    """A number of Python, or an expression, as an expression. Raises TypeError for anything else."""
    if isinstance(value, sp.Basic):
        return value
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return sp.Integer(int(value))
    if isinstance(value, float):
        return exact(value)
    raise TypeError(f"no expression for {type(value).__name__}")


class Size(tuple[int, ...]):
    """A shape, which counts its elements."""

    def numel(self) -> int:
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found


class Tensor:
    """Expressions in an array; operations go element by element, and equal operands are computed once."""

    exact: Callable[[float], sp.Expr]  # of the file that is traced; set on a subclass
    situation: Any
    origin: Any = None  # (Function, ctx, inputs) of the result of a Function

    def __init__(self, cells: Any, dtype: Dtype = FLOAT32, dense: bool = True) -> None:
        array = np.empty(np.shape(cells), dtype=object)
        array[...] = cells
        self.cells = array
        self.dtype = dtype
        self.dense = dense

    def like(self, cells: Cells, dtype: Dtype | None = None) -> Any:
        """Another tensor that shares the array."""
        made = type(self)(0, dtype or self.dtype)
        made.cells = cells if isinstance(cells, np.ndarray) else _filled((), cells)
        return made

    # what it is
    is_nested = False
    layout = "strided"

    @property
    def shape(self) -> Size:
        """The shape."""
        return Size(self.cells.shape)

    @property
    def is_cuda(self) -> bool:
        """Whether the situation is on CUDA."""
        return bool(self.situation.cuda)

    @property
    def is_cpu(self) -> bool:
        """Whether it is not."""
        return not self.is_cuda

    @property
    def device(self) -> Device:
        """The device of the situation."""
        return Device("cuda" if self.is_cuda else "cpu")

    def dim(self) -> int:
        """As in torch."""
        return self.cells.ndim

    def numel(self) -> int:
        """The product of all lengths."""
        return int(self.cells.size)

    def is_floating_point(self) -> bool:
        """Whether numbers are rounded."""
        return self.dtype.is_floating_point

    def is_contiguous(self) -> bool:
        """As in torch."""
        return self.dense

    def untyped_storage(self) -> None:
        """As in torch."""
        return None

    def stride(self, dim: int | None = None) -> Any:
        """As in torch."""
        sizes = self.shape
        strides = tuple(math.prod(sizes[d + 1 :]) for d in range(len(sizes)))
        return strides if dim is None else strides[dim]

    def __len__(self) -> int:
        return len(self.cells)

    def __bool__(self) -> bool:
        if all(e.is_Rational for e in self.cells.reshape(-1)) and self.cells.size == 1:
            return bool(self.cells.reshape(-1)[0] != 0)
        raise Undecided("the file's Python code depends on the values in a tensor")

    def __iter__(self) -> Any:
        return iter(self.unbind())

    def tolist(self) -> list[Any]:
        """As in torch."""
        return self.cells.tolist()

    # elements
    def mapped(self, function: Callable[..., sp.Expr], *others: Any, dtype: Dtype | None = None) -> Any:
        """The function of corresponding elements."""
        operands_of = [
            self.cells,
            *(o.cells if isinstance(o, Tensor) else _filled((), cell(o, self.exact)) for o in others),
        ]
        arrays: Any = np.broadcast_arrays(*operands_of)
        seen: dict[Any, sp.Expr] = {}
        out = np.empty(arrays[0].shape, dtype=object)
        flat = out.reshape(-1)
        for k, operands in enumerate(zip(*(a.reshape(-1) for a in arrays), strict=True)):
            if operands not in seen:
                seen[operands] = function(*operands)
            flat[k] = seen[operands]
        return self.like(flat.reshape(out.shape), dtype)

    def _arithmetic(self, other: Any, function: Callable[..., sp.Expr]) -> Any:
        dtype = other.dtype if isinstance(other, Tensor) and not self.dtype.is_floating_point else self.dtype
        dtype = FLOAT32 if dtype == BOOL else dtype
        return self.mapped(function, other, dtype=dtype)

    def __add__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: a + b)

    def __mul__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: a * b)

    def __sub__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: b - a)

    def __truediv__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Any:
        return self._arithmetic(other, lambda a, b: a**b)

    def __neg__(self) -> Any:
        return self.mapped(lambda a: -a)

    __radd__, __rmul__ = __add__, __mul__

    def __iadd__(self, other: Any) -> Any:
        return self.copy_(self + other)

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """As in torch."""
        t = self if min is None else self.mapped(nodes.upper, min)
        return t if max is None else t.mapped(nodes.lower, max)

    def _compared(self, relation: str, other: Any) -> Any:
        return self.mapped(lambda a, b: nodes.compare(relation, a, b), other, dtype=BOOL)

    def __gt__(self, other: Any) -> Any:
        return self._compared(">", other)

    def __lt__(self, other: Any) -> Any:
        return self._compared("<", other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(">=", other)

    def __le__(self, other: Any) -> Any:
        return self._compared("<=", other)

    def __eq__(self, other: Any) -> Any:
        return self._compared("==", other)

    def __ne__(self, other: Any) -> Any:
        return self._compared("!=", other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        if self.dtype == INT32 and other == 1:  # whether odd
            return self.mapped(lambda a: a - 2 * nodes.Whole(a / 2))
        return self.mapped(lambda a, b: a * b, other)

    def __or__(self, other: Any) -> Any:
        return self.mapped(nodes.either, other)

    def __invert__(self) -> Any:
        return self.mapped(lambda a: 1 - a)

    def __getattr__(self, name: str) -> Any:
        """Methods of one argument that `nodes.MEANING` has, and their forms in place."""
        if (meaning := nodes.MEANING.get(name.removesuffix("_"))) is None:
            raise AttributeError(f"the prover has no rule for Tensor.{name}; add one to verify/prove/tensors.py")
        if name.endswith("_"):
            return lambda: self.copy_(self.mapped(meaning))
        return lambda: self.mapped(meaning)

    def isnan(self) -> Any:
        """As in torch."""
        return self.like(_filled(self.shape, sp.S.Zero), BOOL)

    def detach(self) -> Any:
        """As in torch."""
        return self.like(self.cells.copy())

    # dtypes, memory, shapes
    def to(self, target: Any = None, *, dtype: Dtype | None = None, copy: bool = False) -> Any:
        """The same cells, of another dtype; a copy if asked for."""
        return self.like(self.cells.copy() if copy else self.cells, target if isinstance(target, Dtype) else dtype)

    def clone(self) -> Any:
        """As in torch."""
        return self.like(self.cells.copy())

    def new_full(self, shape: Sequence[int], value: Any) -> Any:
        """As in torch."""
        return self.like(_filled(tuple(shape), cell(value, self.exact)))

    def new_empty(self, *shape: Any, dtype: Dtype | None = None) -> Any:
        """As in torch."""
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return self.like(_filled(shape, sp.nan), dtype)

    def new_tensor(self, values: Sequence[Any]) -> Any:
        """As in torch."""
        return self.like(np.array([cell(v, self.exact) for v in values] + [None], dtype=object)[:-1])

    def fill_(self, value: Any) -> Any:
        """As in torch."""
        self.cells[...] = cell(value, self.exact)
        return self

    def copy_(self, other: Any) -> Any:
        """As in torch."""
        self.cells[...] = other.cells
        return self

    def as_strided(self, shape: Any, stride: Any) -> Any:
        """As in torch."""
        if tuple(shape) != self.shape or tuple(stride) != self.stride():
            raise NotImplementedError("as_strided to another shape")
        return self

    def view(self, *shape: Any) -> Any:
        """As in torch."""
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return self.like(self.cells.reshape(shape))

    reshape = view

    def view_as(self, other: Any) -> Any:
        """As in torch."""
        return self.view(other.shape)

    def flatten(self, start: int, end: int) -> Any:
        """As in torch."""
        end = end % self.dim()
        return self.view((*self.shape[:start], -1, *self.shape[end + 1 :]))

    def unflatten(self, dim: int, sizes: tuple[int, ...]) -> Any:
        """As in torch."""
        return self.view((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def expand(self, *shape: int) -> Any:
        """As in torch."""
        shape = tuple(self.shape[d] if n == -1 else n for d, n in enumerate(shape))
        return self.like(np.broadcast_to(self.cells, shape))

    def contiguous(self) -> Any:
        """As in torch."""
        return self.like(self.cells.copy())

    def unsqueeze(self, dim: int) -> Any:
        """As in torch."""
        return self.like(np.expand_dims(self.cells, dim))

    def t(self) -> Any:
        """As in torch."""
        return self.like(self.cells.T)

    def unbind(self, dim: int = 0) -> tuple[Any, ...]:
        """As in torch."""
        moved = np.moveaxis(self.cells, dim, 0)
        return tuple(self.like(moved[k : k + 1].reshape(moved.shape[1:])) for k in range(len(moved)))

    def split(self, sizes: Any) -> tuple[Any, ...]:
        """As in torch."""
        steps = [sizes] * -(-len(self) // sizes) if isinstance(sizes, int) else sizes
        ends = np.cumsum(steps)
        return tuple(self.like(self.cells[e - s : e]) for s, e in zip(steps, ends, strict=True))

    def __getitem__(self, index: Any) -> Any:
        return self.like(self.cells[index])

    # sums
    def sum(self, dim: Any = None) -> Any:
        """As in torch."""
        axes = tuple(range(self.dim())) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        axes = tuple(d % self.dim() for d in axes)
        rest = [d for d in range(self.dim()) if d not in axes]
        shape = tuple(self.shape[d] for d in rest)
        rows = self.cells.transpose(*rest, *axes).reshape(math.prod(shape), -1)
        out = np.empty(len(rows), dtype=object)
        for k, row in enumerate(rows):
            out[k] = total(row)
        return self.like(out.reshape(shape))

    def sum_to_size(self, shape: Any) -> Any:
        """As in torch."""
        shape = tuple(shape)
        lead = self.dim() - len(shape)
        axes = [*range(lead), *(d + lead for d, n in enumerate(shape) if n == 1 and self.shape[d + lead] > 1)]
        return (self.sum(tuple(axes)) if axes else self).view(shape)

    def cumsum(self, dim: int) -> Any:
        """As in torch."""
        return self.like(np.cumsum(self.cells, axis=dim))


def total(row: Any) -> sp.Expr:
    """The sum of expressions, each different one multiplied by how often it occurs."""
    counts: dict[sp.Expr, int] = {}
    for e in row:
        counts[e] = counts.get(e, 0) + 1
    return sp.Add(*(n * e for e, n in counts.items()))


def _filled(shape: tuple[int, ...], value: sp.Expr) -> Cells:
    array = np.empty(shape, dtype=object)
    array[...] = value
    return array
