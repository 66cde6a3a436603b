"""Generated activations under names that transformers' configurations understand.

    GPT2Config(activation_function="learnact:hermite5")

Importing this module registers all generated classes; `register` adds any other class, or another start. A saved
model loads again after the same import, for its configuration holds the name and its weights hold the parameters.
"""

from __future__ import annotations

from typing import Any

from transformers.activations import ACT2FN

from learnact import generated
from learnact.errors import UnknownName

PREFIX = "learnact:"


def register(cls: Any, start: str = "") -> str:
    """Make a generated class known as `learnact:<module>`, `@<start>` added if it is not its first; return the name.

    Raises UnknownName for a start that the class does not have.
    """
    if start and start not in cls.starts:
        raise UnknownName(f"start of {cls.spec}", start, cls.starts)
    slug = cls.spec if ".py:" in cls.spec else cls.spec.replace(":", "")
    first = cls.starts[0]
    name = f"{PREFIX}{slug}" if start in {"", first} else f"{PREFIX}{slug}@{start}"
    ACT2FN[name] = (cls, {"init": start or first})
    return name


def register_generated() -> None:
    """Make every class of `learnact.generated` known, under each of its starts."""
    for name in generated.MODULES:
        cls = getattr(generated, name)
        for start in cls.starts:
            register(cls, start)


register_generated()
