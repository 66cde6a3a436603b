"""Emit: a Program and its Derivation become one standalone torch module."""

from __future__ import annotations

from pathlib import Path

from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation, derive
from learnact.compiler.emit.render import render
from learnact.compiler.emit.source import Source
from learnact.compiler.lower import lower
from learnact.files import write_whole

__all__ = ["Source", "emit", "write"]


def emit(
    activation: Activation,
    derivation: Derivation | None = None,
    *,
    origin: str | None = None,
    backend: str = "torch",
) -> Source:
    """Compile an activation to source text; `origin` is what the header says was asked for.

    `backend` "torch" leaves Triton kernels out; "both" uses them on CUDA where triton is installed, "triton" always.

    Raises any LearnactError of the stages before.
    """
    asked = activation.names.spec if backend == "torch" else f"{activation.names.spec} --backend {backend}"
    return render(lower(activation), derivation or derive(activation), origin or asked, backend)


def write(source: Source, folder: Path, *, force: bool = False) -> Path:
    """Write the file whole or not at all. Raises WriteError."""
    return write_whole(Path(folder) / source.filename, source.text, force=force)
