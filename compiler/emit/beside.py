"""Slopes of tanh and of the sigmoid beside these themselves: eager code makes the one of the other."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from learnact.compiler.declare.functions import logistic, sech2, sigmoid
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Statement

SLOPES: tuple[tuple[type, type], ...] = ((sech2, sp.tanh), (logistic, sigmoid))


def functions_first(block: Block, fresh: Fresh) -> tuple[Block, dict[sp.Expr, sp.Symbol]]:
    """The block with a statement for every function whose slope it holds too, and the statement's name by the slope."""
    names: dict[sp.Expr, sp.Symbol] = {}
    for kinds in SLOPES:
        slopes, functions = ({e.args[0] for v in block.all for e in v.atoms(kind)} for kind in kinds)
        for u in sorted(slopes & functions, key=sp.default_sort_key):
            value = kinds[1](u)
            own = [s.target for s in block.statements if s.value == value]
            name = own[0] if own else fresh.numbered(kinds[1].__name__)
            others = replace(block, statements=tuple(s for s in block.statements if s.target not in own))
            block = _with_statement(others, Statement(name, value))
            names[kinds[0](u)] = name
    return block, names


def _with_statement(block: Block, statement: Statement) -> Block:
    """The statement after all that it reads, and its name in place of its value from there on."""
    known = {name: i for i, s in enumerate(block.statements, 1) for name in (s.target, s.best)}
    place = max((known.get(s, 0) for s in statement.value.free_symbols), default=0)
    renamed = {statement.value: statement.target}
    after = [replace(s, value=s.value.xreplace(renamed)) for s in block.statements[place:]]
    results = tuple(r.xreplace(renamed) for r in block.results)
    return replace(block, statements=(*block.statements[:place], statement, *after), results=results)
