"""From whatever names an activation, a SPEC or an emitted class say, to what declares it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from weakref import WeakKeyDictionary

from learnact.compiler.declare.spec import Activation, Family
from learnact.compiler.emit import header
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.sound import check
from learnact.errors import BadTarget

if TYPE_CHECKING:
    from typing import TypeAlias

    from torch import nn

Target: TypeAlias = Union[str, Path, Activation, Declaration, "type[nn.Module]", "nn.Module"]
"""What every function takes: a SPEC such as `hermite:5`, an activation, a declaration, or an emitted file (a path that
ends in .py), class or module."""

EXPECTED = "expected a SPEC such as 'hermite:5', an Activation, a Declaration, or an emitted file, class or module"


_loaded: WeakKeyDictionary[type, Activation | Declaration] = WeakKeyDictionary()


def remember(cls: type, found: Activation | Declaration) -> None:
    """Note what a class was compiled from, for `declared`: of an Activation made in a program no header can say it."""
    _loaded[cls] = found


def declared(target: Target) -> Activation | Declaration:
    """The declaration behind `target`; an Activation is checked and stays one. Raises BadTarget, LearnactError."""
    if isinstance(target, Declaration):
        return target
    if isinstance(target, Activation):
        return check(target)
    if isinstance(target, str) and not target.endswith(".py"):
        return Declaration(spec=target)
    if (known := _remembered(target)) is not None:
        return known
    return header.declaration(file_of(target))


def activation_of(target: Target) -> Activation:
    """The checked activation that `target` names. Raises BadTarget, and any LearnactError of resolving it."""
    found = declared(target)
    return found.activation() if isinstance(found, Declaration) else found


def is_emitted(target: object) -> bool:
    """Whether `target` is an emitted file's path, class or module; what `load` compiled is not, it is emitted alike."""
    if isinstance(target, str):
        return target.endswith(".py")
    return not isinstance(target, (Activation, Declaration)) and _remembered(target) is None


def file_of(target: Any) -> Path:
    """The emitted file of a path, class or module. Raises BadTarget where there is none."""
    if isinstance(target, (str, Path)):
        return Path(target)
    if isinstance(target, Family):
        how = f"{target.name}.at()" if target.degrees is None else f"{target.name}.at({target.degrees[-1]})"
        raise BadTarget(f"{EXPECTED}; found the Family {target.name!r}: write {how}, or a SPEC")
    cls = target if isinstance(target, type) else type(target)
    if path := _emitted_file(cls):
        return path
    for base in cls.__mro__[1:]:
        if _emitted_file(base):
            raise BadTarget(
                f"{cls.__name__} extends the emitted {base.__name__} and may compute something else; pass "
                f"{base.__name__} if its declaration is meant"
            )
    if isinstance(target, type):
        found = f"the class {cls.__name__}, whose file was not written by learnact-gen"
    else:
        found = f"{' '.join(repr(target).split())[:60]} of type {cls.__name__}"
    raise BadTarget(f"{EXPECTED}; found {found}")


def emitted_class(target: Any) -> type[nn.Module] | None:
    """The class, if `target` is an emitted class or a module of one."""
    cls = target if isinstance(target, type) else type(target)
    return cls if _emitted_file(cls) else None


def is_declared(cls: type) -> bool:
    """Whether a class was emitted, or compiled by `load`."""
    return _remembered(cls) is not None or _emitted_file(cls) is not None


def _remembered(target: object) -> Activation | Declaration | None:
    return _loaded.get(target if isinstance(target, type) else type(target))


def _emitted_file(cls: type) -> Path | None:
    """The file of a class that the file's header and its attribute `spec` call emitted."""
    module = sys.modules.get(cls.__module__)
    path = Path(getattr(module, "__file__", None) or "")
    if "spec" not in vars(cls) or path.suffix != ".py" or not path.is_file():
        return None
    return path if header.parse(path.read_text(encoding="utf-8")) else None
