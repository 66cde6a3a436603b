"""Sines and cosines of one argument, which one call finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.names import Fresh
from learnact.compiler.lower.program import Block, Statement


class Pairs:
    """Arguments of which a block wants the sine and the cosine, and the names that these get."""

    def __init__(self, block: Block, fresh: Fresh) -> None:
        self.named = {s.value: s.target for s in block.statements if isinstance(s.value, (sp.sin, sp.cos))}
        self.fresh = fresh
        self.names: dict[sp.Expr, sp.Symbol] = {}
        wide = _wide(block.statements)
        sines, cosines = ({e.args[0] for v in block.all for e in v.atoms(kind)} for kind in (sp.sin, sp.cos))
        found = (u for u in sines & cosines if u.free_symbols & wide)
        self.arguments = sorted(found, key=lambda u: (sp.count_ops(u), sp.default_sort_key(u)))  # inner ones first

    def due(self, value: sp.Expr) -> Iterator[tuple[sp.Symbol, sp.Symbol, sp.Expr]]:
        """Sine, cosine and argument of every pair that `value` needs and nothing before it did."""
        found = [u for u in self.arguments if value.has(sp.sin(u), sp.cos(u))]
        self.arguments = [u for u in self.arguments if u not in found]
        for u in found:
            pair = [sp.sin(u), sp.cos(u)]
            sine, cosine = (self.named.get(e) or self.fresh.numbered(type(e).__name__) for e in pair)
            argument = u.xreplace(self.names)
            self.names |= dict(zip(pair, (sine, cosine), strict=True))
            yield sine, cosine, argument


def _wide(statements: Sequence[Statement]) -> set[sp.Symbol]:
    """What differs from element to element: x, and every statement that reads something that does."""
    found = {x}
    for s in statements:
        if s.value.free_symbols & found:
            found |= {s.target, *([s.best] if s.best else [])}
    return found
