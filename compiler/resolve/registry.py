"""From a SPEC to the activation: `hermite:5`, `sinusoid`, `path/to/file.py:object:5`."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from learnact.compiler import families
from learnact.compiler.declare.spec import Activation, Family
from learnact.compiler.resolve.sound import check
from learnact.errors import BadDeclaration, BadDegree, UnknownName, declared_code, one_line
from learnact.importing import import_file


def family_names() -> tuple[str, ...]:
    """Names of the families that ship with the compiler, sorted; none is imported."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(families.__path__) if not m.name.startswith("_")))


def family(name: str) -> Family:
    """The family of this name; only its module is imported. Raises UnknownName."""
    if name not in family_names():
        raise UnknownName("family", name, family_names())
    return getattr(importlib.import_module(f"{families.__name__}.{name}"), name)


def resolve(spec: str) -> Activation:
    """The checked activation of a SPEC: `family[:degree]` or `file.py:object[:degree]`.

    A file is the user's own Python and is executed. Raises UnknownName, BadDegree, and BadDeclaration for a file
    that cannot be imported or holds no such Family.
    """
    path, separator, rest = spec.partition(".py:")
    if separator:
        name, *degree = rest.split(":")
        found = family_of_file(Path(f"{path}.py"), name)
    elif spec.endswith(".py"):
        raise BadDeclaration(f"{spec!r} names no object; write {spec}:OBJECT or {spec}:OBJECT:DEGREE")
    else:
        name, *degree = spec.split(":")
        found = family(name)
    if len(degree) > 1:
        raise BadDegree(f"{spec!r} has {len(degree)} degrees; write one, as in '{name}:5'")
    number = _degree(spec, degree[0]) if degree else None
    with declared_code(f"{spec!r} cannot be built"):
        return check(found.at(number))


def family_of_file(path: Path, name: str) -> Family:
    """Execute a user's Python file and take the Family called `name` from it. Raises BadDeclaration, UnknownName."""
    found = {key: value for key, value in vars(_execute(path)).items() if isinstance(value, Family)}
    if name not in found:
        if not found:
            raise BadDeclaration(f"{path} holds no Family; declare one, `learnact-gen new NAME` writes an example")
        raise UnknownName(f"Family in {path}", name, found)
    return found[name]


def _degree(spec: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise BadDegree(f"the degree of {spec!r} must be a whole number, found {text!r}")
    return int(text)


def _execute(path: Path) -> ModuleType:
    """Import a file as a module named by the digest of its path: two files may have the same name."""
    if not path.is_file():
        raise BadDeclaration(f"there is no file {path}")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    try:
        return import_file(path, f"learnact_declared_{digest}")
    except (Exception, SystemExit) as err:  # whatever the user's code raises is the answer to "does it import?"
        raise BadDeclaration(f"{path} fails to import: {one_line(err)}") from err
