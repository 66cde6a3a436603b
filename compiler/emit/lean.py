"""What lean.py.jinja prints: the formulas inside one autograd Function, and the starts in few lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation
from learnact.compiler.emit.body import body_printer, names_of, prepare_lines, weighted
from learnact.compiler.emit.grid import grid_lines, vector_argument
from learnact.compiler.emit.layout import LINE, nested, wrapped
from learnact.compiler.emit.materialize import materialized
from learnact.compiler.emit.printer import number
from learnact.compiler.lower import Program, Statement
from learnact.compiler.lower.names import Fresh

INDENT = 8
"""Columns before a statement of a method."""

WRONG_TYPE = "x must be a dense floating-point tensor, found {x.dtype}, {x.layout}"
WRONG_CHANNELS = "expected {channels[0]} channels along dimension {channel_dim}, found {[*x.shape]}"

DIGITS = 11
"""Of moments: two starts then share a line, and the referee asks for nine."""


def lean_context(program: Program, derivation: Derivation, arguments: Sequence[str], unpack: Sequence[str]) -> Any:
    """Everything that only a lean file prints; `arguments` are x and the inputs, `unpack` their entries' statements."""
    cls, slug, inputs = program.activation.names.cls, program.activation.names.slug, [i.name for i in program.inputs]
    forward, called = _forward(program, arguments, unpack)
    backward, also_called = _backward(program, arguments, unpack)
    return {
        "called": called | also_called,
        "docstring": _docstring(program.activation),
        "wrong_type": _raise("TypeError", f"{slug}: {WRONG_TYPE}"),
        "wrong_channels": _raise("ValueError", f"{slug}: {WRONG_CHANNELS}"),
        "materialize": any("_materialize(" in line for line in (*forward, *backward)),
        "starts": (starts := _starts(derivation)),
        "starts_end": "}  # fmt: skip" if len(starts) > len(derivation.starts) else "}",
        "moments": _moments(derivation),
        "prepare": prepare_lines(program, cast=False),
        "apply": wrapped(f"return _{cls}.apply(", ["x", *inputs], ")", indent=4),
        "forward": [*wrapped("def forward(", arguments, "):", indent=4), *(f"    {line}" for line in forward)],
        "backward": backward,
    }


def _raise(kind: str, message: str) -> list[str]:
    return wrapped(f"raise {kind}(", [f'f"{message}"'], ")", indent=INDENT)


def _docstring(activation: Activation) -> list[str]:
    """Formula and domain, on one line where that holds them."""
    formula = f"F(x) = {activation.formula}"
    flat = f'"""{formula}; domain: {activation.family.domain}."""'
    if len(flat) + 4 <= LINE:
        return [flat]
    paragraphs = [textwrap.wrap(text, LINE - 4) for text in (f'"""{formula}', f"Domain: {activation.family.domain}.")]
    lines = [*paragraphs[0], "", *paragraphs[1], '"""']
    return [lines[0], *(f"    {line}" if line else "" for line in lines[1:])]


def _forward(program: Program, arguments: Sequence[str], unpack: Sequence[str]) -> tuple[list[str], set[str]]:
    """Statements of F, with its result in the dtype of x."""
    printer = body_printer(program, indent=INDENT)
    statements, (value,) = printer.block(program.forward, names_of(program, program.forward))
    statements = [*grid_lines(program, printer, backward=False), *statements]
    result = [f"return {printer.factor(value)}.to(dtype, copy=True)"]
    if INDENT + len(result[0]) > LINE:
        result = [*printer.assignment("value =", value), "return value.to(dtype, copy=True)"]
    wide = _wide(arguments)
    return [f"dtype, x = x.dtype, x.to({wide})", *unpack, *statements, *result], printer.called


def _backward(program: Program, arguments: Sequence[str], unpack: Sequence[str]) -> tuple[list[str], set[str]]:
    """Statements of both gradients, a sum for each input."""
    printer = body_printer(program, materialized(program.backward), indent=INDENT)
    taken = names_of(program, program.backward)
    statements, (slope, *partials) = printer.block(program.backward, taken)
    statements = [*grid_lines(program, printer, backward=True), *statements]
    statements += printer.assignment("slope =", slope)
    named, values = weighted(program, partials)
    statements += [line for value, name in named.items() for line in printer.lines(Statement(name, value))]
    products = iter([printer(value) for value in values])
    own = [[next(products) for _ in i.entries] for i in program.inputs]
    if not program.inputs:
        return [
            "(x,) = ctx.saved_tensors",
            f"dtype, wide = x.dtype, {_wide(arguments)}",
            "grad, x = grad.to(wide), x.to(wide)",
            "if torch.compiler.is_compiling():  # a new tensor: else Inductor saves what the forward made of x",
            "    x = torch.where(grad > 0.0, x, x)",
            *statements,
            "return (grad * slope).to(dtype)",
        ], printer.called
    wide = _wide(arguments)
    lines = [
        *wrapped("", arguments, "," * (len(arguments) == 1) + " = ctx.saved_tensors", indent=INDENT),
        f"dtype, grad, x = x.dtype, grad.to({wide}), x.to({wide})",
        "if torch.compiler.is_compiling():",
        *(f"    {line}" for line in wrapped("grad, x = _recompute(", ["grad", *arguments], ")", indent=INDENT + 4)),
        *unpack,
        *statements,
    ]
    flat = [_sum(program, a, _tuple(terms)[0]) for a, terms in zip(arguments[1:], own, strict=True)]
    result = f"return {', '.join(['(grad * slope).to(dtype)', *flat])}"
    if INDENT + len(result) <= LINE and all(len(_tuple(terms)) == 1 for terms in own):
        return [*lines, result], printer.called
    fresh = Fresh([*taken, *(name.name for name in named.values())])
    sums = [fresh.numbered("sum").name for _ in own]
    for name, argument, terms in zip(sums, arguments[1:], own, strict=True):
        if terms:
            lines += nested(f"{name} = _summed(", [argument], _tuple(terms), ")", indent=INDENT)
        else:
            lines.append(f"{name} = {_sum(program, argument, '')}")
    return [*lines, f"return (grad * slope).to(dtype), {', '.join(sums)}"], printer.called


def _sum(program: Program, argument: str, terms: str) -> str:
    """The gradient of one input; one without terms is the vector of the grid."""
    if program.grid is not None and argument == vector_argument(program):
        return f"_summed({argument}, _bumps(grad, {program.grid.place}, len({argument})))"
    return f"_summed({argument}, {terms})"


def _wide(arguments: Sequence[str]) -> str:
    """The dtype to compute in, which parameters have by then."""
    return f"{arguments[1]}.dtype" if len(arguments) > 1 else "torch.promote_types(x.dtype, torch.float32)"


def _tuple(products: Sequence[str]) -> list[str]:
    return wrapped("(", products, ",)" if len(products) == 1 else ")", indent=INDENT + 4)


def _starts(derivation: Derivation) -> list[str]:
    """The entries of STARTS, a line each where that holds them."""
    lines: list[str] = []
    for s in derivation.starts:
        vectors = [
            f'"{name}": ({", ".join(map(number, values))}{"," if len(values) == 1 else ""})'
            for name, values in s.values.items()
        ]
        lines += _filled([f'"{s.name}": {{{", ".join(vectors)}}},'], LINE - 4)
    return lines


def _moments(derivation: Derivation) -> list[str]:
    """The class attribute, several starts a line."""
    rows = []
    for s in derivation.starts:
        m = s.moments
        numbers = [float(q.number(20)) for q in (m.second, m.slope_second, m.q_slope)]
        digits = ['float("nan")' if math.isnan(v) else repr(float(f"{v:.{DIGITS}g}")) for v in numbers]
        rows.append(f'"{s.name}": ({", ".join(digits)}),')
    flat = f"moments = {{{' '.join(rows)[:-1]}}}"
    if len(flat) + 4 <= LINE:
        return [flat]
    return ["moments = {", *(f"    {line}" for line in _filled(rows, LINE - 8)), "}  # fmt: skip"]


def _filled(items: Sequence[str], width: int) -> list[str]:
    """The items on as few lines as hold them, none broken unless it is longer than a line."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + 1 + len(item) <= width:
            lines[-1] += f" {item}"
        else:
            lines += textwrap.wrap(
                item, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
            )
    return lines
