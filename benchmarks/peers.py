"""Other people's activations, from their own packages where those are installed; nothing here is a dependency.

    pip install --no-deps --target peers torchortho==0.1.2 rational-activations==0.2.0 sympytorch==0.1.4
    PYTHONPATH=peers python -m benchmarks.speed

torchortho is licensed under the GPL: it is called, never copied.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.tables import installed

__all__ = ["PACKAGES", "Symbolic", "installed", "rational", "torchortho"]

PACKAGES = ("torchortho", "rational-activations", "sympytorch")


def torchortho(family: str, degree: int) -> nn.Module:
    """torchortho's Hermite, Fourier, Tropical or TropicalRational activation at its own start."""
    import torchortho as package  # noqa: PLC0415

    return getattr(package, f"{family}Activation")(degree)


def rational() -> nn.Module:
    """Padé activation unit of degrees 5 and 4 at its GELU start, from rational-activations."""
    from rational.torch import Rational  # noqa: PLC0415

    return Rational(approx_func="gelu", cuda=torch.cuda.is_available())


class Symbolic(nn.Module):
    """The Hermite sum as sympytorch translates it, every number of it learnable as that package has it."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        import sympy as sp  # noqa: PLC0415
        import sympytorch as package  # noqa: PLC0415

        x = sp.Symbol("x")
        terms = [0.6 * sp.hermite_prob(k, x) / sp.factorial(k) for k in range(degree + 1)]
        self.translated = package.SymPyModule(expressions=[sp.Add(*terms)])

    def forward(self, x: Tensor) -> Tensor:
        return self.translated(x=x)[..., 0]
