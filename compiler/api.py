"""The stages of the compiler as functions, for a program or a notebook: what `learnact-gen` does."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit.header import read
from learnact.compiler.emit.target import Target, activation_of, declared, emitted_class, file_of, is_emitted, remember
from learnact.compiler.resolve.declaration import Declaration
from learnact.errors import BadDeclaration, BadExpression, BadLaw, BadTarget, declared_code
from learnact.files import cache_folder, write_whole
from learnact.importing import import_file

if TYPE_CHECKING:
    from torch import nn

    from learnact.compiler.derive.derivation import Derivation
    from learnact.compiler.emit import Source
    from learnact.compiler.lower import Program
    from learnact.compiler.resolve.number import Number
    from learnact.compiler.verify import Report
    from learnact.compiler.verify.against import Judgement

Watch = Callable[[str, int], None]
"""Called before each step of what takes seconds, with the step's name and how many there are."""

_loaded: dict[tuple[str, str, bool], type[nn.Module]] = {}  # by the declaration's digest, backend and leanness


def derive(
    target: Target,
    law: Law | str | None = None,
    *,
    preserve: bool = False,
    free: Sequence[str] = (),
    watch: Watch | None = None,
) -> Derivation:
    """Solve every start of `target`, with its moments, under `law`; `preserve` as in `start`.

    `free` names classical functions that all parameters are fitted to besides, each the start free_NAME.

    `target` is whatever names an activation: a SPEC such as `hermite:5`, `file.py:object:5` or
    `package.module:object:5`, an Activation, a Declaration, or an emitted file, class or module. `law` is a Law or
    text such as `uniform:pi`; the default is the family's. `watch(name, count)` is called before each of the
    `count` starts.
    Raises BadTarget, Divergent, NoClosedForm, and what `load` raises for a SPEC.
    """
    from learnact.compiler.derive import derive as derive_activation  # noqa: PLC0415

    return derive_activation(activation_of(target), _law(law), preserve=preserve, free=free, watch=watch)


def start(
    target: Target,
    name: str,
    *,
    sigma: Number = 1,
    law: Law | str | None = None,
    preserve: bool = False,
    factor: Number = 1,
    curvature: Number | None = None,
    kappa: Number | None = None,
    slope: Number | None = None,
    depth: Number | None = None,
    tau: Number | None = None,
    eta: Number | None = None,
) -> dict[str, tuple[float, ...]]:
    """Parameter values of the start `name` of `target` under N(0, sigma^2), or under `law`: parameter -> values.

    Solved starts have E[F^2] = 1; with `preserve` E[F^2] = E[x^2], so that F propagates the second moment of its input
    unchanged, and fits are to s T(x/s), s^2 = E[x^2]. E[F'^2] = 1 in both, where an offset learns and the balance
    theorem has a solution; `derive` states the reason otherwise. Where a start follows the law's scale, or parameters
    of the formula stretch x (b in a*tanh(b*x)), `preserve` gives sigma F(x/sigma), F being the start for sigma = 1;
    where neither is so, gain and offset alone are solved (fourier, whose frequencies are fixed).
    `factor`, above 0, multiplies F: E[F^2] and E[F'^2] are then factor^2 times as large.

    The start `shaped` also fixes C''(1) of the correlation map to `curvature`, or for a net of `depth` layers to
    tau/depth, and where F' jumps kappa, for a net of `depth` layers that which makes one kink at 0 take inputs at right
    angles to the correlation `eta`; E[F'^2] is `slope`, 1 if not given. `curved` has E[F] = 0 in place of the
    condition on E[F^2], which then follows, at any sigma as for sigma = 1. Both are under N(0, sigma^2) alone. `name`
    may hold the conditions itself: "shaped,curvature=0.05".

    The start `free_NAME` of any activation is the fit of all its parameters to the classical function NAME, in value
    and slope: "free_gelu", "free_mish". Its digits may differ between machines, so emitted files have none.

        start("hermite:3", "shaped", depth=50, tau=0.3), start("hermite:3", "curved", curvature=2)

    Raises BadLaw for a sigma that is not positive, or for both sigma and law; NoStart for `preserve` where only a gain
    could be solved, and for a `factor` where no parameters scale F, and for conditions that
    cannot be met, with the range that can; BadTarget, UnknownName, BadExpression, and what
    `derive` raises.
    """
    from learnact.compiler.declare.constants import evaluate  # noqa: PLC0415
    from learnact.compiler.derive import start as derive_start  # noqa: PLC0415
    from learnact.compiler.resolve.multiple import multiple  # noqa: PLC0415
    from learnact.compiler.resolve.number import exact  # noqa: PLC0415
    from learnact.compiler.resolve.shaped import Wanted  # noqa: PLC0415

    if not isinstance(name, str):
        raise BadTarget(f"the start's name must be text such as 'balanced', found {name!r}")
    given, of_sigma = _law(law), normal(sigma)
    if given is not None and of_sigma.std != 1:
        raise BadLaw(f"give either sigma={of_sigma.std} or law={given}, not both")
    times = exact(factor, "factor")
    if not times.is_positive:
        raise BadExpression(f"factor must be positive, found {times}")
    conditions = {"curvature": curvature, "kappa": kappa, "slope": slope, "depth": depth, "tau": tau, "eta": eta}
    asked = {word: value for word, value in conditions.items() if value is not None}
    wanted = Wanted.of(name, **asked) if asked else Wanted.read(name)
    activation = wanted.on(activation_of(target))
    solved = derive_start(activation, wanted.name, given or of_sigma, preserve=preserve)
    scaled = multiple(activation, solved.values, times)
    return {parameter: tuple(float(evaluate(v)) for v in values) for parameter, values in scaled.items()}


def frozen_expression(target: Target, values: Mapping[str, Sequence[float]]) -> str:
    """F of `target` with these numbers in place of its parameters, as text that `Declaration(expr=...)` takes.

    `values` maps every parameter to its entries, as `start` returns them. Raises BadDeclaration where names, lengths or
    values are not those of an activation, and what `load` raises for a SPEC.
    """
    from learnact.compiler.resolve import frozen  # noqa: PLC0415

    return frozen.frozen_expression(activation_of(target), values)


def normal(sigma: Number) -> Normal:
    """N(0, sigma^2) with an exact sigma, read from its decimal digits: 0.55 is 11/20. Raises BadLaw, BadExpression."""
    from learnact.compiler.resolve.number import exact  # noqa: PLC0415

    number = exact(sigma, "sigma")
    if not number.is_positive:
        raise BadLaw(f"sigma must be positive, found {number}")
    return Normal(number)


def lower(target: Target) -> Program:
    """F, F' and every dF/dparameter of `target` as straight-line statements. Raises what `load` raises for a SPEC."""
    from learnact.compiler.lower import lower as lower_activation  # noqa: PLC0415

    return lower_activation(activation_of(target))


def emit(
    target: Target,
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
    Raises BadExpression for a lean file with kernels, WriteError if the file exists with other content and `force` is
    not given.
    """
    source = source_for(Path(out or "."), target, backend, lean)
    if out is not None:
        write_whole(Path(out) / source.filename, source.text, force=force)
    return source


def source_for(folder: Path, target: Target, backend: str | None = None, lean: bool | None = None) -> Source:
    """The source of a module for `folder`: its header names a user's file from there. Raises as `emit`."""
    from learnact.compiler.emit import emit as emit_activation  # noqa: PLC0415

    found = declared(target)
    if isinstance(found, Activation):
        return emit_activation(found, backend=backend or "torch", lean=bool(lean))
    found = replace(found, backend=backend or found.backend, lean=found.lean if lean is None else lean)
    origin = found.as_seen_from(folder).arguments
    return emit_activation(found.activation(), origin=origin, backend=found.backend, lean=found.lean)


def load(target: Target) -> type[nn.Module]:
    """Compile `target` now and return the module's class; equal declarations give the same class object.

    An emitted class, or a module of one, gives the class itself; an emitted file the class in it.
    The source is kept in `cache_folder()`, named by the digest of its body, and imported from there. Keep such a
    module by its state_dict, or emit the file: where nothing was loaded yet, a pickle does not find the class.

    Raises UnknownName, BadDegree or BadDeclaration for a SPEC that names no activation, and BadDeclaration for a file
    that was not emitted, or was changed by hand.
    """
    if (cls := emitted_class(target)) is not None:
        return cls
    if isinstance(target, (str, Path)) and is_emitted(target):
        return _load_file(Path(target))
    found = declared(target)
    options = (found.backend, found.lean) if isinstance(found, Declaration) else ("torch", False)
    key = activation_of(found).digest, *options
    if key not in _loaded:
        source = source_for(cache_folder(), found)
        name = f"{source.names.slug}_{source.body}.py"
        path = write_whole(cache_folder() / name, source.text, force=True)
        module_name = f"learnact_cached_{path.stem}"  # the digest in it tells contents apart
        module = sys.modules.get(module_name) or import_file(path, module_name)
        _loaded[key] = getattr(module, source.names.cls)
        remember(_loaded[key], found)
    return _loaded[key]


def verify(target: Target, *, quick: bool = False, prove: bool = False, watch: Watch | None = None) -> Report:
    """Check emitted code against its declaration: `target` is an emitted file, class or module, or is compiled now.

    `quick` skips the check under a compiler, which takes seconds; the traced graph is run as it is. A failed check is
    in the report, not an exception. `prove` traces the file back to mathematics and proves F and every first derivative
    equal to the declaration: `Report.proofs` says of each identity whether it is proved, only checked, or failed.
    `watch(name, count)` is called before each of `count` checks of the executed module.
    """
    from learnact.compiler.verify import verify as verify_file  # noqa: PLC0415

    found = declared(target)
    activation = activation_of(found)
    if is_emitted(target):
        return verify_file(activation, file_of(target), quick=quick, prove=prove, watch=watch)
    with tempfile.TemporaryDirectory(prefix="learnact-") as folder:
        source = emit(found, folder)
        return verify_file(activation, Path(folder) / source.filename, quick=quick, prove=prove, watch=watch)


def verify_against(
    code: object,
    against: Target,
    *,
    params: Mapping[str, str | float] | None = None,
    quick: bool = False,
    seconds: float = 10.0,
) -> Judgement:
    """Judge `code` that somebody wrote by hand against the declaration `against`.

    `code` is `FILE.py:callable` or `package.module:callable`, which runs in a process of its own and is given so many
    `seconds` for each answer; or a live function, nn.Module or class of modules, which runs in this process and is
    waited for. `against` is an expression in x and `params` (name -> value), or whatever `derive` takes. Parameters are
    matched by name: arguments, parameters and attributes. `quick` leaves torch.compile out.
    The report ends with the smallest counterexample that was found. Values, slopes and gradients are due within the
    rounding of the declared formula, in eps of the dtype; near 0, where F(0) = 0, within their relative rounding.

    Raises BadTarget for code that cannot be judged, BadExpression for `params` of a SPEC, and what `derive` raises.
    """
    from learnact.compiler.resolve.expression import reference  # noqa: PLC0415
    from learnact.compiler.verify.against import verify_against as judge  # noqa: PLC0415

    if isinstance(against, str) and not _is_spec(against):
        activation = reference(against, params or {})
        values = [float(v) for v in activation.assign(activation.start("declared").values(None, Normal())).values()]
        return judge(activation, code, values=values, declared=against.strip(), quick=quick, seconds=seconds)
    if params:
        raise BadExpression(f"parameter values belong to an expression; {against!r} declares its parameters itself")
    return judge(activation_of(against), code, quick=quick, seconds=seconds)


def _is_spec(text: str) -> bool:
    """Whether a text is a SPEC and no expression: an expression has no colon, and no family's name alone."""
    from learnact.compiler.resolve.registry import is_family  # noqa: PLC0415

    return ":" in text or text.strip().endswith(".py") or is_family(text.strip())


def _load_file(path: Path) -> type[nn.Module]:
    found, activation = read(path), activation_of(path)
    if not found.intact:
        raise BadDeclaration(f"{path} was changed by hand, so it is not what it declares; emit it again")
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    module_name = f"learnact_emitted_{activation.names.slug}_{found.body}_{place}"
    with declared_code(f"{path} cannot be imported"):
        module = sys.modules.get(module_name) or import_file(path, module_name)
        cls: type[nn.Module] = getattr(module, activation.names.cls)
    return cls


def _law(law: Law | str | None) -> Law | None:
    from learnact.compiler.resolve.expression import parse_law  # noqa: PLC0415

    if isinstance(law, str):
        return parse_law(law)
    if law is not None and not isinstance(law, Law):
        raise BadTarget(f"law must be a Law such as Normal(), or text such as 'uniform:pi', found {law!r}")
    return law
