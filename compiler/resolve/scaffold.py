"""A commented family file to start from; it can be emitted as it stands."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from string import Template

from learnact.compiler.declare.names import check_identifier
from learnact.compiler.resolve.registry import shipped_names
from learnact.errors import BadName

FAMILY = Template('''\
"""$title: one line on what it is and why it may be good."""

import sympy as sp

from learnact import Family, Normal, Start
from learnact.symbols import gain, shift, x


def function(p, n):
    """F(x): the truth that derivation, emitted code and verification all answer to.

    `x` is the input, `p` the parameters by name (a list of symbols, or one symbol for a length of 1), `n` the degree.
    """
    return p.offset + sum(a * sp.cos(k * x) / k**2 for k, a in enumerate(p.coefficients, start=1)) + p.tilt * x


def balanced(n, law):
    """Write F = gain * (g + shift); the compiler solves both so that E[F^2] = E[F'^2] = 1 when x follows `law`."""
    return {"offset": gain * shift, "coefficients": [gain] * n, "tilt": gain}


$name = Family(
    name="$name",
    title="$title",
    formula="offset + tilt x + sum_{k=1..n} coefficients_k cos(k x)/k^2",  # for people
    parameters={"offset": 1, "coefficients": lambda n: n, "tilt": 1},  # name -> length, in this order
    function=function,
    starts={"balanced": Start(balanced, note="equal coefficients")},  # the first is the default
    degrees=range(1, 9),  # None for a family without a degree; then write $spec without :DEGREE
    law=Normal(),  # what x is assumed to follow: Normal, Uniform, Arcsine or Exponential
    domain="all x",  # where it is meant to be used, and how it grows outside
    reference="",
)

# learnact-gen derive $spec:3
# learnact-gen emit   $spec:3
# learnact-gen verify $spec:3
''')


TAKEN = frozenset({"sp", "Family", "Normal", "Start", "function", "balanced"})
"""Names that the file uses besides the family's."""


def family_file(name: str, path: str) -> str:
    """Text of a file at `path` that declares the family `name`. Raises BadName."""
    check_identifier(name, "family name")
    if name in TAKEN:
        raise BadName(f"the family name {name!r} is used by the file itself; choose another")
    if name in shipped_names():
        raise BadName(f"the family name {name!r} is taken by a family that ships with the compiler; choose another")
    for module in (name, Path(path).stem):
        _check_module(module)
    title = name.replace("_", " ").capitalize()
    return FAMILY.substitute(name=name, title=title, spec=f"{path}:{name}")


def _check_module(name: str) -> None:
    """A file of a module's name hides the module from whatever runs in the file's folder. Raises BadName."""
    if name in sys.stdlib_module_names:
        raise BadName(f"{name}.py would hide Python's own module {name!r}; choose another name")
    if name in packages_distributions():
        raise BadName(f"{name}.py would hide the installed package {name!r}; choose another name")
