"""Lower any declared expression: differentiate symbolically, then share sub-expressions jointly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from learnact.compiler.declare.clamped import split_powers
from learnact.compiler.declare.derivatives import PASSES
from learnact.compiler.declare.kinks import Largest, Select, Smallest, Winner, is_indicator
from learnact.compiler.declare.one_sided import LeftLimit
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Input, Statement
from learnact.compiler.lower.quotients import divided_once
from learnact.compiler.lower.slopes import with_digits

EXTREMA = (Largest, Smallest)


Lowered = tuple[tuple[Input, ...], Block, Block, Block | None, list[tuple[str, int]]]


def lower_general(activation: Activation) -> Lowered:
    """Inputs, forward, backward, F by the pieces that the backward takes, and what each pass left."""
    exprs: tuple[sp.Expr, ...] = (activation.written,)
    report = []
    keys = sortable(activation)
    ascending = [v.symbols for v in activation.parameters if v.name in keys.values()]
    limit = LeftLimit([value for v in activation.parameters for value in v.values], ascending)
    for step in PASSES:
        exprs = step(exprs, limit)
        report.append((step.__name__, sum(int(sp.count_ops(e)) for e in exprs)))
    exprs = with_digits(exprs)
    pieces = limit(split_powers(exprs[0]))
    fresh = Fresh(name for v in activation.parameters for name in (v.name, v.declared))
    inputs = []
    renamed: dict[sp.Symbol, sp.Symbol] = {}
    for v in activation.parameters:
        entries = v.values if v.scalar else fresh.letter(len(v.values))
        renamed |= dict(zip(v.values, entries, strict=True))
        inputs.append(Input(v.declared, v.whole, entries, keys=keys.get(v.name, "")))
    smooth = None if pieces == exprs[0] else _shared((pieces.xreplace(renamed),), fresh)
    exprs = tuple(e.xreplace(renamed) for e in exprs)
    return tuple(inputs), _shared(exprs[:1], fresh), _shared(exprs[1:], fresh), smooth, report


def sortable(activation: Activation) -> dict[str, str]:
    """Parameters whose entries may be brought into another order, each with the one whose values decide it.

    Those of a maximum over k of one expression in x, p_k and perhaps a_k, whose slope in x is p_k: with ascending
    slopes the order of its arguments decides ties, once and not at every element.
    """
    found: dict[str, str] = {}
    for extremum in activation.function.atoms(sp.Max, sp.Min):
        for keys in (v for v in activation.parameters if len(v.symbols) == len(extremum.args) > 1):
            arguments = {sp.diff(e, x): e for e in extremum.args}
            if set(arguments) != set(keys.symbols):
                continue
            ordered = [arguments[s] for s in keys.symbols]
            mine = [v for v in activation.parameters if ordered[0].has(*v.symbols)]
            alike = all(
                len(v.symbols) == len(keys.symbols) and not activation.function.xreplace({extremum: x}).has(*v.symbols)
                for v in mine
            ) and all(
                e.xreplace({v.symbols[k]: v.symbols[0] for v in mine}) == ordered[0] for k, e in enumerate(ordered)
            )
            if alike:
                found |= {v.name: keys.name for v in mine}
    return found


def _shared(exprs: tuple[sp.Expr, ...], fresh: Fresh) -> Block:
    """Compute what several of them hold once; parts are named by what they are."""
    parts, results = _parts(exprs, Fresh(fresh.taken))
    sharer = _Sharer(Fresh(fresh.taken), [value for _, value in parts] + results)
    for symbol, value in parts:
        sharer.known[symbol] = sharer.statement(value)
    finished = tuple(map(sharer.inline, results))
    used = {s for e in (*(s.value for s in sharer.statements), *finished) for s in e.free_symbols}
    return Block(tuple(s if s.best in used else replace(s, best=None) for s in sharer.statements), finished)


def _parts(exprs: tuple[sp.Expr, ...], names: Fresh) -> tuple[list[tuple[sp.Symbol, sp.Expr]], list[sp.Expr]]:
    """Common sub-expressions and what is left; constants stay where they are: named, they would be no tensors."""
    symbols = names.parts()
    quotients, divided = divided_once(exprs, symbols)
    parts, results = sp.cse([*(value for _, value in quotients), *divided], symbols=symbols, order="canonical")
    parts = _ordered([*parts, *((symbol, e) for (symbol, _), e in zip(quotients, results, strict=False))])
    constants: dict[sp.Symbol, sp.Expr] = {}
    shared = []
    for symbol, value in parts:
        value = value.xreplace(constants)
        if value.is_number:
            constants[symbol] = value
        else:
            shared.append((symbol, value))
    return shared, [e.xreplace(constants) for e in results[len(quotients) :]]


def _ordered(definitions: list[tuple[sp.Symbol, sp.Expr]]) -> list[tuple[sp.Symbol, sp.Expr]]:
    """Each after what it is made of."""
    waiting, ordered, defined = list(definitions), [], {symbol for symbol, _ in definitions}
    while waiting:
        ready = next(d for d in waiting if not d[1].free_symbols & defined)
        waiting.remove(ready)
        ordered.append(ready)
        defined.discard(ready[0])
    return ordered


class _Sharer:
    """Turns shared parts into statements, and choices inside expressions too: they print as several lines."""

    def __init__(self, names: Fresh, exprs: Sequence[sp.Expr]) -> None:
        self.names = names
        self.known: dict[sp.Expr, sp.Expr] = {}  # what has a name already
        self.winners = {w.best(*w.fields): w for e in exprs for w in e.atoms(Winner)}
        self.statements: list[Statement] = []

    def statement(self, e: sp.Expr) -> sp.Expr:
        """Give the expression a statement of its own; its name."""
        if e in self.winners:  # the winner's statement finds the winning value too
            self.inline(self.winners[e])
        if e in self.known:
            return self.known[e]
        if not isinstance(e, Winner):
            value = e.func(*map(self.inline, e.args))
            return self._named(e, "best" if isinstance(e, EXTREMA) else _stem(value), value)
        value = e.func(*(self.statement(a) if a.args and not a.is_number else self.inline(a) for a in e.args))
        best = self.names.numbered("best")
        self.known[e.best(*e.fields)] = best
        return self._named(e, "winner", value, best)

    def inline(self, e: sp.Expr) -> sp.Expr:
        """Put known parts in by their names, and choices behind statements."""
        if e in self.known:
            return self.known[e]
        if isinstance(e, (Winner, *EXTREMA)) or (isinstance(e, Select) and not is_indicator(e)):
            return self.statement(e)
        return e.func(*map(self.inline, e.args)) if e.args else e

    def _named(self, e: sp.Expr, stem: str, value: sp.Expr, best: sp.Symbol | None = None) -> sp.Symbol:
        self.known[e] = self.names.numbered(stem)
        self.statements.append(Statement(self.known[e], value, best))
        return self.known[e]


def _stem(value: sp.Expr) -> str:
    return type(value).__name__.lower() if value.is_Function else "part"
