"""F for forward mode, by the pieces that its derivatives belong to at kinks: torch differentiates what it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from learnact.compiler.declare.kinks import Floor, Sign, Step
from learnact.compiler.emit.body import body_printer, names_of
from learnact.compiler.emit.layout import wrapped
from learnact.compiler.lower import Program


def smooth_context(program: Program, arguments: Sequence[str], unpack: Sequence[str], *, lean: bool) -> Any:
    """What is printed for it: the function's lines, the helpers it calls; None where F's own statements serve."""
    if program.smooth is None:
        return None
    jumps = any(e.has(Sign, Step, Floor, sp.Piecewise) for e in program.forward.all)
    printer = body_printer(program)
    statements, (value,) = printer.block(program.smooth, names_of(program, program.smooth))
    statements += printer.assignment("value =", value)
    cls, wide = program.activation.names.cls, ", ".join(arguments)
    result = "value"
    if jumps:
        plain = f"_{cls}.forward({wide})" if lean else f"_value({wide})"
        result = f"_jumped(value, {plain})"
    dtype = f"{arguments[1]}.dtype" if len(arguments) > 1 else "torch.promote_types(x.dtype, torch.float32)"
    if lean:
        start = [f"dtype, x = x.dtype, x.to({dtype})"]
    else:
        targets = "(x,)" if len(arguments) == 1 else wide
        start = ["dtype = x.dtype", *wrapped(f"{targets} = _upcast(", arguments, ")", indent=4)]
    return {
        "signature": wrapped("def _by_pieces(", arguments, "):"),
        "lines": [*start, *unpack, *statements, f"return {result}.to(dtype)"],
        "jumps": jumps,
        "called": printer.called,
    }
