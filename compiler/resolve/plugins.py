"""Families that other packages bring: by the entry-point group `learnact.families`, or by their import path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from learnact.compiler.declare.spec import Family
from learnact.errors import BadDeclaration, UnknownName, one_line

GROUP = "learnact.families"
"""In a package's pyproject.toml: [project.entry-points."learnact.families"], then wave = "package.module:wave"."""


def plugin_names() -> tuple[str, ...]:
    """Names of the families that installed packages declare, sorted; none is imported."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def plugin(name: str) -> Family:
    """Import the family that an installed package declares under this name.

    Raises BadDeclaration when two packages declare it, when its import fails, or when it is no Family of that name.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if len(found) != 1:
        owners = " and ".join(sorted(map(_owner, found.values())))
        raise BadDeclaration(
            f"the family {name!r} is declared by {owners}; write one by its import path, {' or '.join(sorted(found))}"
        )
    (entry,) = found.values()
    where = f"the family {name!r} of {_owner(entry)}, {entry.value},"
    try:
        family = entry.load()
    except (Exception, SystemExit) as err:  # whatever the package's code raises is the answer to "does it import?"
        raise BadDeclaration(f"{where} fails to import: {one_line(err)}") from err
    if not isinstance(family, Family):
        raise BadDeclaration(f"{where} is no Family but {type(family).__name__}")
    if family.name != name:  # emitted files state a family's own name, and are read again by it
        raise BadDeclaration(f"{where} calls itself {family.name!r}; its entry point must have the same name")
    return family


def is_import_path(module: str, name: str = "") -> bool:
    """Whether `module:name` can only be meant as an import path: a dotted module, or a module that is installed."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    if len(parts) > 1:
        return True
    return name.isidentifier() and (module in sys.modules or importlib.util.find_spec(module) is not None)


def family_at(module: str, name: str) -> Family:
    """Import a module and take the Family called `name` from it. Raises BadDeclaration, UnknownName."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name is None or not f"{module}.".startswith(f"{err.name}."):
            raise BadDeclaration(f"{module} fails to import: {one_line(err)}") from err
        raise BadDeclaration(
            f"there is no module {err.name!r} to import {module}:{name} from; install its package, or name its file: "
            f"{module.replace('.', '/')}.py:{name}"
        ) from err
    except (Exception, SystemExit) as err:  # as above
        raise BadDeclaration(f"{module} fails to import: {one_line(err)}") from err
    return family_among(vars(found), name, module)


def family_among(values: Mapping[str, object], name: str, where: str) -> Family:
    """The Family called `name` among a module's values. Raises BadDeclaration, UnknownName."""
    found = {key: value for key, value in values.items() if isinstance(value, Family)}
    if name not in found:
        if not found:
            raise BadDeclaration(f"{where} holds no Family; declare one, `learnact-gen new NAME` writes an example")
        raise UnknownName(f"Family in {where}", name, found)
    return found[name]


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
