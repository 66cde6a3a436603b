"""The stages of the compiler as functions, for a program or a notebook: what `learnact-gen` does."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import sympy as sp

from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit.header import read
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.resolve.sound import check
from learnact.errors import BadLaw
from learnact.files import cache_folder, write_whole
from learnact.importing import import_file

if TYPE_CHECKING:
    from torch import nn

    from learnact.compiler.derive.derivation import Derivation
    from learnact.compiler.emit import Source
    from learnact.compiler.lower import Program
    from learnact.compiler.verify import Report

Target = str | Activation
"""The `target` of every function: a SPEC such as `hermite:5` or `file.py:object:5`, or an activation."""


_loaded: dict[tuple[str, str, bool], type[nn.Module]] = {}  # by the declaration's digest, backend and leanness


def derive(target: Target, law: Law | None = None, *, preserve: bool = False) -> Derivation:
    """Solve every start of `target`, with its moments, under `law` (default: the family's); `preserve` as in `start`.

    Raises Divergent, NoClosedForm, and what `load` raises for a SPEC.
    """
    from learnact.compiler.derive import derive as derive_activation  # noqa: PLC0415

    return derive_activation(_activation(target), law, preserve=preserve)


def start(
    target: Target,
    name: str,
    *,
    sigma: float | str | sp.Expr = 1,
    law: Law | None = None,
    preserve: bool = False,
) -> dict[str, tuple[float, ...]]:
    """Parameter values of the start `name` of `target` under N(0, sigma^2), or under `law`: parameter -> values.

    Solved starts have E[F^2] = 1; with `preserve` E[F^2] = E[x^2], so that F propagates the second moment of its input
    unchanged, and fits are to s T(x/s), s^2 = E[x^2]. E[F'^2] = 1 in both, where an offset learns and the balance
    theorem has a solution; `derive` states the reason otherwise. For a normal law and a family whose starts follow the
    law's scale, `preserve` gives sigma F(x/sigma), F being the start for sigma = 1.

    Raises BadLaw for a sigma that is not positive, or for both sigma and law; UnknownName, NoStart, and what `derive`
    raises.
    """
    from learnact.compiler.declare.constants import evaluate  # noqa: PLC0415
    from learnact.compiler.derive import start as derive_start  # noqa: PLC0415

    if law is not None and sigma != 1:
        raise BadLaw(f"give either sigma={sigma} or law={law}, not both")
    solved = derive_start(_activation(target), name, law or normal(sigma), preserve=preserve)
    return {parameter: tuple(float(evaluate(v)) for v in values) for parameter, values in solved.values.items()}


def normal(sigma: float | str | sp.Expr) -> Normal:
    """N(0, sigma^2) with an exact sigma, read from its decimal digits: 0.55 is 11/20. Raises BadLaw, BadExpression."""
    from learnact.compiler.resolve.language import parse_constant  # noqa: PLC0415

    exact = sigma if isinstance(sigma, sp.Expr) else parse_constant(str(sigma), "sigma")
    if not exact.is_positive:
        raise BadLaw(f"sigma must be positive, found {exact}")
    return Normal(exact)


def lower(target: Target) -> Program:
    """F, F' and every dF/dparameter of `target` as straight-line statements. Raises what `load` raises for a SPEC."""
    from learnact.compiler.lower import lower as lower_activation  # noqa: PLC0415

    return lower_activation(_activation(target))


def emit(
    target: Target | Declaration,
    out: str | Path | None = None,
    *,
    force: bool = False,
    backend: str | None = None,
    lean: bool | None = None,
) -> Source:
    """Compile `target` to the source of a standalone torch module; with `out`, write it into that folder too.

    `backend` "both" adds Triton kernels for eager CUDA, "triton" makes CUDA an error where triton is not installed;
    the default is the declaration's, or "torch". `lean` leaves out what only makes eager code on a CPU faster; the
    default is the declaration's, or False.
    Raises BadExpression for a lean file with kernels, WriteError if the file exists with other content and `force` is not given.
    """
    from learnact.compiler.emit import emit as emit_activation  # noqa: PLC0415

    if isinstance(target, Activation):
        source = emit_activation(check(target), backend=backend or "torch", lean=bool(lean))
    else:
        declaration = target if isinstance(target, Declaration) else Declaration(spec=target)
        lean = declaration.lean if lean is None else lean
        declaration = replace(declaration, backend=backend or declaration.backend, lean=lean)
        source = emit_activation(
            declaration.activation(), origin=declaration.arguments, backend=declaration.backend, lean=declaration.lean
        )
    if out is not None:
        write_whole(Path(out) / source.filename, source.text, force=force)
    return source


def load(target: Target | Declaration) -> type[nn.Module]:
    """Compile `target` now and return the module's class; equal declarations give the same class object.

    The source is kept in `cache_folder()`, named by the digest of its body, and imported from there. Keep such a
    module by its state_dict, or emit the file: where nothing was loaded yet, a pickle does not find the class.

    Raises UnknownName, BadDegree or BadDeclaration for a SPEC that names no activation.
    """
    activation = target.activation() if isinstance(target, Declaration) else _activation(target)
    options = (target.backend, target.lean) if isinstance(target, Declaration) else ("torch", False)
    key = activation.digest, *options
    if key not in _loaded:
        source = emit(target)
        name = f"{source.names.slug}_{source.body}.py"
        path = write_whole(cache_folder() / name, source.text, force=True)
        module_name = f"learnact_cached_{path.stem}"  # the digest in it tells contents apart
        module = sys.modules.get(module_name) or import_file(path, module_name)
        _loaded[key] = getattr(module, source.names.cls)
    return _loaded[key]


def verify(target: str | Path | Activation | Declaration, *, quick: bool = False) -> Report:
    """Check emitted code against its declaration: `target` is an emitted file, or is compiled now.

    `quick` skips the check under torch.compile, which takes seconds. A failed check is in the report, not an exception.
    """
    from learnact.compiler.verify import verify as verify_file  # noqa: PLC0415

    if isinstance(target, Path) or (isinstance(target, str) and target.endswith(".py")):
        return verify_file(Declaration.read(read(Path(target)).arguments).activation(), Path(target), quick=quick)
    activation = target.activation() if isinstance(target, Declaration) else _activation(target)
    with tempfile.TemporaryDirectory(prefix="learnact-") as folder:
        source = emit(target, folder)
        return verify_file(activation, Path(folder) / source.filename, quick=quick)


def _activation(target: Target) -> Activation:
    return check(target) if isinstance(target, Activation) else resolve(target)
