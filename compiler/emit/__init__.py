"""Emit: a Program and its Derivation become one standalone torch module."""

from __future__ import annotations

import shlex
from pathlib import Path

from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation, derive
from learnact.compiler.emit.render import render
from learnact.compiler.emit.source import Source
from learnact.compiler.lower import lower
from learnact.compiler.resolve.declaration import emission_options
from learnact.errors import BadExpression
from learnact.files import write_whole

__all__ = ["Source", "emit", "write"]


def emit(
    activation: Activation,
    derivation: Derivation | None = None,
    *,
    origin: str | None = None,
    backend: str = "torch",
    lean: bool = False,
) -> Source:
    """Compile an activation to source text; `origin` is what the header says was asked for.

    `backend` "torch" leaves Triton kernels out; "both" uses them on CUDA where triton is installed, "triton" always.
    `lean` leaves out what only makes eager code on a CPU faster.

    Raises BadExpression for kernels in a lean file, without parameters or on a grid, and any LearnactError of the
    stages before.
    """
    options = emission_options(backend, lean)
    if backend != "torch" and not activation.parameters:
        raise BadExpression(
            f"{activation.names.spec} has no parameters, and kernels are emitted for learnable activations; "
            f"leave out --backend {backend}"
        )
    if backend != "torch" and activation.grid:
        raise BadExpression(
            f"{activation.names.spec} is read by index, and kernels are emitted for straight-line code; leave out "
            f"--backend {backend}"
        )
    asked = shlex.join([activation.names.spec, *options])
    return render(lower(activation), derivation or derive(activation), origin or asked, backend, lean=lean)


def write(source: Source, folder: Path, *, force: bool = False) -> Path:
    """Write the file whole or not at all. Raises WriteError."""
    return write_whole(Path(folder) / source.filename, source.text, force=force)
