"""The referee: executes an emitted file and compares it with its declaration.

It shares no code with derive, lower and emit: it differentiates the declared expression by forward-mode jets,
evaluates it to 30 digits, finds kinks by bisection, and integrates what the file computes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from learnact.compiler.declare.spec import Activation
from learnact.compiler.verify import (
    checks_autograd,
    checks_compile,
    checks_module,
    checks_second,
    checks_shapes,
    checks_starts,
    checks_surroundings,
    checks_text,
    checks_values,
)
from learnact.compiler.verify.ledger import Finding, expect
from learnact.compiler.verify.load import Text, executed
from learnact.compiler.verify.log import CheckFunction, Log
from learnact.compiler.verify.prove import prove as prove_file
from learnact.compiler.verify.prove import require_traced
from learnact.compiler.verify.report import Check, Identity, Report, Skipped
from learnact.compiler.verify.subject import Subject
from learnact.compiler.verify.tolerances import PRECISIONS
from learnact.errors import UnknownName

__all__ = ["Check", "Identity", "Report", "Skipped", "verify"]

STATIC: dict[str, CheckFunction] = {
    "header": checks_text.check_header,
    "imports": checks_text.check_imports,
}
"""Checks of the text, made before anything is executed."""

CHECKS: dict[str, CheckFunction] = {
    "names": checks_text.check_names,
    "degree": checks_text.check_degree,
    "starts": checks_starts.check_starts,
    "moments": checks_starts.check_moments,
    "monte_carlo": checks_starts.check_monte_carlo,
    **{f"value_{p.label}": partial(checks_values.check_value, precision=p) for p in PRECISIONS},
    **{f"slope_{p.label}": partial(checks_values.check_slope, precision=p) for p in PRECISIONS},
    **{
        f"parameter_gradients_{p.label}": partial(checks_values.check_parameter_gradients, precision=p)
        for p in PRECISIONS
    },
    "kinks": checks_values.check_kinks,
    "ties": checks_values.check_ties,
    "large_x": checks_values.check_large_x,
    "gradcheck": checks_autograd.check_gradcheck,
    "gradgradcheck": checks_autograd.check_gradgradcheck,
    "forward_mode": checks_autograd.check_forward_mode,
    "second_derivatives": checks_second.check_second_derivatives,
    "vmap": checks_autograd.check_vmap,
    "per_sample_gradients": checks_autograd.check_per_sample_gradients,
    "shapes": checks_shapes.check_shapes,
    "chunks": checks_shapes.check_chunks,
    "channels": checks_shapes.check_channels,
    "frozen_parts": checks_shapes.check_frozen_parts,
    "errors": checks_module.check_errors,
    "state_dict": checks_module.check_state_dict,
    "deepcopy": checks_module.check_deepcopy,
    "purity": checks_module.check_purity,
    "autocast": checks_module.check_autocast,
    "nan": checks_module.check_nan,
    "in_place": checks_surroundings.check_in_place,
    "reset_parameters": checks_surroundings.check_reset_parameters,
    "tracing": checks_surroundings.check_tracing,
    "jagged": checks_surroundings.check_jagged,
    "traced": checks_compile.check_traced,
}
"""Checks of the executed module, in order."""

SLOW: dict[str, CheckFunction] = {"compile": checks_compile.check_compile}
"""Checks that take many seconds; a quick verification skips and lists them."""


def verify(
    activation: Activation,
    path: Path,
    *,
    quick: bool = False,
    only: Collection[str] | None = None,
    prove: bool = False,
    watch: Callable[[str, int], None] | None = None,
) -> Report:
    """Check the emitted file at `path` against the declaration.

    `quick` skips what takes a compiler many seconds; `only` skips every check of the executed module that it does not
    name; the report lists what was skipped. An exception during a check is a failure of that check, with its message. A
    file that imports more than `load.ALLOWED_IMPORTS` is not executed. `prove` adds the identities of `prove/`.
    `watch(name, count)` is called before each of the `count` checks of the executed module.
    Raises OSError if the file cannot be read, UnknownName for a check that does not exist, and with `prove` NoProof for
    a family that is computed on a grid.
    """
    if prove:
        require_traced(activation)
    path = Path(path)
    subject = Subject(activation, path, Text.of(path.read_bytes().decode()))
    log = Log(subject)
    checks = {**CHECKS, **SLOW}
    for name in only or ():
        if name not in checks:
            raise UnknownName("check", name, checks)
    if quick:
        log.skip(SLOW, "left out of a quick verification")
        checks = CHECKS
    if only is not None:
        log.skip([name for name in checks if name not in only], "not asked for")
        checks = {name: check for name, check in checks.items() if name in only}
    static = {name: log.make(name, check) for name, check in STATIC.items()}
    with ExitStack() as stack:
        if static["imports"] and log.make("loads", partial(_load, stack=stack)):
            for name, check in checks.items():
                if watch is not None:
                    watch(name, len(checks))
                log.make(name, check)
        else:
            log.skip(checks, "the file was not executed, or did not load")
    proofs = prove_file(activation, subject.text.body) if prove and static["imports"] else ()
    return Report(activation.names.spec, path.name, tuple(log.checks), tuple(log.skipped), proofs=proofs)


def _load(subject: Subject, stack: ExitStack) -> Finding:
    """Execute the file until the stack closes; it must define STARTS, the class and the function."""
    subject.module = stack.enter_context(executed(subject.path))
    names = (*(() if subject.fixed else ("STARTS",)), subject.activation.names.cls, subject.activation.names.slug)
    missing = [name for name in names if not hasattr(subject.module, name)]
    expect(not missing, f"the file does not define {', '.join(missing)}")
    return Finding(0.0, 0.0, f"defines {', '.join(names)}")
