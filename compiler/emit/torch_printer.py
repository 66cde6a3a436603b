"""Print a Program's statements as torch code."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from learnact.compiler.declare.functions import gelu_slope, gelu_value, logistic, raised_erf, sech2, sigmoid, softplus
from learnact.compiler.declare.kinks import Floor, Largest, Magnitude, Select, Sign, Smallest, Step, Winner
from learnact.compiler.declare.symbols import x
from learnact.compiler.emit.beside import functions_first
from learnact.compiler.emit.layout import wrapped
from learnact.compiler.emit.printer import GRAD, Printer, number
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Statement

CALLS: dict[type, str] = {
    sp.exp: "torch.exp",
    expm1: "torch.expm1",
    sp.log: "torch.log",
    log1p: "torch.log1p",
    sp.sin: "torch.sin",
    sp.cos: "torch.cos",
    sp.tan: "torch.tan",
    sp.tanh: "torch.tanh",
    sp.sinh: "torch.sinh",
    sp.cosh: "torch.cosh",
    sp.atan: "torch.atan",
    sp.asinh: "torch.asinh",
    sp.erf: "torch.erf",
    sp.erfc: "torch.erfc",
    sp.Abs: "torch.abs",
    Magnitude: "torch.abs",
    sp.sign: "torch.sign",
    Sign: "torch.sign",
    Floor: "torch.floor",
    sigmoid: "torch.sigmoid",
    softplus: "nn.functional.softplus",
    logistic: "_logistic",
    sech2: "_sech2",
    raised_erf: "_raised_erf",
    gelu_value: "_gelu",
    gelu_slope: "_gelu_slope",
}
"""SymPy function -> torch call of one argument; a new function is one line here."""

OPTIONS: dict[type, str] = {softplus: ", threshold=40.0"}
"""Above its threshold torch answers u for softplus(u): with the usual 20 that is wrong from the ninth digit on."""

SHARED: dict[type, str] = {
    sp.sin: "_sin",
    sp.cos: "_cos",
    sp.tanh: "_tanh",
    sp.erf: "_erf",
    expm1: "_expm1",
    softplus: "_softplus",
}
"""What is called on whole tensors instead: helpers of trigonometry.py.jinja and elementary.py.jinja."""

BETTER: dict[type, str] = {Largest: "torch.maximum", Smallest: "torch.minimum"}

CHOICES = (Largest, Smallest, Winner, Select, Step, Sign, Floor, Magnitude)
SMOOTH = (
    sp.sin,
    sp.cos,
    sp.tanh,
    sp.atan,
    sp.asinh,
    sp.erf,
    sp.erfc,
    sigmoid,
    logistic,
    sech2,
    raised_erf,
    gelu_value,
    gelu_slope,
)
BOUNDED: tuple[type, ...] = (sp.Add, sp.Mul, *SMOOTH, *CHOICES)
"""What is finite where its arguments are and they are not huge. Powers are not: x^5 is infinite at 1e8 in float32."""


class TorchPrinter(Printer):
    """Prints expressions of whole tensors."""

    backend = "torch"
    library = "torch"
    calls = CALLS
    options = OPTIONS

    def __init__(
        self, entries: Iterable[sp.Symbol], materialized: Collection[sp.Symbol] = (), *, indent: int = 4
    ) -> None:
        super().__init__(entries)
        self.indent = indent
        self.materialized = materialized
        self.called: set[str] = set()  # helpers
        self.beside: dict[sp.Expr, sp.Symbol] = {}  # slopes, each with the name of its function
        self.finite = {x, GRAD, *self.entries}  # what is finite for every finite input

    def block(self, block: Block, taken: Iterable[str]) -> tuple[list[str], tuple[sp.Expr, ...]]:
        """Lines of all statements, and the results; tanh or a sigmoid and its slope are not each computed anew."""
        fresh = Fresh(taken)
        block, self.beside = functions_first(block, fresh)
        return super().block(block, fresh.taken)

    def lines(self, statement: Statement) -> list[str]:
        """A statement as one line of code, or several for a choice."""
        if self._is_finite(statement.value):
            self.finite |= {statement.target, *([statement.best] if statement.best else [])}
        lines = super().lines(statement)
        if statement.target not in self.materialized:
            return lines
        name = statement.target.name
        if len(lines) == 1:
            return [f"{name} = _materialize({lines[0].removeprefix(f'{name} = ')})"]
        return [*lines, f"{name} = _materialize({name})"]

    def _is_finite(self, e: sp.Expr) -> bool:
        return e in self.finite or e.is_number or (issubclass(type(e), BOUNDED) and all(map(self._is_finite, e.args)))

    def _contest(self, name: str, winner: Winner, best: sp.Symbol | None) -> list[str]:
        better, fields = BETTER[winner.best], [*map(self, winner.fields)]
        if winner.slopes:
            slopes = [*map(self, winner.slopes)]
            lines = wrapped(f"{name}, {name}_is = _ranked(", [better, "x", *fields, *slopes], ")", indent=self.indent)
            mask = self._mask(*winner.fields)
            led = wrapped(f"{best} = _select(", [mask, name, f"{name}_is", "x", *fields], ")", indent=self.indent)
            return [*lines, *led] if best else lines
        targets = f"{name}, {name}_is, {f'{name}_last' if best else '_'}"
        lines = wrapped(f"{targets} = _tournament(", [better, "x", *fields], ")", indent=self.indent)
        return [*lines, f"{best} = _best({better}, *{name}_last)"] if best else lines

    def _extremum(self, name: str, value: sp.Expr) -> list[str]:
        """The largest or smallest of several; a constant, of which there is one at most, clamps the others.

        Unless it stands between them: then it takes its place in the order of ties as they do.
        """
        better, (first, *_, last) = BETTER[type(value)], value.args
        bound = next((e for e in (first, last) if e.is_number), None)
        field = [self._tile(e) for e in value.args if e is not bound]
        lines = wrapped(f"{name} = _best(", [better, *field], ")", indent=self.indent) if len(field) > 1 else []
        if bound is None:
            return lines
        clamp = "_clamp" if bound is first else "_clamp_last"
        self.called.add(clamp)
        which = "min" if isinstance(value, Largest) else "max"
        return [*lines, f"{name} = {clamp}({name if lines else field[0]}, {which}={number(bound)})"]

    def _chosen(self, name: str, select: Select) -> list[str]:
        winner, *entries = map(self, select.args)
        mask = self._mask(*select.args[1:])
        return wrapped(f"{name} = _select(", [mask, winner, f"{winner}_is", "x", *entries], ")", indent=self.indent)

    def _mask(self, *values: sp.Expr) -> str:
        """What keeps only the chosen one of the values: a product with 0 does if they are finite."""
        return "_mask" if all(map(self._is_finite, values)) else "_mask_nonfinite"

    def _if_won(self, winner: sp.Expr, k: int, value: sp.Expr) -> str:
        return f"{self._mask(value)}({self(winner)}_is[{k}], {self._tile(value)})"

    def _pair(self, sine: sp.Symbol, cosine: sp.Symbol, argument: sp.Expr) -> str:
        if self._is_finite(argument):
            self.finite |= {sine, cosine}
        return f"{sine}, {cosine} = _sin_and_cos({self(argument)})"

    def _function(self, e: sp.Expr) -> str:
        name = super()._function(e) if e.free_symbols <= self.entries else SHARED.get(type(e), super()._function(e))
        if isinstance(e, sigmoid) and logistic(e.args[0]) in self.beside:
            name = "_sigmoid"
        if name.startswith("_"):
            self.called.add(name)
        return name

    def _options(self, e: sp.Expr) -> str:
        if e in self.beside:
            return f", {self.beside[e]}"
        return "" if self._function(e) in SHARED.values() else super()._options(e)

    def _raised(self, base: sp.Expr, exponent: sp.Expr) -> str:
        return f"torch.pow({self(base)}, {int(exponent) if exponent.is_Integer else self(exponent)})"

    def _constant(self, value: str) -> str:
        return f"torch.full_like(x, {value})"
