"""Print a Program's statements as Triton code: the same statements as in torch, in Triton's vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from learnact.compiler.declare.functions import gelu_slope, gelu_value, logistic, raised_erf, sech2, sigmoid, softplus
from learnact.compiler.declare.kinks import Floor, Largest, Magnitude, Select, Sign, Winner
from learnact.compiler.emit.printer import RELATIONS, Printer, number
from learnact.compiler.lower.program import Statement

CALLS: dict[type, str] = {
    sp.exp: "tl.exp",
    expm1: "libdevice.expm1",
    sp.log: "tl.log",
    log1p: "libdevice.log1p",
    sp.sin: "tl.sin",
    sp.cos: "tl.cos",
    sp.tan: "libdevice.tan",
    sp.tanh: "libdevice.tanh",
    sp.sinh: "libdevice.sinh",
    sp.cosh: "libdevice.cosh",
    sp.atan: "libdevice.atan",
    sp.asinh: "libdevice.asinh",
    sp.erf: "tl.erf",
    sp.erfc: "libdevice.erfc",
    sp.Abs: "tl.abs",
    Magnitude: "tl.abs",
    sp.sign: "_sign_tile",
    Sign: "_sign_tile",
    Floor: "tl.floor",
    sigmoid: "tl.sigmoid",
    softplus: "_softplus_tile",
    logistic: "_logistic_tile",
    sech2: "_sech2_tile",
    raised_erf: "_raised_erf_tile",
    gelu_value: "_gelu_tile",
    gelu_slope: "_gelu_slope_tile",
}
"""SymPy function -> Triton call of one argument; a new function is one line here."""

REQUIRES = {
    "_softplus_tile": ("_larger_tile", "libdevice"),
    "_sech2_tile": ("_logistic_tile",),
    **dict.fromkeys(("_raised_erf_tile", "_gelu_tile", "_gelu_slope_tile"), ("libdevice",)),
}
"""Helper -> what else it calls."""

HELPERS = ("_larger_tile", "_smaller_tile", "_sign_tile", "_softplus_tile", "_logistic_tile", "_sech2_tile",
           "_raised_erf_tile", "_gelu_tile", "_gelu_slope_tile", "_sin_and_cos_tile")  # fmt: skip
"""Device functions of triton_helpers.py.jinja, in its order."""

NAN = 'float("nan")'


class TritonPrinter(Printer):
    """Prints expressions for a tile of elements in registers, and remembers which helpers they call."""

    backend = "triton"
    library = "tl"
    calls = CALLS

    def __init__(self, entries: Iterable[sp.Symbol]) -> None:
        super().__init__(entries)
        self.called: set[str] = set()
        self.scalars = set(self.entries)  # what is one number for the whole tile

    def lines(self, statement: Statement) -> list[str]:
        """A statement as one line of code, or several for a choice."""
        if not isinstance(statement.value, Boolean) and statement.value.free_symbols <= self.scalars:
            self.scalars.add(statement.target)
        return super().lines(statement)

    def _pair(self, sine: sp.Symbol, cosine: sp.Symbol, argument: sp.Expr) -> str:
        return f"{sine}, {cosine} = {self._call('_sin_and_cos_tile')}({self(argument)})"

    def _call(self, name: str) -> str:
        self.called |= {name.partition(".")[0], *REQUIRES.get(name, ())}
        return name

    def _function(self, e: sp.Expr) -> str:
        return self._call(super()._function(e))

    def _contest(self, name: str, winner: Winner, best: sp.Symbol | None) -> list[str]:
        """The index of the winning argument, and the argument itself, in one chain."""
        first, *rest = winner.fields
        running = best or sp.Symbol(f"{name}_leader")
        way = 1 if winner.best is Largest else -1
        lines = []
        leader, slope = first, winner.slopes[0] if winner.slopes else None
        for k, e in enumerate(rest, start=1):
            beats = f"{self(e)} {'>' if way == 1 else '<'} {self(leader)}"
            if slope is not None:
                fall, lead = self(way * (slope - winner.slopes[k])), self(way * (e - leader))
                beats = f"tl.where({self(e)} == {self(leader)}, {fall}, {lead}) > 0.0"
            lines.append(f"{name} = ({beats}).to(x.dtype)" if k == 1 else f"{name} = tl.where({beats}, {k}.0, {name})")
            if slope is not None and k < len(rest):
                led = f"tl.where({name} == {k}.0, {self(winner.slopes[k])}, {self(slope)})"
                slope = sp.Symbol(f"{name}_slope", real=True)
                lines.append(f"{slope} = {led}")
            if best or k < len(rest):
                lines.append(f"{running} = {self._better(winner.best, leader, e)}")
            leader = running
        return lines

    def _extremum(self, name: str, value: sp.Expr) -> list[str]:
        first, second, *rest = value.args
        target = sp.Symbol(name, real=True)
        steps = [self._better(type(value), first, second), *(self._better(type(value), target, e) for e in rest)]
        return [f"{name} = {step}" for step in steps]

    def _better(self, kind: type, first: sp.Expr, second: sp.Expr) -> str:
        name = self._call("_larger_tile" if kind is Largest else "_smaller_tile")
        return f"{name}({self._tile(second)}, {self._tile(first)})"

    def _chosen(self, name: str, select: Select) -> list[str]:
        winner, first, *others = select.args
        if all(e == k for k, e in enumerate(select.args[1:])):
            return [f"{name} = {self(winner)}"]
        lines = [f"{name} = {self._tile(first)}"]
        return lines + [
            f"{name} = tl.where({self(winner)} == {k}.0, {self(e)}, {name})" for k, e in enumerate(others, 1)
        ]

    def _if_won(self, winner: sp.Expr, k: int, value: sp.Expr) -> str:
        return f"tl.where({self(winner)} == {k}.0, {self._tile(value)}, 0.0)"

    def condition(self, c: sp.Basic) -> str:
        """A condition, of a whole tile: Triton's interpreter joins no scalar condition to one of a tile."""
        if isinstance(c, Relational) and c.free_symbols and c.free_symbols <= self.scalars:
            left = self(c.lhs)
            return f"tl.where(x == x, {left}, {left}) {RELATIONS[type(c)]} {self(c.rhs)}"
        return super().condition(c)

    def _step(self, e: sp.Expr) -> str:
        if e.args[1] in (0, 1):
            return super()._step(e)
        u = self.factor(e.args[0])
        return f"tl.where({u} == 0.0, {number(e.args[1])}, ({u} > 0.0).to(x.dtype))"

    def _raised(self, base: sp.Expr, exponent: sp.Expr) -> str:
        return f"{self._call('libdevice.pow')}({self(base)}, {self._tile(exponent)})"

    def _constant(self, value: str) -> str:
        return f"tl.full(x.shape, {value}, x.dtype)"
