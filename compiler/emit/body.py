"""The element-wise functions of an emitted torch file, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.kinks import Select, is_indicator
from learnact.compiler.emit.grid import grid_gradient, grid_lines, grid_names
from learnact.compiler.emit.layout import LINE, nested, wrapped
from learnact.compiler.emit.materialize import materialized
from learnact.compiler.emit.printer import GRAD, number
from learnact.compiler.emit.torch_printer import TorchPrinter
from learnact.compiler.lower import Block, Program, Statement
from learnact.compiler.lower.names import Fresh


def prepare_lines(program: Program, *, cast: bool = True) -> list[str]:
    """Parameters laid along x's channels, and whole-vector functions of them that the element-wise code reads.

    `cast` if `_along` leaves parameters in their own dtype.
    """
    derived = [(i, i.value) for i in program.inputs if i.value is not None]
    read = sorted({s.name for _, value in derived for s in value.free_symbols})
    printer = TorchPrinter(sp.Symbol(name, real=True) for name in read)
    lines = [f"{v.name} = _along({v.name}, x, channel_dim)" for v in program.activation.parameters]
    if derived and cast:
        lines.append("dtype = torch.promote_types(x.dtype, torch.float32)  # half types compute in float32")
    for keys in dict.fromkeys(i.keys for i in program.inputs if i.keys):
        names = [keys, *(i.name for i in program.inputs if i.keys == keys and i.name != keys)]
        head = f"{', '.join(names)}{',' * (len(names) == 1)} = _ascending("
        lines += wrapped(head, names, ")", indent=4)
    lines += [f"{name} = {name}.to(dtype)" for name in read if cast]
    for i, value in derived:
        if i.factors:
            factors = wrapped("(", [*map(number, i.factors)], ",)" if len(i.factors) == 1 else ")", indent=8)
            lines += nested(f"{i.name} = _scaled(", [printer(value)], factors, ")", indent=4)
        else:
            lines.append(f"{i.name} = {printer(value)}")
    return lines


def body_printer(program: Program, materialized: Collection[sp.Symbol] = (), *, indent: int = 4) -> TorchPrinter:
    """A printer that knows the entries of the program's inputs."""
    return TorchPrinter((e for i in program.inputs for e in i.entries), materialized, indent=indent)


@dataclass(frozen=True)
class Body:
    """Statements of F and of its derivatives, each to its return, and the helpers that they call."""

    forward: list[str]
    backward: list[str]
    called: set[str]


def element_wise(program: Program) -> Body:
    """Print F, and the derivatives, each times the gradient that comes in."""
    forward = body_printer(program)
    statements, (value,) = forward.block(program.forward, names_of(program, program.forward))
    lines = [*grid_lines(program, forward, backward=False), *statements, *forward.assignment("return", value)]
    backward = body_printer(program, materialized(program.backward))
    return Body(lines, _backward_lines(program, backward), forward.called | backward.called)


def _backward_lines(program: Program, printer: TorchPrinter) -> list[str]:
    statements, (slope, *partials) = printer.block(program.backward, names_of(program, program.backward))
    lines = [*grid_lines(program, printer, backward=True), *statements]
    lines += printer.assignment("slope =", slope)
    named, values = weighted(program, partials)
    lines += [line for value, name in named.items() for line in printer.lines(Statement(name, value))]
    if not program.inputs:
        return [*lines, "return grad * slope"]
    products = [printer(v) for v in values] + ([grid_gradient(program.grid)] if program.grid else [])
    flat = f"return grad * slope, ({', '.join(products)}{',' if len(products) == 1 else ''})"
    if len(flat) + 4 <= LINE:
        return [*lines, flat]
    return [*lines, "return grad * slope, (", *(f"    {p}," for p in products), ")"]


def weighted(program: Program, partials: Sequence[sp.Expr]) -> tuple[dict[sp.Expr, sp.Symbol], list[sp.Expr]]:
    """grad times each partial; a product that several pieces of a maximum share gets a name first."""
    values = [GRAD * p for p in partials]
    pieces = {v: f for v in values for f in sp.Mul.make_args(v) if is_indicator(f)}

    def entry(value: sp.Expr) -> tuple[int, sp.Expr]:
        """Which argument must win, and what counts then."""
        piece = pieces[value]
        (k,) = (k for k, e in enumerate(piece.args[1:]) if e != 0)
        return k, piece.args[1 + k] * value / piece

    often = Counter(entry(v)[1] for v in values if v in pieces)
    fresh = Fresh(names_of(program, program.backward))
    named = {e: fresh.numbered("weight") for e, count in often.items() if count > 1 and not e.is_Symbol}

    def renamed(value: sp.Expr) -> sp.Expr:
        if value not in pieces or entry(value)[1] not in named:
            return value
        winner, *others = pieces[value].args
        k, e = entry(value)
        return Select(winner, *(named[e] if j == k else 0 for j in range(len(others))))

    return named, [renamed(v) for v in values]


def names_of(program: Program, block: Block) -> list[str]:
    """What the arguments of _value or _gradients, their entries and the statements' targets are called."""
    targets = [t.name for s in block.statements for t in (s.target, s.best) if t is not None]
    return [
        GRAD.name,
        *targets,
        *grid_names(program.grid),
        *(n for i in program.inputs for n in (i.name, f"{i.name}_", *(e.name for e in i.entries))),
    ]
