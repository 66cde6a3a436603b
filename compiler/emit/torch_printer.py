"""Print a Program's statements as torch code."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sympy as sp

from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.kinks import Largest, Magnitude, Select, Sign, Smallest, Step, Winner
from learnact.compiler.declare.symbols import x
from learnact.compiler.emit.layout import wrapped
from learnact.compiler.emit.printer import GRAD, Printer, number
from learnact.compiler.lower.program import Statement

CALLS: dict[type, str] = {
    sp.exp: "torch.exp",
    sp.log: "torch.log",
    sp.sin: "torch.sin",
    sp.cos: "torch.cos",
    sp.tan: "torch.tan",
    sp.tanh: "torch.tanh",
    sp.sinh: "torch.sinh",
    sp.cosh: "torch.cosh",
    sp.atan: "torch.atan",
    sp.erf: "torch.erf",
    sp.erfc: "torch.erfc",
    sp.Abs: "torch.abs",
    Magnitude: "torch.abs",
    sp.sign: "torch.sign",
    Sign: "torch.sign",
    sigmoid: "torch.sigmoid",
    softplus: "nn.functional.softplus",
}
"""SymPy function -> torch call of one argument; a new function is one line here."""

OPTIONS: dict[type, str] = {softplus: ", threshold=40.0"}
"""Above its threshold torch answers u for softplus(u): with the usual 20 that is wrong from the ninth digit on."""

SHARED: dict[type, str] = {sp.sin: "_sin", sp.cos: "_cos"}
"""What is called on whole tensors instead: helpers of trigonometry.py.jinja."""

BETTER: dict[type, str] = {Largest: "torch.maximum", Smallest: "torch.minimum"}

CHOICES = (Largest, Smallest, Winner, Select, Step, Sign, Magnitude)
BOUNDED: tuple[type, ...] = (sp.Add, sp.Mul, sp.sin, sp.cos, sp.tanh, sp.atan, sp.erf, sp.erfc, sigmoid, *CHOICES)
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
        self.called: set[str] = set()  # helpers of trigonometry.py.jinja
        self.finite = {x, GRAD, *self.entries}  # what is finite for every finite input

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
        arguments = [BETTER[winner.best], "x", *map(self, winner.args)]
        targets = f"{name}, {name}_is, {f'{name}_last' if best else '_'}"
        lines = wrapped(f"{targets} = _tournament(", arguments, ")", indent=self.indent)
        return [*lines, f"{best} = _best({BETTER[winner.best]}, *{name}_last)"] if best else lines

    def _extremum(self, name: str, value: sp.Expr) -> list[str]:
        """The largest or smallest of several; of constants there is one at most, and it clamps the others."""
        better = BETTER[type(value)]
        field = [self(e) for e in value.args if not e.is_number]
        constants = [number(e) for e in value.args if e.is_number]
        if constants and len(field) == 1:
            return [f"{name} = {self._clamped(value, field[0], *constants)}"]
        lines = wrapped(f"{name} = _best(", [better, *field], ")", indent=self.indent)
        return [*lines, *(f"{name} = {self._clamped(value, name, c)}" for c in constants)]

    def _clamped(self, value: sp.Expr, text: str, bound: str) -> str:
        return f"_clamp({text}, {'min' if isinstance(value, Largest) else 'max'}={bound})"

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
        if e.free_symbols <= self.entries or type(e) not in SHARED:
            return super()._function(e)
        self.called.add(SHARED[type(e)])
        return SHARED[type(e)]

    def _raised(self, base: sp.Expr, exponent: sp.Expr) -> str:
        return f"torch.pow({self(base)}, {int(exponent) if exponent.is_Integer else self(exponent)})"

    def _constant(self, value: str) -> str:
        return f"torch.full_like(x, {value})"
