"""A small project of a user: every public way into learnact, as a strict type checker and the interpreter see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import sympy as sp
import torch
from torch import Tensor, nn

import learnact
from learnact import Family, Normal, Start, calibrate, derive, emit, load, start, swap
from learnact.generated import Hermite5, Sinusoid
from learnact.symbols import gain, shift, x


def function(p: SimpleNamespace, n: Any) -> sp.Expr:
    """F(x) = offset + tilt x + bend sin(n x)."""
    return p.offset + p.tilt * x + p.bend * sp.sin(n * x)


def balanced(n: int, law: learnact.Law) -> dict[str, sp.Expr]:
    """F = gain (x + sin(n x) + shift)."""
    return {"offset": gain * shift, "tilt": gain, "bend": gain}


ripple = Family(
    name="ripple",
    title="Ripple",
    parameters={"offset": 1, "tilt": 1, "bend": 1},
    function=function,
    starts={"balanced": Start(balanced)},
    degrees=range(1, 4),
    law=Normal(),
)


class Block(nn.Module):
    """A layer, an emitted activation, and one that is compiled when it is asked for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.first = Hermite5(width, init="gelu", channel_dim=-1, device="cpu", dtype=torch.float32)
        self.second = load("hermite:2")(width)

    def forward(self, t: Tensor) -> Tensor:
        """Two layers' worth of activation."""
        y: Tensor = self.first.forward(self.layer(t))
        z: Tensor = self.second(y)
        return z


def attributes() -> tuple[str, int, str, tuple[str, ...], tuple[float, ...]]:
    """What a class says of itself."""
    return Hermite5.spec, Hermite5.degree, Sinusoid.law, Sinusoid.starts, Hermite5.moments["balanced"]


def main() -> None:
    """Use it all once."""
    activation: learnact.Activation = ripple.at(2)
    derivation: learnact.Derivation = derive(activation, Normal(sp.Rational(1, 2)))
    source: learnact.Source = emit(activation)
    values: dict[str, tuple[float, ...]] = start("hermite:2", "balanced", sigma=0.5)
    model = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
    batch = torch.randn(64, 8)
    swapped = swap(model, Hermite5)
    calibrate(swapped, lambda: model(batch), lambda sigma: start("hermite:5", "balanced", sigma=sigma))
    text: str = source.text
    print(learnact.__version__, len(derivation.starts), len(text) > 0, sorted(values), attributes()[:2])
    print(tuple(Block(8)(batch).shape), tuple(model(batch).shape))


if __name__ == "__main__":
    main()
