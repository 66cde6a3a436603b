"""The product of `emit`: the text of one standalone module."""

from __future__ import annotations

from dataclasses import dataclass

from learnact.compiler.declare.names import Names


@dataclass(frozen=True)
class Source:
    """One emitted file."""

    text: str  # the whole file
    names: Names  # SPEC, slug and class name
    inputs: str  # first 16 hexadecimal digits: declaration, templates and compiler version
    body: str  # first 16 hexadecimal digits: every line below the header

    @property
    def filename(self) -> str:
        """hermite5.py."""
        return f"{self.names.slug}.py"
