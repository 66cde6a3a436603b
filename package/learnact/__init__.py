"""Learnable activation functions: SymPy in, verified PyTorch out.

    from learnact import Family, Normal, Start, derive, emit, load, start, verify     declare and compile
    from learnact import swap, calibrate                                              put into a model
    from learnact.generated import Hermite5                                           ready-made modules
    from learnact.symbols import gain, shift, x                                       what declarations are written in

Every name is imported when first used: `import learnact` loads neither SymPy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from learnact.version import __version__

if TYPE_CHECKING:
    from learnact.compiler.analyse.ask import gain, maps
    from learnact.compiler.analyse.gains import Gains
    from learnact.compiler.analyse.maps import Maps
    from learnact.compiler.api import derive, emit, frozen_expression, load, lower, start, verify, verify_against
    from learnact.compiler.declare.basis import Basis, Feature, HingeFit, LinearFit
    from learnact.compiler.declare.constraints import Between, Fixed, Positive
    from learnact.compiler.declare.grid import Grid, Hinge
    from learnact.compiler.declare.laws import Arcsine, Exponential, Law, Normal, Uniform
    from learnact.compiler.declare.spec import Activation, Family, Start
    from learnact.compiler.derive.derivation import Derivation
    from learnact.compiler.emit.source import Source
    from learnact.compiler.explain.plot_module import plot
    from learnact.compiler.lower.program import Program
    from learnact.compiler.resolve.classical import classical_names
    from learnact.compiler.resolve.declaration import Declaration
    from learnact.compiler.resolve.registry import family_names, is_family, spec_of_slug
    from learnact.compiler.resolve.shaped import start_conditions
    from learnact.compiler.verify.against import Judgement
    from learnact.compiler.verify.report import Report
    from learnact.errors import LearnactError
    from learnact.training.model.calibrate import calibrate
    from learnact.training.model.channels import swap_per_channel
    from learnact.training.model.learnable import activation_parameters, is_learnable, parameter_groups
    from learnact.training.model.swap import swap

__all__ = [
    "Activation",
    "Arcsine",
    "Basis",
    "Between",
    "Declaration",
    "Derivation",
    "Exponential",
    "Family",
    "Feature",
    "Fixed",
    "Gains",
    "Grid",
    "Hinge",
    "HingeFit",
    "Judgement",
    "Law",
    "LearnactError",
    "LinearFit",
    "Maps",
    "Normal",
    "Positive",
    "Program",
    "Report",
    "Source",
    "Start",
    "Uniform",
    "__version__",
    "activation_parameters",
    "calibrate",
    "classical_names",
    "derive",
    "emit",
    "family_names",
    "frozen_expression",
    "gain",
    "is_family",
    "is_learnable",
    "load",
    "lower",
    "maps",
    "parameter_groups",
    "plot",
    "spec_of_slug",
    "start",
    "start_conditions",
    "swap",
    "swap_per_channel",
    "verify",
    "verify_against",
]

_MODULES = {
    "compiler.api": (
        "derive",
        "emit",
        "frozen_expression",
        "load",
        "lower",
        "start",
        "verify",
        "verify_against",
    ),
    "compiler.analyse.ask": ("gain", "maps"),
    "compiler.analyse.gains": ("Gains",),
    "compiler.analyse.maps": ("Maps",),
    "compiler.declare.constraints": ("Between", "Fixed", "Positive"),
    "compiler.declare.laws": ("Arcsine", "Exponential", "Law", "Normal", "Uniform"),
    "compiler.declare.basis": ("Basis", "Feature", "HingeFit", "LinearFit"),
    "compiler.declare.grid": ("Grid", "Hinge"),
    "compiler.declare.spec": ("Activation", "Family", "Start"),
    "compiler.derive.derivation": ("Derivation",),
    "compiler.emit.source": ("Source",),
    "compiler.explain.plot_module": ("plot",),
    "compiler.lower.program": ("Program",),
    "compiler.resolve.classical": ("classical_names",),
    "compiler.resolve.declaration": ("Declaration",),
    "compiler.resolve.registry": ("family_names", "is_family", "spec_of_slug"),
    "compiler.resolve.shaped": ("start_conditions",),
    "compiler.verify.against": ("Judgement",),
    "compiler.verify.report": ("Report",),
    "errors": ("LearnactError",),
    "training.model.calibrate": ("calibrate",),
    "training.model.channels": ("swap_per_channel",),
    "training.model.learnable": ("activation_parameters", "is_learnable", "parameter_groups"),
    "training.model.swap": ("swap",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # a type checker would take it for leave to import any name

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'learnact' has no attribute {name!r}; it has {', '.join(__all__)}")
        value = globals()[name] = getattr(import_module(f"learnact.{_MODULE_OF[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
