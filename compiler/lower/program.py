"""The product of `lower`: an activation as straight-line statements, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from learnact.compiler.declare.grid import Cells
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x


@dataclass(frozen=True)
class Statement:
    """target = value, where value holds x, entries of inputs and earlier targets."""

    target: sp.Symbol
    value: sp.Expr
    best: sp.Symbol | None = None  # beside a Winner's index: the winning argument's name, if it is used


@dataclass(frozen=True)
class Input:
    """One tensor that the element-wise code reads: a parameter, or a function of parameters worked out before.

    One that is read by index has no entries.
    """

    name: str
    value: sp.Expr | None  # over symbols named like the parameters; None: the parameter of this name itself
    entries: tuple[sp.Symbol, ...]  # its entries, as the element-wise code calls them
    factors: tuple[sp.Expr, ...] = ()  # numbers that multiply the value entry by entry; (): none do
    keys: str = ""  # the parameter whose ascending order this one's entries are brought into; "": none


@dataclass(frozen=True)
class Block:
    """Statements and the expressions that they are for."""

    statements: tuple[Statement, ...]
    results: tuple[sp.Expr, ...]

    @property
    def operations(self) -> int:
        """Arithmetic operations and function calls per element."""
        return sum(int(sp.count_ops(e)) for e in self.all)

    @property
    def all(self) -> tuple[sp.Expr, ...]:
        """The statements' values, then the results."""
        return (*(s.value for s in self.statements), *self.results)


@dataclass(frozen=True)
class FeatureRow:
    """How to fill a row: with a function of x, or with addend + factor left right, of x and rows before it."""

    symbol: sp.Symbol
    scale: sp.Expr  # the feature is this many times the row
    function: sp.Expr | None = None  # 1, x, or a call on x
    addend: sp.Symbol | None = None
    factor: sp.Expr = sp.S.One
    left: sp.Symbol = x
    right: sp.Symbol = x

    def __str__(self) -> str:
        start = f"{self.symbol} = {self.scale} *"
        if self.function is not None:
            return f"{start} {self.function}"
        product = f"{self.factor}*{self.left}*{self.right}"
        return f"{start} ({product if self.addend is None else f'{self.addend} + {product}'})"


@dataclass(frozen=True)
class FeatureMatrix:
    """A row for each feature: F = (weights scales) . rows and F' = (weights slopes) . rows, products with vectors."""

    steps: tuple[FeatureRow, ...]  # in order of evaluation
    order: tuple[sp.Symbol, ...]  # the rows' order in the matrix: that of the inputs' entries
    slopes: tuple[tuple[int, int, sp.Expr], ...]  # weight, row, what a unit of the weight adds to F' in that row

    @property
    def scales(self) -> tuple[sp.Expr, ...]:
        """Feature over row, in the order of the matrix."""
        scale = {r.symbol: r.scale for r in self.steps}
        return tuple(scale[s] for s in self.order)


@dataclass(frozen=True)
class GridCode:
    """What forward and backward read of a grid, computed before their statements; the vector's gradient goes by it."""

    cells: Cells
    vector: str  # the input that is read by index
    argument: sp.Expr  # u, in x and entries of the other inputs
    slopes: tuple[sp.Expr, sp.Expr] | None  # left and right of the grid
    place: sp.Symbol  # u
    start: sp.Symbol  # the left end of the cell that u is in; of both half-lines outside, the end of the grid
    below: sp.Symbol  # u - the first node, left of the grid, else 0
    above: sp.Symbol  # how far u is right of the grid, else 0
    t: sp.Symbol  # u - start
    powers: tuple[sp.Symbol, ...]  # coefficients of 1, t, t^2, ... in the cell

    def __str__(self) -> str:
        first, last = self.cells.origin, self.cells.origin + self.cells.count
        lines = [
            f"{self.place} = {self.argument}",
            f"{self.start} = the last of {first}, ..., {last} below {self.place}",
            f"{self.t} = {self.place} - {self.start}",
        ]
        for p, blend in zip(self.powers, self.cells.blends, strict=True):
            entries = [sp.Symbol(f"{self.vector}[i + {m}]" if m else f"{self.vector}[i]") for m in range(len(blend))]
            terms = [weight * entry for weight, entry in zip(blend, entries, strict=True)]
            lines.append(f"{p} = {sp.Add(*terms)}, i = {self.start} - ({first})")
        ends = "its tangents" if self.slopes is None else f"slopes {self.slopes[0]} and {self.slopes[1]}"
        return "\n".join([*lines, f"outside of [{first}, {last}] {ends}"])


@dataclass(frozen=True)
class Program:
    """F, dF/dx and every dF/d(entry of an input), element by element."""

    activation: Activation  # what was lowered
    inputs: tuple[Input, ...]  # tensors that the statements read besides x
    forward: Block  # one result: F
    backward: Block  # dF/dx, then dF/d(entry) input by input
    passes: tuple[tuple[str, int], ...]  # name of each pass and the operations of the whole after it
    feature_matrix: FeatureMatrix | None = None  # for eager torch; None where a feature takes several operations
    grid: GridCode | None = None  # of an activation on a grid
    smooth: Block | None = None  # F by the pieces that the derivatives belong to, if `forward` says less of ties

    @property
    def slope(self) -> sp.Expr:
        """dF/dx."""
        return self.backward.results[0]

    @property
    def partials(self) -> tuple[sp.Expr, ...]:
        """dF/d(entry), flat, in the order of the inputs' entries."""
        return self.backward.results[1:]

    def __str__(self) -> str:
        lines = [f"program {self.activation.names.spec}"]
        for i in self.inputs:
            work = f" = {i.value}" if i.value is not None else ""
            order = f", by {i.keys} ascending" if i.keys else ""
            lines.append(f"  input   {i.name}{work}: {', '.join(map(str, i.entries)) or 'by index'}{order}")
        lines += ["  grid", *(f"    {line}" for line in str(self.grid).splitlines())] if self.grid else []
        lines += [f"  forward, {self.forward.operations} operations"]
        lines += [f"    {s.target} = {s.value}" for s in self.forward.statements]
        lines += [f"    value = {self.forward.results[0]}", f"  backward, {self.backward.operations} operations"]
        lines += [f"    {s.target} = {s.value}" for s in self.backward.statements]
        lines.append(f"    slope = {self.slope}")
        entries = [e for i in self.inputs for e in i.entries]
        lines += [f"    d/d{e} = {p}" for e, p in zip(entries, self.partials, strict=True)]
        if self.feature_matrix is not None:
            lines += ["  feature matrix, for eager code", *(f"    {row}" for row in self.feature_matrix.steps)]
        lines.append("  passes")
        lines += [f"    {name:<14} {count} operations" for name, count in self.passes]
        return "\n".join(lines)
