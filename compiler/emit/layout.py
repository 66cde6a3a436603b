"""Break long source lines the way a formatter would."""

from __future__ import annotations

from collections.abc import Sequence

LINE = 120
"""Columns that a line may have."""


def wrapped(head: str, items: Sequence[str], tail: str, *, indent: int = 0) -> list[str]:
    """head + items + tail on one line, or an item a line between head and tail; `indent` columns stand before it."""
    flat = f"{head}{', '.join(items)}{tail}"
    if indent + len(flat) <= LINE:
        return [flat]
    joint = f"    {', '.join(items)}"
    if indent + len(joint) <= LINE and "*" not in items:
        return [head, joint, tail]
    return [head, *(f"    {item}," for item in items), tail.removeprefix(",")]


def nested(head: str, items: Sequence[str], last: Sequence[str], tail: str, *, indent: int = 0) -> list[str]:
    """As `wrapped`, with a last item that may be several lines."""
    if len(last) == 1:
        return wrapped(head, [*items, *last], tail, indent=indent)
    return [head, *(f"    {line}" for line in (*(f"{item}," for item in items), *last[:-1], f"{last[-1]},")), tail]


def assigned(head: str, flat: str, terms: Sequence[str], *, indent: int = 0) -> list[str]:
    """head and an expression on one line, or its terms one a line in parentheses."""
    if indent + len(head) + 1 + len(flat) <= LINE or len(terms) == 1:
        return [f"{head} {flat}"]
    return [f"{head} (", *(f"    {t}" for t in terms), ")"]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns aligned to the left, two spaces apart; short rows leave the last columns empty."""
    width = max(map(len, rows))
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    columns = [max(len(row[k]) for row in padded) for k in range(width)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, columns, strict=True)).rstrip() for row in padded]
