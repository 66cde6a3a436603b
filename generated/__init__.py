"""Activations emitted by learnact-gen: `from learnact.generated import Hermite5`. Each file also stands alone."""

from importlib import import_module
from typing import Any

MODULES = {
    "Chebyshev5": "chebyshev5",
    "Fourier3": "fourier3",
    "Fourier6": "fourier6",
    "FourierFree6": "fourier_free6",
    "Hermite2": "hermite2",
    "Hermite3": "hermite3",
    "Hermite5": "hermite5",
    "Hermite8": "hermite8",
    "Legendre5": "legendre5",
    "Sinusoid": "sinusoid",
    "Tropical3": "tropical3",
    "Tropical6": "tropical6",
    "TropicalRational6": "tropical_rational6",
}
"""Class name -> module that holds it; a module is imported when its class is first asked for."""

__all__ = ["MODULES"]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
    raise AttributeError(f"learnact.generated has no {name!r}; it holds {', '.join(MODULES)}")


def __dir__() -> list[str]:
    return [*__all__, *MODULES]
