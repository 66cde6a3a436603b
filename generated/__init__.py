"""Activations emitted by learnact-gen: `from learnact.generated import Hermite5`. Each file also stands alone."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bspline8 import Bspline8
    from .chebyshev5 import Chebyshev5
    from .fourier3 import Fourier3
    from .fourier6 import Fourier6
    from .fourier_free6 import FourierFree6
    from .hermite2 import Hermite2
    from .hermite3 import Hermite3
    from .hermite5 import Hermite5
    from .hermite8 import Hermite8
    from .legendre5 import Legendre5
    from .pwlu16 import Pwlu16
    from .sinusoid import Sinusoid
    from .tropical3 import Tropical3
    from .tropical6 import Tropical6
    from .tropical_rational6 import TropicalRational6

__all__ = [
    "MODULES",
    "Bspline8",
    "Chebyshev5",
    "Fourier3",
    "Fourier6",
    "FourierFree6",
    "Hermite2",
    "Hermite3",
    "Hermite5",
    "Hermite8",
    "Legendre5",
    "Pwlu16",
    "Sinusoid",
    "Tropical3",
    "Tropical6",
    "TropicalRational6",
]

MODULES = {
    "Bspline8": "bspline8",
    "Chebyshev5": "chebyshev5",
    "Fourier3": "fourier3",
    "Fourier6": "fourier6",
    "FourierFree6": "fourier_free6",
    "Hermite2": "hermite2",
    "Hermite3": "hermite3",
    "Hermite5": "hermite5",
    "Hermite8": "hermite8",
    "Legendre5": "legendre5",
    "Pwlu16": "pwlu16",
    "Sinusoid": "sinusoid",
    "Tropical3": "tropical3",
    "Tropical6": "tropical6",
    "TropicalRational6": "tropical_rational6",
}
"""Class name -> module that holds it; a module is imported when its class is first asked for."""

FAMILIES = {
    "Bspline": ("bspline", (2, 32)),
    "Chebyshev": ("chebyshev", (1, 12)),
    "Even": ("even", (1, 6)),
    "Fourier": ("fourier", (1, 12)),
    "FourierFree": ("fourier_free", (1, 12)),
    "Gegenbauer": ("gegenbauer", (1, 12)),
    "Hermite": ("hermite", (1, 12)),
    "HermiteFunction": ("hermite_function", (1, 8)),
    "Laguerre": ("laguerre", (1, 12)),
    "Legendre": ("legendre", (1, 12)),
    "Polyrelu": ("polyrelu", (1, 6)),
    "Prelu": ("prelu", None),
    "Pwlu": ("pwlu", (2, 32)),
    "Rational": ("rational", (2, 7)),
    "Rbf": ("rbf", (2, 12)),
    "Sinusoid": ("sinusoid", None),
    "Snake": ("snake", None),
    "SnakeBeta": ("snake_beta", None),
    "Swish": ("swish", None),
    "Threshold": ("threshold", None),
    "Tropical": ("tropical", (1, 12)),
    "TropicalRational": ("tropical_rational", (1, 12)),
    "Xielu": ("xielu", None),
}
"""Class name without its degree -> family, and the lowest and highest degree that it can be compiled with."""

if not TYPE_CHECKING:  # a type checker would take it for leave to import any name

    def __getattr__(name: str) -> object:
        if name in MODULES:
            value = globals()[name] = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
            return value
        message = f"{__name__} has no {name!r}; {_advice(name)}"
        if name[:1].isupper():
            # `from learnact.generated import Hermit5` would discard the text of an AttributeError.
            raise ImportError(message, name=__name__)
        raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _advice(name: str) -> str:
    """What to write in place of a class name that is not here."""
    stem = name.rstrip("0123456789")
    if stem in FAMILIES and stem != name:
        family, degrees = FAMILIES[stem]
        if degrees is None:
            return f"the family {family} has no degree: {stem}"
        if degrees[0] <= int(name[len(stem) :]) <= degrees[1]:
            spec = f"{family}:{name[len(stem) :]}"
            return f"write learnact.load({spec!r}), or emit a file with: learnact-gen emit {spec}"
        return f"the family {family} has degrees {degrees[0]} to {degrees[1]}"
    near = get_close_matches(name, MODULES)
    return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(MODULES)}"
