"""What the Triton template prints: the element-wise statements, and the kernels' loads, sums and stores around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from learnact.compiler.emit.layout import wrapped
from learnact.compiler.emit.printer import GRAD
from learnact.compiler.emit.triton_printer import HELPERS, TritonPrinter
from learnact.compiler.lower import Block, Program
from learnact.compiler.lower.names import Fresh

KERNEL_NAMES = frozenset(
    "tl libdevice start chunk chunks lane channel full row at inside columns size channels inner width rows".split()
    + "x_ptr y_ptr grad_ptr x_grad_ptr partials_ptr TILE GROUP WHOLE WIDE y x_grad".split()
)
"""What the templates call their own; a parameter of such a name is called otherwise in the kernels."""

WARPS = 4
LIVE = 144
"""Registers of a thread, of 255, that sums and entries may fill: ptxas then hardly spills on sm_90. No thread takes
more at once than 8 elements, 128 bits of a half type, or 4 in double precision."""


def kernel_context(program: Program, backend: str) -> dict[str, Any] | None:
    """Everything that triton.py.jinja prints; None if no kernels are wanted (backend "torch")."""
    if backend == "torch":
        return None
    program = _renamed(program)
    entries = _entries(program)
    printer = TritonPrinter(entries)
    names = Fresh([*(e.name for e in entries), *(i.name for i in program.inputs), *KERNEL_NAMES])
    statements = (*program.forward.statements, *program.backward.statements)
    names.taken |= {s.name for t in statements for s in (t.target, t.best) if s is not None}
    sums = [names.numbered("sum").name for _ in entries]
    value, gradients = _value(program, printer, names), _gradients(program, printer, sums, names)
    forward, backward = (_used(b, entries) for b in (program.forward, program.backward))
    pointers = [f"{i.name}_ptr" if f"{i.name}_ptr" not in KERNEL_NAMES else f"{i.name}_in_ptr" for i in program.inputs]
    loads = {
        e.name: f"{e.name} = tl.load({pointer} + {_rows(k)}channel).to(WIDE)"
        for i, pointer in zip(program.inputs, pointers, strict=True)
        for k, e in enumerate(i.entries)
    }
    return {
        "required": backend == "triton",
        "count": len(entries),
        "tiles": [((c, d), _tile(len(entries), c, 1 + d)) for c in (False, True) for d in (False, True)],
        "warps": WARPS,
        "value": value,
        "gradients": gradients,
        "forward_loads": [loads[e] for e in forward],
        "backward_loads": [loads[e] for e in backward],
        "forward_call": wrapped("y = _value_tile(", ["x", *forward], ")", indent=8),
        "backward_call": wrapped(
            f"x_grad, {', '.join(sums)} = _gradients_tile(",
            ["grad", "x", *backward, *sums],
            ")",
            indent=8,
        ),
        "sums": sums,
        "stores": [
            f"tl.store(partials_ptr + {_rows(k, 'columns')}at, _grouped_tile({s}, GROUP))" for k, s in enumerate(sums)
        ],
        "pointers": pointers,
        "helpers": [h for h in HELPERS if h in printer.called],
        "libdevice": "libdevice" in printer.called,
        "imported": "triton.language.extra.libdevice" if "libdevice" in printer.called else "triton",
    }


def _entries(program: Program) -> list[sp.Symbol]:
    return [e for i in program.inputs for e in i.entries]


def _renamed(program: Program) -> Program:
    """The program with no entry named like something of the kernels."""
    other = {e: sp.Symbol(f"{e.name}_", real=True) for e in _entries(program) if e.name in KERNEL_NAMES}

    def renamed(block: Block) -> Block:
        statements = (replace(s, value=s.value.xreplace(other)) for s in block.statements)
        return Block(tuple(statements), tuple(r.xreplace(other) for r in block.results))

    inputs = tuple(replace(i, entries=tuple(other.get(e, e) for e in i.entries)) for i in program.inputs)
    return replace(program, inputs=inputs, forward=renamed(program.forward), backward=renamed(program.backward))


def _tile(entries: int, per_channel: bool, words: int) -> int:
    """Elements of a tile: each keeps a sum for every entry, and per channel the entries too, of so many registers."""

    def live(each: int) -> int:
        return words * entries * (each + (each if per_channel else 1))

    return next((n for n in (8, 4, 2) if n <= 8 // words and live(n) <= LIVE), 1) * 32 * WARPS


def _rows(k: int, stride: str = "channels") -> str:
    """Offset of row k: "", "channels + ", "2 * channels + "."""
    return "" if k == 0 else f"{stride} + " if k == 1 else f"{k} * {stride} + "


def _used(block: Block, entries: Sequence[sp.Symbol]) -> list[str]:
    symbols = {s for e in block.all for s in e.free_symbols}
    return [e.name for e in entries if e in symbols]


def _value(program: Program, printer: TritonPrinter, names: Fresh) -> list[str]:
    """F of one tile."""
    entries = _entries(program)
    head = wrapped("def _value_tile(", ["x", *_used(program.forward, entries)], "):")
    statements, (value,) = printer.block(program.forward, names.taken)
    return head + _indented([*statements, *printer.assignment("return", value)])


def _gradients(program: Program, printer: TritonPrinter, sums: Sequence[str], names: Fresh) -> list[str]:
    """Gradient with respect to x of one tile, and the sums of the entries' gradients with this tile added."""
    entries = _entries(program)
    head = wrapped("def _gradients_tile(", ["grad", "x", *_used(program.backward, entries), *sums], "):")
    statements, (slope, *partials) = printer.block(program.backward, names.taken)
    added = [f"{s} + {_term(printer, GRAD * p)}" for s, p in zip(sums, partials, strict=True)]
    result = wrapped("return (", ["grad * slope", *added], ")", indent=4)
    return head + _indented([*statements, *printer.assignment("slope =", slope), *result])


def _term(printer: TritonPrinter, value: sp.Expr) -> str:
    text = printer(value)
    return f"({text})" if value.is_Add or text.startswith("-") else text


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
