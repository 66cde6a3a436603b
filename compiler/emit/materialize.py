"""Which values of a block Inductor has to materialize.

Inductor inlines a value into every expression that reads it, and with it all that the value itself reads, although one
loop computes them all in the end: a recurrence grows like the Fibonacci numbers, and so does the time to compile it.
"""

from __future__ import annotations

from collections import Counter

import sympy as sp

from learnact.compiler.declare.kinks import Winner
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.program import Block

INLINED = 20
"""Operations that a value read more than once may take when inlined. Between 10 and 20 as fast to run and to
compile; from 40 on nothing is gained for degree 8."""


def materialized(block: Block) -> frozenset[sp.Symbol]:
    """Targets whose values are read more than once and take more than `INLINED` operations when inlined."""
    reads: Counter[sp.Symbol] = Counter()
    for e in block.all:
        reads.update(_symbols(e))
    size: Counter[sp.Symbol] = Counter()
    reads_x = {x}
    found = set()
    for s in block.statements:
        symbols = _symbols(s.value)
        size[s.target] = int(sp.count_ops(s.value)) + sum(size[symbol] for symbol in symbols)
        if isinstance(s.value, Winner) or s.value.has(sp.sin, sp.cos):  # the helpers materialize those
            size[s.target] = 1
        elif not reads_x.isdisjoint(symbols):
            if size[s.target] > INLINED and reads[s.target] > 1:
                found.add(s.target)
                size[s.target] = 1
            else:
                reads_x.add(s.target)
    return frozenset(found)


def _symbols(e: sp.Expr) -> list[sp.Symbol]:
    """Every symbol as often as it stands in the expression."""
    return [s for s in sp.preorder_traversal(e) if s.is_Symbol]
