"""SymPy in, verified PyTorch out: declare a family, derive its starts, emit a module.

    from learnact.compiler import Family, Normal, derive, emit, load, start, verify

Every name is imported when first used; nothing here imports torch, `load` and `verify` do when called.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from learnact.compiler.api import derive, emit, load, lower, start, verify
    from learnact.compiler.errors import LearnactError
    from learnact.compiler.laws import Arcsine, Exponential, Normal, Uniform
    from learnact.compiler.spec import Activation, Basis, Family, Feature, Start
    from learnact.compiler.symbols import gain, shift, x

__all__ = [
    "Activation",
    "Arcsine",
    "Basis",
    "Exponential",
    "Family",
    "Feature",
    "LearnactError",
    "Normal",
    "Start",
    "Uniform",
    "derive",
    "emit",
    "gain",
    "load",
    "lower",
    "shift",
    "start",
    "verify",
    "x",
]

_HOMES = {
    "api": ("derive", "emit", "load", "lower", "start", "verify"),
    "errors": ("LearnactError",),
    "laws": ("Arcsine", "Exponential", "Normal", "Uniform"),
    "spec": ("Activation", "Basis", "Family", "Feature", "Start"),
    "symbols": ("gain", "shift", "x"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


class _Package(ModuleType):
    """A package whose functions `derive`, `lower`, `emit` and `verify` are called like the sub-packages behind them.

    The import system binds a loaded sub-package to its parent's attribute; here the function keeps that name, and
    the sub-package's content is reached by `from learnact.compiler.derive import ...`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{self.__name__}.{_HOME_OF[name]}"), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
