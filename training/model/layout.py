"""Which dimension of a tensor counts channels: found where a layer makes them, followed through the forward pass.

    linear, matmul, embedding        the last dimension
    convolutions, batch/group norm   the first one before the spatial dimensions
    pointwise, dropout, sums         as in the input of the same shape
    views                            the dimension that has the same stride and size
    pooling, padding, cat, split     the same dimension of a tensor of the same rank

After anything else it is unknown, and the operation is remembered for the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils.weak import WeakIdKeyDictionary

LAST = frozenset(
    "linear matmul __matmul__ __rmatmul__ mm addmm bmm baddbmm grouped_mm _grouped_mm embedding bilinear".split()
)
"""Functions whose results have their channels in the last dimension."""

CONVOLUTIONS = {f"conv{n}d": n for n in (1, 2, 3)} | {f"conv_transpose{n}d": n for n in (1, 2, 3)}
"""Function -> number of spatial dimensions behind the channels."""

SECOND = frozenset("batch_norm instance_norm group_norm".split())
"""Norms that take dimension 1 for channels where nothing else is known; layer norms take the last one."""

LAYER_NORMS = frozenset("layer_norm rms_norm".split())

SPLITS = frozenset("chunk split narrow __getitem__ tensor_split split_with_sizes slice".split())
"""Views that may hold a part of the channels."""

SAME_RANK = frozenset(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d boolean_dispatch interpolate "
    "upsample pad cat concat mean sum amax amin index_select roll contiguous repeat_interleave glu to clone".split()
)
"""Operations that leave dimensions where they are."""

MIXING = frozenset("einsum tensordot fft ifft scaled_dot_product_attention multi_head_attention_forward".split())
"""Operations whose results may have an input's shape without its meaning."""


@dataclass(frozen=True)
class Channels:
    """Where the channels of a tensor are, and how many."""

    count: int
    dim: int  # -1 for the last one


class Tracer(TorchFunctionMode):
    """While it is active, notes the channel dimension of every tensor that torch functions return.

    `origin` says by which operation an unknown tensor was made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dims: Any = WeakIdKeyDictionary()  # tensor -> index of its channel dimension
        self.origin: Any = WeakIdKeyDictionary()

    def channels(self, x: Tensor) -> Channels | None:
        """The channels of x, if they are known."""
        dim = self.dims.get(x)
        if dim is None:
            return None
        return Channels(x.shape[dim], -1 if dim == x.dim() - 1 else dim)

    def pass_on(self, inputs: object, output: object, name: str) -> None:
        """Note what a module that hides its functions (a custom autograd Function) returns, as if it were pointwise."""
        for out in _tensors(output):
            if out not in self.dims and out not in self.origin:
                self._note(name, list(_tensors(inputs)), out)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        name = str(getattr(func, "__name__", "") or resolve_name(func) or func)
        if name in {"__get__", "__set__"}:
            attribute = getattr(getattr(func, "__self__", None), "__name__", name)
            name = str(attribute)
        outputs = list(_tensors(output))
        if outputs:
            inputs = [t for t in _tensors((args, kwargs or {}))]
            for out in outputs:
                self._note(name, inputs, out)
        return output

    def _note(self, name: str, inputs: list[Tensor], output: Tensor) -> None:
        dim = self._dim(name.removesuffix("_") if not name.startswith("__") else name, inputs, output)
        if dim is None:
            self.dims.pop(output, None)
            lost = [self.origin[t] for t in inputs if t in self.origin and t not in self.dims]
            self.origin[output] = lost[0] if lost else name
        else:
            self.dims[output] = dim

    def _dim(self, name: str, inputs: list[Tensor], output: Tensor) -> int | None:
        if output.dim() == 0:
            return None
        if name in LAST:
            return output.dim() - 1
        if name in CONVOLUTIONS:
            return output.dim() - 1 - CONVOLUTIONS[name]
        if name in MIXING:
            return output.dim() - 1 if name == "scaled_dot_product_attention" else None
        known = [(t, self.dims[t]) for t in inputs if t in self.dims]
        for x, dim in known:
            if x is output:
                return int(dim)
        if name in SECOND or name in LAYER_NORMS:
            default = output.dim() - 1 if name in LAYER_NORMS else 1
            return int(known[0][1]) if known and known[0][0].shape == output.shape else default
        for x, dim in known:
            if _is_view(x, output):
                return _same_stride(x, int(dim), output, name in SPLITS)
        ranks = name in SAME_RANK or name in SPLITS
        found = {
            int(dim)
            for x, dim in known
            if x.shape == output.shape or (ranks and x.dim() == output.dim()) or _broadcasts(x, output, name)
        }
        return found.pop() if len(found) == 1 else None


def _broadcasts(x: Tensor, output: Tensor, name: str) -> bool:
    """Whether an operand of the same rank was spread over dimensions of size 1, as in a squeeze-and-excitation."""
    elementwise = name.strip("_") in {"add", "sub", "mul", "div", "truediv", "radd", "rmul", "iadd", "imul", "where"}
    return elementwise and x.dim() == output.dim()


def _is_view(x: Tensor, output: Tensor) -> bool:
    if x is output or x.is_nested or output.is_nested or (x.shape == output.shape and x.stride() == output.stride()):
        return False
    try:
        return x.untyped_storage().data_ptr() == output.untyped_storage().data_ptr() != 0
    except (NotImplementedError, RuntimeError):
        return False


def _same_stride(x: Tensor, dim: int, output: Tensor, part: bool) -> int | None:
    """Dimension of a view that steps through memory as `dim` of x does; of its size, or of any if it may be a part."""
    size, stride = x.shape[dim], x.stride(dim)
    found = [
        d
        for d in range(output.dim())
        if output.stride(d) == stride and (output.shape[d] == size or (part and output.shape[d] > 1))
    ]
    return found[0] if len(found) == 1 else None


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if not isinstance(value, nn.Parameter):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _tensors(inner)
