"""From a SPEC to the activation: `hermite:5`, `sinusoid`, `path/to/file.py:object:5`, `package.module:object:5`."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from learnact.compiler import families
from learnact.compiler.declare.spec import Activation, Family
from learnact.compiler.resolve import residual, scaled, stretched
from learnact.compiler.resolve.classical import classical_family, classical_function, classical_names
from learnact.compiler.resolve.paths import split
from learnact.compiler.resolve.plugins import family_among, family_at, is_import_path, plugin, plugin_names
from learnact.compiler.resolve.sound import check
from learnact.errors import BadDeclaration, BadDegree, UnknownName, declared_code, one_line
from learnact.importing import import_file


def shipped_names() -> tuple[str, ...]:
    """Names of the families that ship with the compiler, sorted; none is imported."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(families.__path__) if not m.name.startswith("_")))


def family_names() -> tuple[str, ...]:
    """Names of all families that are installed, sorted: those that ship with the compiler and those of plugins."""
    return tuple(sorted({*shipped_names(), *plugin_names()}))


def is_family(name: str) -> bool:
    """Whether `family` knows the name; nothing of a plugin is imported."""
    plain = name.removeprefix(scaled.PREFIX)
    named = plain in (*family_names(), *classical_names())
    named = named or name.removeprefix(stretched.PREFIX) in family_names()
    return named or (name.startswith(residual.PREFIX) and name.removeprefix(residual.PREFIX) in classical_names())


def family(name: str) -> Family:
    """The family of this name: a classical function, a shipped family, a plugin's, in this order, or a form of one.

    `scaled_NAME` is scale f(stretch x) + offset of any of them without a gain of its own; `residual_NAME` a classical
    function with a learned Hermite correction; `stretched_NAME` unit f(x/unit) of a family, unit fixed. Raises
    UnknownName, and BadDeclaration for a plugin that does not work and a family that cannot be scaled or stretched.
    """
    if name in classical_names():
        return classical_family(name)
    if name in shipped_names():
        return getattr(importlib.import_module(f"{families.__name__}.{name}"), name)
    if name in plugin_names():
        return plugin(name)
    if name.startswith(scaled.PREFIX):
        return scaled.scaled(family(name.removeprefix(scaled.PREFIX)))
    if name.startswith(stretched.PREFIX) and (plain := name.removeprefix(stretched.PREFIX)) in family_names():
        return stretched.stretched(family(plain))
    if name.startswith(residual.PREFIX):
        plain = name.removeprefix(residual.PREFIX)
        return residual.residual(plain, classical_function(plain))
    raise UnknownName("family", name, (*family_names(), *classical_names()))


def spec_of_slug(slug: str) -> str:
    """The SPEC whose file name is this, `residual_relu2:3` for `residual_relu23`; the slug itself if there is none."""
    if is_family(slug):
        return slug
    for k in range(len(slug) - 1, 0, -1):
        name, digits = slug[:k], slug[k:]
        if digits.isascii() and digits.isdigit() and is_family(name):
            degrees = family(name).degrees
            if degrees is not None and int(digits) in degrees and digits == str(int(digits)):
                return f"{name}:{digits}"
    return slug


def resolve(spec: str) -> Activation:
    """The checked activation of a SPEC: `family`, `file.py:object` or `package.module:object`, then `:degree`.

    A file or module is the user's own Python and is executed. Raises UnknownName, BadDegree, and BadDeclaration for
    a file or module that cannot be imported or holds no such Family, and for a SPEC with a line break in it.
    """
    if not spec.isprintable():
        raise BadDeclaration(f"{spec!r} holds a line break or another character that does not print; leave it out")
    parts = split(spec)
    if parts is not None:
        name, *degree = parts[1].split(":")
        found = family_of_file(Path(parts[0]), name)
    elif spec.endswith(".py"):
        raise BadDeclaration(f"{spec!r} names no object; write {spec}:OBJECT or {spec}:OBJECT:DEGREE")
    else:
        name, *degree = spec.split(":")
        if not is_family(name) and is_import_path(name, *degree[:1]):
            if not degree:
                raise BadDeclaration(f"{spec!r} names no object; write {spec}:OBJECT or {spec}:OBJECT:DEGREE")
            module, name, *degree = spec.split(":")
            found = family_at(module, name)
        else:
            found = family(name)
    if len(degree) > 1:
        raise BadDegree(f"{spec!r} has {len(degree)} degrees; write one, as in '{name}:5'")
    number = _degree(spec, degree[0]) if degree else None
    with declared_code(f"{spec!r} cannot be built"):
        return check(found.at(number))


def family_of_file(path: Path, name: str) -> Family:
    """The Family called `name` in a user's Python file, which is executed. Raises BadDeclaration, UnknownName."""
    return family_among(vars(_execute(path)), name, str(path))


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
