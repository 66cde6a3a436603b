"""From a declaration to a class in hand: emitted, verified, imported, its starts exact for any sigma."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sympy as sp
from torch import nn

from learnact import Activation, Declaration, emit, start, verify
from learnact.importing import import_file

if TYPE_CHECKING:
    from learnact import Report


@dataclass(frozen=True)
class Compiled:
    """One activation as a file on disk and the class in it."""

    activation: Activation
    path: Path
    cls: type[nn.Module]
    report: Report  # what the referee found

    @property
    def name(self) -> str:
        """What tables and curves call it."""
        return self.activation.names.slug

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def start(self, name: str, sigma: sp.Rational) -> dict[str, tuple[float, ...]]:
        """Parameter values of the start with E[F^2] = E[x^2] = sigma^2. Raises NoStart, UnknownName."""
        return start(self.activation, name, sigma=sigma, preserve=True)


def compile_into(folder: Path, declaration: Declaration) -> Compiled:
    """Emit the module into `folder` (over an older one), verify the file and import its class."""
    source = emit(declaration, folder, force=True)
    path = folder / source.filename
    return Compiled(declaration.activation(), path, import_class(path, source.names.cls), verify(path, quick=True))


def import_class(path: Path, name: str) -> type[nn.Module]:
    """Import a Python file and return the module class `name` in it. Raises ImportError and AttributeError."""
    cls: type[nn.Module] = getattr(import_file(path, path.stem), name)
    return cls
