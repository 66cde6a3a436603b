"""Read and execute an emitted file alone: by its path, under a name of its own, without a bytecode cache."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ALLOWED_IMPORTS = frozenset({"__future__", "functools", "math", "torch", "triton", "typing"})
"""What an emitted file may import: torch, triton, and what every Python carries that touches nothing outside."""

_serial = itertools.count()


class _Uncached(SourceFileLoader):
    """Compiles the text anew each time: a cache keyed by time and size would confuse two files of one second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@dataclass(frozen=True)
class Text:
    """The emitted file as text: its header comment and everything below it."""

    header: tuple[str, ...]
    body: str

    @classmethod
    def of(cls, source: str) -> Text:
        """Split at the first line that is no comment."""
        header = tuple(itertools.takewhile(lambda line: line.startswith("#"), source.splitlines(keepends=True)))
        return cls(tuple(line.rstrip("\n") for line in header), source[sum(map(len, header)) :])

    def digest(self, of: str) -> str | None:
        """The 16 hexadecimal digits that the header states for `of` ("inputs", "body"), or None."""
        for line in self.header:
            match = re.match(rf"#\s+{of}\s+sha256:([0-9a-f]{{16}})\b", line)
            if match:
                return match.group(1)
        return None

    @property
    def body_digest(self) -> str:
        """What the header must state for the body."""
        return hashlib.sha256(self.body.encode()).hexdigest()[:16]

    def imports(self) -> set[str]:
        """Top-level names of every module that is imported anywhere in the file. Raises SyntaxError."""
        names: set[str] = set()
        for node in ast.walk(ast.parse(self.body)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add("." * node.level + (node.module or "").split(".")[0])
        return names


@contextmanager
def executed(path: Path) -> Iterator[ModuleType]:
    """Run the file as a module that is known to the interpreter only inside the `with` block."""
    name = f"learnact_subject_{next(_serial)}"
    loader = _Uncached(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # a loader is given, so a spec is returned
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
