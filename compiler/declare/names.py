"""The names of an activation and of its emitted module, and the names that are reserved."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass

from learnact.errors import BadName


@dataclass(frozen=True)
class Names:
    """SPEC, slug and class name of one activation; the only place where they are made."""

    spec: str  # hermite:5
    slug: str  # hermite5: the file, the function and the test id
    cls: str  # Hermite5

    @classmethod
    def of(cls, family: str, degree: int | None, class_name: str | None = None) -> Names:
        """Names of `family:degree`; `class_name` replaces the derived class name. Raises BadName."""
        spec = family if degree is None else f"{family}:{degree}"
        if class_name is None:
            slug = family if degree is None else f"{family}{degree}"
            name = "".join(part[:1].upper() + part[1:] for part in family.split("_"))
            class_name = name if degree is None else f"{name}{degree}"
        else:
            check_identifier(class_name, "class name")
            slug = snake_case(class_name)
        for made, what in ((slug, "name"), (class_name, "class name")):
            check_identifier(made, what)
            if hasattr(builtins, made):
                raise BadName(f"the {what} {made!r} would hide Python's own; choose another")
            if made in IMPORTED:
                raise BadName(f"the {what} {made!r} is imported by the emitted module; choose another")
        if slug == class_name:
            raise BadName(f"the class name {class_name!r} must differ from its function's; begin it with a capital")
        return cls(spec, slug, class_name)


def snake_case(name: str) -> str:
    """TanhMix -> tanh_mix, Hermite5 -> hermite5."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


RESERVED = frozenset({"x", "torch", "nn", "Tensor", "self", "gain", "shift", "init", "degree", "law", "starts"})
RESERVED |= {
    "moments",
    "spec",
    "channel_dim",
    "num_parameters",
    "groups",
    "device",
    "dtype",
    "forward",
    "training",
    "grad",
}
RESERVED |= {
    "ERF",
    "STARTS",
    "CHUNK",
    "ROW",
    "SCALES",
    "SLOPES",
    "function",
    "parameters",
    "pi",
    "ctx",
    "value",
    "slope",
    "abs",
    "max",
    "min",
    "float",
    "len",
    "tuple",
    "learnable_activation",
    "reset_parameters",
    "empty",
    "unpack_dual",
}


IMPORTED = frozenset({"functools", "math", "Any", "NamedTuple", "triton", "tl", "libdevice"})
"""What an emitted file with kernels imports besides; a parameter may be called so, a class or function may not."""


def check_identifier(name: str, what: str) -> str:
    """Return `name` if emitted code can carry it. Raises BadName."""
    if not name.isidentifier() or not name.isascii():
        raise BadName(
            f"the {what} {name!r} is no identifier; use the letters a to z and A to Z, digits and underscores"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise BadName(f"the {what} {name!r} is a Python keyword; choose another")
    if name in RESERVED or name.startswith("_") or name.endswith("_"):
        raise BadName(f"the {what} {name!r} is taken by the emitted module; choose another")
    return name


MODULE_ATTRIBUTES = frozenset(
    "add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extra_repr "
    "float get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia "
    "named_buffers named_children named_modules named_parameters parameters register_buffer register_forward_hook "
    "register_module register_parameter requires_grad_ set_extra_state set_submodule share_memory state_dict to "
    "to_empty train type xpu zero_grad".split()
)
"""Public attributes of torch.nn.Module (the compiler does not import torch); a test keeps the list true."""


def check_parameter(name: str) -> str:
    """Return `name` if a parameter of the emitted module can carry it. Raises BadName."""
    if name in MODULE_ATTRIBUTES:
        raise BadName(f"the parameter {name!r} would hide torch.nn.Module.{name}; choose another")
    return check_identifier(name, "parameter")
