"""What the shell offers for a SPEC, a law or a backend when Tab is pressed: click asks these callbacks.

eval "$(_LEARNACT_GEN_COMPLETE=bash_source learnact-gen)"     likewise zsh_source, fish_source
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def complete_spec(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Families, degrees behind `family:`, and files for whatever looks like a path."""
    from learnact.compiler.resolve.registry import family_names  # noqa: PLC0415

    if "/" in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    # bash breaks words at colons: `hermite:1` arrives as the words `hermite`, `:` and `1`, each completed alone.
    before = tuple(context.params.get("specs") or ())
    if incomplete == ":" and before:
        return _items(_degrees(before[-1]))
    if len(before) > 1 and before[-1] == ":":
        return _items(d for d in _degrees(before[-2]) if d.startswith(incomplete))
    name, colon, degree = incomplete.partition(":")
    if colon:
        return _items(f"{name}:{d}" for d in _degrees(name) if d.startswith(degree))
    names = [n for n in family_names() if n.startswith(incomplete)]
    if len(names) == 1 and (degrees := _degrees(names[0])):
        return _items(f"{names[0]}:{d}" for d in degrees)
    return _items(names) if names else [CompletionItem(incomplete, type="file")]


def complete_law(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of laws."""
    from learnact.compiler.declare.laws import LAWS  # noqa: PLC0415

    return _items(name for name in LAWS if name.startswith(incomplete))


def complete_backend(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of backends."""
    from learnact.compiler.resolve.declaration import BACKENDS  # noqa: PLC0415

    return _items(name for name in BACKENDS if name.startswith(incomplete))


def _degrees(name: str) -> list[str]:
    """Degrees of a family as text; none where it has none or does not exist, for completion has nobody to tell."""
    from learnact.compiler.resolve.registry import family  # noqa: PLC0415
    from learnact.errors import LearnactError  # noqa: PLC0415

    try:
        return [str(degree) for degree in family(name).degrees or ()]
    except LearnactError:
        return []


def _items(values: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(value) for value in values]
