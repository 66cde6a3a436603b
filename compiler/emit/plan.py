"""What generated/ holds: the golden set, its manifest and its lazy package file."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from learnact.compiler.declare.names import Names
from learnact.compiler.emit import emit
from learnact.compiler.emit.render import environment
from learnact.compiler.resolve.registry import family, resolve, shipped_names
from learnact.errors import BadDeclaration
from learnact.version import __version__

GENERATED = (
    "hermite:2", "hermite:3", "hermite:5", "hermite:8", "fourier:3", "fourier:6", "fourier_free:6", "tropical:3",
    "tropical:6", "tropical_rational:6", "chebyshev:5", "legendre:5", "sinusoid",
    "pwlu:16", "bspline:8",
)  # fmt: skip


def plan(specs: Sequence[str] = GENERATED, watch: Callable[[str, int], None] | None = None) -> dict[str, str]:
    """File name -> text of everything that generated/ holds. Raises whatever emission raises."""
    sources = []
    for spec in specs:
        if watch is not None:
            watch(spec, len(specs))
        sources.append(emit(resolve(spec)))
    manifest = {
        "compiler": __version__,
        "modules": {
            s.names.slug: {"spec": s.names.spec, "class": s.names.cls, "inputs": s.inputs, "body": s.body}
            for s in sources
        },
    }
    package = (
        environment()
        .get_template("package.py.jinja")
        .render(classes=sorted((s.names.cls, s.names.slug) for s in sources), families=families())
    )
    files = {s.filename: s.text for s in sources}
    return files | {"MANIFEST.json": json.dumps(manifest, indent=2) + "\n", "__init__.py": package}


def families() -> list[tuple[str, str, tuple[int, int] | None]]:
    """Each family's class name without a degree, its name, and its lowest and highest degree."""
    rows = []
    for name in shipped_names():
        degrees = family(name).degrees
        rows.append((Names.of(name, None).cls, name, None if degrees is None else (min(degrees), max(degrees))))
    return rows


def generated_folder() -> Path:
    """Where the committed compiler output lies: the package learnact.generated. Raises BadDeclaration."""
    spec = importlib.util.find_spec("learnact.generated")
    if spec is None or not spec.submodule_search_locations:
        raise BadDeclaration("the package learnact.generated is not installed; name the folder")
    return Path(next(iter(spec.submodule_search_locations)))
