"""Classical functions as families: `gelu`, which has no parameters."""

from __future__ import annotations

from learnact.compiler.declare.classical import CLASSICAL_FUNCTIONS, Classical
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x
from learnact.errors import UnknownName


def classical_names() -> tuple[str, ...]:
    """Names of the classical functions, sorted."""
    return tuple(sorted(CLASSICAL_FUNCTIONS))


def classical_function(name: str) -> Classical:
    """The classical function of this name. Raises UnknownName."""
    if name not in CLASSICAL_FUNCTIONS:
        raise UnknownName("classical function", name, classical_names())
    return CLASSICAL_FUNCTIONS[name]


def classical_family(name: str) -> Family:
    """The family of a classical function. Raises UnknownName."""
    f = classical_function(name)
    return Family(
        name=name,
        title=f.title,
        formula=f.formula,
        parameters={},
        function=lambda _p, _n: f.function(x),
        starts={"declared": Start(lambda _n, _law: {}, note="nothing to choose")},
        degrees=None,
        domain=f.domain,
        reference=f.reference,
    )
