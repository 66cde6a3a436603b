"""One root error, one class per cause. Every message says what was asked, what was found, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class LearnactError(Exception):
    """Root of every error that the compiler raises on purpose; the command line prints it as one line."""


class UnknownName(LearnactError):
    """A family, start, law or function name that does not exist; the nearest names are offered."""

    def __init__(self, kind: str, asked: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(asked, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {asked!r}; {hint}")


class BadTarget(LearnactError, TypeError):
    """An argument that names no activation, or is of a type that the function does not take."""


class BadDegree(LearnactError):
    """A degree outside the family's range, missing where one is needed, or given where there is none."""


class BadDeclaration(LearnactError):
    """A family whose parts contradict each other (basis against function, start against parameters …)."""


class BadExpression(LearnactError):
    """Text that is no expression of the closed language; names the token and what is allowed."""


class BadName(LearnactError):
    """A name that is no Python identifier, is a keyword, or hides one that the emitted module needs."""


class BadLaw(LearnactError):
    """An input law with a parameter out of range, or text that names no law."""


class UnsupportedNode(LearnactError):
    """A SymPy node that a backend's printer does not know."""


class NoProof(LearnactError):
    """An activation whose emitted file the prover does not follow."""


class NoClosedForm(LearnactError):
    """No rule of the exact engine applies (an answer by quadrature may still exist)."""


class Divergent(LearnactError):
    """The expectation does not exist, or cannot be shown to exist: never answered with a number."""


class Contradiction(LearnactError):
    """Two independent methods give different numbers for one quantity: neither is answered."""


class NoStart(LearnactError):
    """A named start that does not exist for this activation under this law, and why."""


class WriteError(LearnactError):
    """A target that exists already, or a folder that cannot be written."""


@contextmanager
def declared_code(what: str) -> Iterator[None]:
    """Run a declaration's own code. Raises BadDeclaration, with `what` and one line, for any error but ours."""
    try:
        yield
    except LearnactError:
        raise
    except Exception as err:
        raise BadDeclaration(f"{what}: {one_line(err)}") from err


def one_line(err: BaseException) -> str:
    """An exception's type and message on one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())}"
