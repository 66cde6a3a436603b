"""What elementary.py.jinja prints: helpers for functions of which Inductor's own are slow or lose digits on a CPU."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from learnact.compiler.emit import coefficients
from learnact.compiler.emit.layout import LINE

REQUIRES: dict[str, tuple[str, ...]] = {
    "_tanh": ("_falling", "_rest", "_signed", "_polynomial", "TANH"),
    "_sech2": ("_falling", "_rest", "_rest_slope"),
    "_logistic": ("_rest", "_rest_slope"),
    "_sigmoid": ("_rest",),
    "_softplus": ("_polynomial", "ATANH"),
    "_erf": ("_signed", "_polynomial", "ERF", "ERFC"),
    "_raised_erf": (),
    "_gelu": ("_bell", "_polynomial", "GELU"),
    "_gelu_slope": ("_bell", "_polynomial", "GELU_SLOPE"),
    "_expm1": ("_polynomial", "EXPM1"),
}
"""Helper -> all that it needs beside `_leave_to_torch`: helpers, and tables of `coefficients`."""

TABLES = ("TANH", "ATANH", "ERF", "ERFC", "GELU", "GELU_SLOPE", "EXPM1")


def elementary_context(called: Collection[str], *, sines: bool) -> dict[str, Any] | None:
    """Names of the helpers, and the tables as text; None if the file needs nothing of it, not even for its sines."""
    names = {n for helper in REQUIRES if helper in called for n in (helper, *REQUIRES[helper])}
    if not names and not sines:
        return None
    tables = []
    for name in TABLES:
        if name in names:
            texts = [repr(c) for c in getattr(coefficients, name)]
            flat = f"({', '.join(texts)})"
            tables.append(
                (name, flat if len(f"{name} = {flat}") <= LINE else "(\n    " + ",\n    ".join(texts) + ",\n)")
            )
    return {"names": names, "tables": tables, "root": coefficients.GELU_ROOT}
