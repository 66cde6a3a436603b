"""Portable sources: text is read and written as UTF-8 wherever the program runs, and no module of POSIX is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("training", "compiler", "package/learnact")
POSIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios"}
BYTES = {"os", "Image"}
"""What has an `open` that knows no encoding."""


def faults(source: str) -> Iterator[str]:
    """Every place of a source that depends on the system, as `line: what`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _reads_text(node) and "encoding" not in {k.arg for k in node.keywords}:
            yield f"{node.lineno}: {ast.unparse(node.func)} without encoding"
        imported = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            imported = [node.module or ""]
        yield from (f"{node.lineno}: {name} is of POSIX" for name in imported if name in POSIX_ONLY)


def _reads_text(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in {"read_text", "write_text", "fdopen"}:
        return True
    owner = function.value if isinstance(function, ast.Attribute) else None
    if name != "open" or (isinstance(owner, ast.Name) and owner.id in BYTES):
        return False
    place = 1 if owner is None else 0  # of the mode: open(path, mode), path.open(mode)
    modes = [*call.args[place : place + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)


@pytest.mark.parametrize("folder", FOLDERS)
def test_sources_depend_on_no_system(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py")) if "/" not in folder else sorted((ROOT / folder).glob("*.py"))
    assert files
    found = {str(f.relative_to(ROOT)): list(faults(f.read_text(encoding="utf-8"))) for f in files}
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("open('a')", True),
        ("open('a', 'w')", True),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("import fcntl", True),
        ("from pwd import getpwuid", True),
        ("open('a', 'rb')", False),
        ("path.open('ab')", False),
        ("path.open(mode='rb')", False),
        ("open('a', encoding='utf-8')", False),
        ("path.read_text(encoding='utf-8')", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("Image.open(path)", False),
    ],
)
def test_a_planted_fault_is_seen(source: str, seen: bool) -> None:
    assert bool(list(faults(source))) is seen
