"""How far a command is, on stderr, where that is a terminal; elsewhere nothing is printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Watch = Callable[[str, int], None]
"""Called before each step with its name and how many steps there are in all."""


@contextmanager
def progress(label: str) -> Iterator[Watch | None]:
    """A progress bar that names the present step; None where stderr is no terminal."""
    stream = sys.stderr
    if not stream.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=stream, show_eta=False, item_show_func=_shown) as bar:

        def watch(name: str, total: int) -> None:
            bar.length = total
            if bar.current_item is None:
                bar.current_item = name
                bar.render_progress()
            else:
                bar.update(1, name)  # the step before is done

        yield watch
        bar.update(1, None)


def _shown(name: str | None) -> str | None:
    return name
