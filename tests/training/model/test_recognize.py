"""Which modules are activations: by class, by structure, by their values; what is left is said."""

from __future__ import annotations

import functools
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from learnact.generated import Hermite3
from learnact.training.errors import BadModel
from learnact.training.model import known
from learnact.training.model.recognize import is_activation, left_in, looks_like_activation
from learnact.training.model.swap import swap


class GELU(nn.Module):
    """As timm writes it: an argument for working in place, no children."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x)


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(x.sigmoid())


class HardSwish(nn.Module):
    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        return x * F.relu6(x + 3.0) / 6.0


class ErfGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0.5 * (1.0 + torch.erf(x / 2.0**0.5))


class Leaky(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, 0.2 * x)


class OwnReLU(nn.ReLU):
    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0)


class Sub(nn.GELU):
    pass


@pytest.mark.parametrize("module", [GELU(), Swish(), HardSwish(), ErfGELU(), Leaky(), OwnReLU(), Sub()], ids=repr)
def test_hidden_activations_of_any_library_are_found(module: nn.Module) -> None:
    assert is_activation("act", module)
    model = nn.Sequential(nn.Linear(2, 2), module)
    assert [s.path for s in swap(model, Hermite3)] == ["1"]


class RMSNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.square().mean(-1, keepdim=True).add(1e-6).rsqrt()


class Softmax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(-1)


class DropPath(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.bernoulli(x.new_full((), 0.5)) if self.training else x


class Attention(nn.Module):
    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0


class ReGLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        return a.relu() * b


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten()


class Neighbour(nn.Module):
    """ReLU of the entry before: of the right shape, and not pointwise."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x.roll(1, -1))


class Exploding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("not for a grid")


OTHERS = [RMSNorm(), Softmax(), DropPath(), Attention(), Double(), ReGLU(), Flat(), Neighbour(), Exploding()]


@pytest.mark.parametrize("module", OTHERS, ids=repr)
def test_what_is_not_pointwise_or_is_a_line_is_no_activation(module: nn.Module) -> None:
    assert not looks_like_activation(module)


class Tanh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Bump(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-x * x)


class Snake(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.a * x).square() / self.a


def test_what_looks_like_an_activation_and_is_left_is_reported() -> None:
    model = nn.Sequential(nn.GELU(), Tanh(), Bump(), Snake(), nn.Sigmoid(), Hermite3())
    with pytest.warns(UserWarning, match=r"2 \(Bump: .*no known function\); 3 \(Snake: .*parameters"):
        swapping = swap(model, Hermite3)
    assert [left.path for left in swapping.left] == ["1", "2", "3", "4", "5"]
    assert [left.surprising for left in swapping.left] == [False, True, True, False, False]
    with pytest.raises(BadModel, match=r"looks like an activation: 1 \(Tanh: computes tanh\)"):
        swap(nn.Sequential(nn.Linear(2, 2), Tanh()), Hermite3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [s.path for s in swap(nn.Sequential(nn.GELU(), Snake()), Hermite3, Snake)] == ["1"]


def test_a_probe_changes_neither_module_nor_random_state() -> None:
    class Noting(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return F.relu(x) + 0.0 * torch.rand(())

    module = Noting().train()
    before = torch.get_rng_state()
    assert is_activation("", module)
    assert (module.calls, module.training) == (0, True)
    assert torch.equal(torch.get_rng_state(), before)


def test_meta_and_large_modules_are_not_tried() -> None:
    big = Snake()
    big.register_buffer("table", torch.zeros(5000))
    assert not looks_like_activation(big)
    assert not looks_like_activation(Snake().to("meta"))


def test_torchscript_is_reported_and_not_touched() -> None:
    model = nn.Sequential(nn.Linear(2, 2), torch.jit.script(nn.ReLU()))
    with pytest.raises(BadModel, match="TorchScript, swap before scripting"):
        swap(model, Hermite3)


def squared_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


def relu_loss(x: Tensor) -> Tensor:
    return F.relu(x).mean()


@pytest.mark.parametrize(
    "function",
    [F.relu, torch.relu, F.silu, functools.partial(F.gelu, approximate="tanh"), squared_relu],
    ids=["F.relu", "torch.relu", "silu", "tanh-gelu", "squared_relu"],
)
def test_functions_held_as_attributes_are_replaced(function: object) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act, self.loss, self.other = nn.Linear(4, 4), function, relu_loss, torch.tanh

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.fc(x))

    model = nn.ModuleList([Block(), Block()])
    x = torch.randn(3, 4)
    swapping = swap(model, Hermite3, run=lambda: [block(x) for block in model])
    assert [(s.path, s.old) for s in swapping] == [("0.act", function), ("1.act", function)]
    assert torch.equal(model[0](x), swapping[0].new(model[0].fc(x)))
    assert model.get_submodule("1.act") is swapping[1].new
    assert model[0].loss is relu_loss


def test_names_kept_as_strings_are_reported() -> None:
    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.activation, self.inner = "gelu_approx", nn.ReLU()

    assert [str(left) for left in left_in(Fused(), {"inner"})] == [
        "activation ('gelu_approx': a name by which the module may choose what it computes)"
    ]
    assert [left.path for left in left_in(nn.Sequential(nn.RNN(2, 2, nonlinearity="relu")), set())] == [
        "0.nonlinearity"
    ]


def test_every_known_function_is_told_from_every_other() -> None:
    functions = {**known._HIDDEN_BY_VALUE, **known._GATES_BY_VALUE}
    for name, function in functions.items():
        assert known.name_of(known.values(function)) == (name, name in known._HIDDEN_BY_VALUE)
    assert known.name_of(known.values(lambda x: F.gelu(1.01 * x))) is None


@pytest.mark.parametrize("match", ["act", (nn.ReLU, "act"), 3])
def test_a_match_that_is_none_is_refused(match: object) -> None:
    with pytest.raises(BadModel, match="match must be a module class"):
        swap(nn.Sequential(nn.ReLU()), Hermite3, match)
