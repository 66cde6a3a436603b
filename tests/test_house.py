"""The house: which room may import from which, no circles, and a referee that shares no code with what it judges."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "package/learnact"

SHARED = {"errors", "files", "importing", "version"}
"""Modules of the root package that everything but generated code may use; they import one another at most."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "importing": set(),
    "version": set(),
    "compiler.declare": set(),
    "symbols": {"compiler.declare"},
    "compiler.families": {"compiler.declare"},
    "compiler.resolve": {"compiler.declare", "compiler.families"},
    "compiler.derive": {"compiler.declare"},
    "compiler.lower": {"compiler.declare"},
    "compiler.emit": {"compiler.declare", "compiler.resolve", "compiler.derive", "compiler.lower"},
    "compiler.verify": {"compiler.declare"},
    "compiler.api": {
        "compiler.declare", "compiler.resolve", "compiler.derive", "compiler.lower", "compiler.emit", "compiler.verify",
    },
    "compiler.analyse": {"compiler.declare", "compiler.resolve", "compiler.derive", "compiler.emit", "compiler.api"},
    "compiler.explain": {
        "compiler.declare", "compiler.resolve", "compiler.derive", "compiler.emit", "compiler.api", "compiler.analyse",
    },
    "compiler.cli": {
        "compiler.declare", "compiler.resolve", "compiler.emit", "compiler.api", "compiler.analyse", "compiler.explain",
    },
    "generated": set(),
    "templates": set(),
    "training.errors": set(),
    "training.config": {"training.errors"},
    "training.lock": {"training.errors"},
    "training.data": {"training.errors", "training.config", "training.lock"},
    "training.model": {"learnact", "generated", "training.errors", "training.config", "training.data"},
    "transformers": {"training.model"},
    "training.run": {
        "learnact", "training.errors", "training.config", "training.lock", "training.data", "training.model",
    },
    "training.study": {
        "learnact", "training.errors", "training.config", "training.lock", "training.data", "training.model",
        "training.run",
    },
    "training.cli": {
        "learnact", "training.errors", "training.config", "training.lock", "training.data", "training.model",
        "training.run", "training.study",
    },
    "training.demo": {
        "learnact", "training.errors", "training.config", "training.lock", "training.data", "training.model",
        "training.run", "training.study",
    },
}  # fmt: skip
"""Room -> the rooms it may import from besides itself and SHARED; "learnact" is the public root, nothing behind it."""


SHOWS_ITSELF = {"compiler.derive.derivation imports compiler.explain.formats"}
"""A notebook asks the object itself how it is shown: `_repr_markdown_` of a Derivation, when it is called."""


def module_name(path: Path) -> str:
    """Dotted name below `learnact`, empty for the root's own `__init__`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


@cache
def sources() -> dict[str, Path]:
    """Every module of the package by its name below `learnact`; through the links that make one tree of the rooms."""
    rooms = [PACKAGE, *(path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")]
    files = [*PACKAGE.glob("*.py"), *(f for room in rooms[1:] for f in room.rglob("*.py"))]
    return {module_name(path): path for path in files}


def imports_of(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Every module below `learnact` that the file imports, anywhere; `at_import`: what is imported when it is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _executed(tree) if at_import else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "learnact":
            module = node.module.removeprefix("learnact").lstrip(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".lstrip(".")
                yield inner if inner in sources() else module or "learnact"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "learnact":
                    yield alias.name.removeprefix("learnact").lstrip(".") or "learnact"


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: no bodies of functions, nothing under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _executed(node)


def room_of(module: str) -> str:
    """The room of a module: the longest name in the table that it begins with."""
    parts = module.split(".")
    return next((r for n in range(len(parts), 0, -1) if (r := ".".join(parts[:n])) in MAY_IMPORT), module)


@pytest.mark.parametrize("room", [r for r in MAY_IMPORT])
def test_a_room_imports_only_from_rooms_before_it(room):
    inside = {name: path for name, path in sources().items() if room_of(name) == room}
    assert inside or room == "templates"
    allowed = {room} | MAY_IMPORT[room] | (SHARED if room not in {"generated", "templates"} else set())
    offending = {
        f"{name} imports {target}"
        for name, path in inside.items()
        for target in imports_of(path)
        if room_of(target) not in allowed
    }
    assert offending - SHOWS_ITSELF == set()


def test_every_module_has_a_room():
    homeless = {name for name in sources() if name and room_of(name) not in MAY_IMPORT}
    assert homeless == {"compiler", "training"}  # the packages themselves: a docstring


def test_the_table_lists_rooms_before_those_that_use_them():
    order = [*MAY_IMPORT, "learnact"]
    back = [
        f"{room} before {r}"
        for room, allowed in MAY_IMPORT.items()
        for r in allowed - {"learnact"}
        if order.index(r) > order.index(room)
    ]
    assert back == []


def test_modules_import_one_another_in_no_circle():
    edges = {
        name: {t for t in imports_of(path, at_import=True) if t != name} for name, path in sources().items() if name
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for target in sorted(edges.get(name, ())):
                visit(target, (*way, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def test_a_planted_import_is_seen(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    from learnact.compiler.lower import lower\n    from learnact import swap\n")
    assert list(imports_of(planted)) == ["compiler.lower", "learnact"]
    assert list(imports_of(planted, at_import=True)) == []
    assert room_of("compiler.lower.general") == "compiler.lower"
    assert room_of("compiler.lower") not in MAY_IMPORT["compiler.verify"]
