"""Names for what lowering introduces: entries of inputs, shared parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sympy as sp

from learnact.compiler.declare.names import RESERVED

LETTERS = "abcdefgklmqruvwyz"


class Fresh:
    """Hands out names that nothing else in the emitted function carries."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken) | RESERVED

    def letter(self, count: int) -> tuple[sp.Symbol, ...]:
        """Symbols a0, a1, ... with the first letter whose names are all free."""
        for letter in LETTERS:
            names = [f"{letter}{k}" for k in range(count)]
            if letter not in self.taken and not self.taken & set(names):
                self.taken |= {letter, *names}
                return tuple(sp.Symbol(name, real=True) for name in names)
        return tuple(self.numbered("entry") for _ in range(count))

    def numbered(self, stem: str) -> sp.Symbol:
        """stem1, stem2, ...; no other name continues it after an underscore: printers add endings."""
        heads = {name[:i] for name in self.taken for i in range(1, len(name) + 1) if name[i : i + 1] in {"", "_"}}
        k = 1
        while f"{stem}{k}" in heads:
            k += 1
        self.taken.add(f"{stem}{k}")
        return sp.Symbol(f"{stem}{k}", real=True)

    def parts(self) -> Iterator[sp.Symbol]:
        """part1, part2, ..., for sp.cse."""
        while True:
            yield self.numbered("part")
