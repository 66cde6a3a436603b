"""A declaration in the words of the command line, which the header of an emitted file repeats."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from learnact.compiler.declare.spec import Activation
from learnact.compiler.resolve import paths
from learnact.compiler.resolve.expression import from_expression, parse_law, parse_params
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.resolve.shaped import Wanted
from learnact.compiler.resolve.sound import check
from learnact.errors import BadExpression, UnknownName

OPTIONS = ("--expr", "--param", "--name", "--law", "--start", "--backend")
FLAGS = ("--lean",)
BACKENDS = ("torch", "triton", "both")
"""Of emitted files: no kernels; kernels, required on CUDA; kernels where triton is installed."""


@dataclass(frozen=True)
class Declaration:
    """Either a SPEC or an expression with its parameters, either with a class name and a law.

    Raises BadExpression for options that exclude each other or lack another, UnknownName for an unknown backend.
    """

    spec: str | None = None  # hermite:5, file.py:object:5, package.module:object:5
    expr: str | None = None  # a*tanh(b*x) + c*x
    params: tuple[str, ...] = ()  # a=1, b=1 ...: start values of the expression's parameters
    name: str | None = None  # class name in place of the derived one; an expression needs it
    law: str | None = None  # uniform:pi, in place of the family's law
    start: str | None = None  # shaped,curvature=0.05: a start with conditions, the first of the activation's then
    backend: str = "torch"  # of the emitted file: one of BACKENDS
    lean: bool = False  # whether the emitted file lacks what only makes eager code on a CPU faster

    def __post_init__(self) -> None:
        if (self.spec is None) == (self.expr is None):
            raise BadExpression("give either a SPEC or --expr, not both and not neither")
        if self.expr is not None and self.name is None:
            raise BadExpression("--expr needs a class name; add e.g. --name TanhMix")
        if self.spec is not None and self.params:
            raise BadExpression(f"--param belongs to --expr; {self.spec!r} declares its parameters itself")
        emission_options(self.backend, self.lean)
        if self.start is not None and Wanted.read(self.start).shape is None:
            raise BadExpression(
                f"--start is for starts with conditions, such as shaped,curvature=0.1; found {self.start!r}"
            )

    @classmethod
    def read(cls, arguments: str) -> Declaration:
        """Parse `arguments`, as the property of that name writes them. Raises BadExpression, UnknownName."""
        try:
            words = shlex.split(arguments)
        except ValueError as err:
            raise BadExpression(f"cannot read the declaration {arguments!r}: {err}") from err
        given: dict[str, list[str]] = {option: [] for option in OPTIONS}
        specs: list[str] = []
        flags: list[str] = []
        rest = iter(words)
        for word in rest:
            if not word.startswith("--"):
                specs.append(word)
            elif word in FLAGS:
                flags.append(word)
            elif word not in given:
                raise UnknownName("option", word, (*OPTIONS, *FLAGS))
            else:
                given[word].append(next(rest, ""))
        single = ("--expr", "--name", "--law", "--start", "--backend")
        expr, name, law, start, backend = (_at_most_one(given[o], f"{o} in {arguments!r}") for o in single)
        spec = _at_most_one(specs, f"SPEC in {arguments!r}")
        chosen = "torch" if backend is None else backend
        lean = _at_most_one(flags, f"--lean in {arguments!r}") is not None
        return cls(spec, expr, tuple(given["--param"]), name, law, start, chosen, lean)

    @property
    def arguments(self) -> str:
        """Command-line arguments that give this declaration again."""
        words = [self.spec] if self.spec is not None else ["--expr", (self.expr or "").strip()]
        for param in self.params:
            words += ["--param", param]
        for option, value in (("--name", self.name), ("--law", self.law), ("--start", self.start)):
            words += [option, value] if value is not None else []
        return shlex.join([*words, *emission_options(self.backend, self.lean)])

    def as_seen_from(self, folder: Path) -> Declaration:
        """The same for the header of a file in `folder`: a file in the SPEC is relative to it."""
        return self if self.spec is None else replace(self, spec=paths.as_seen_from(folder, self.spec))

    def from_within(self, folder: Path) -> Declaration:
        """Undo `as_seen_from`: a file in the SPEC is relative to the current folder again."""
        return self if self.spec is None else replace(self, spec=paths.from_within(folder, self.spec))

    def activation(self) -> Activation:
        """The checked activation. Raises any LearnactError of `registry`, `expression`, `sound` and `spec`."""
        found = self._declared()
        return found if self.start is None else Wanted.read(self.start).on(found)

    def _declared(self) -> Activation:
        law = parse_law(self.law) if self.law is not None else None
        if self.expr is not None:
            return from_expression(self.expr, parse_params(self.params), self.name or "", law)
        found = resolve(self.spec or "")
        if law is not None:
            found = check(replace(found, family=replace(found.family, law=law)))
        return replace(found, class_name=self.name) if self.name is not None else found


def emission_options(backend: str, lean: bool) -> list[str]:
    """Command-line words for how a file is emitted.

    Raises UnknownName for another backend, BadExpression for a lean file with kernels.
    """
    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    if lean and backend != "torch":
        raise BadExpression(f"a lean file has no kernels: give either --lean or --backend {backend}")
    return (["--backend", backend] if backend != "torch" else []) + (["--lean"] if lean else [])


def _at_most_one(values: Sequence[str], what: str) -> str | None:
    if len(values) > 1:
        raise BadExpression(f"{len(values)} times {what}; give one")
    return values[0] if values else None
