"""What the commands of learnact-gen share: exit codes, the options that declare, and reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from learnact.compiler.cli.completion import complete_law, complete_spec

if TYPE_CHECKING:
    from learnact.compiler.declare.spec import Activation
    from learnact.compiler.resolve.declaration import Declaration

Command = TypeVar("Command", bound=Callable[..., Any])

HOLDS, FAILS, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: what was asked holds or is done; a check fails; the question was wrong; interrupted."""

UNNAMED = "Expression"
"""Class name of an expression where no file is written."""

LAW_HELP = "normal, uniform, arcsine, exponential; or e.g. uniform:pi."

START_HELP = "Add a start with conditions: shaped,curvature=0.1 or curved,curvature=2 (see docs/shaped.md)."

json_option = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


def declares(many: bool) -> Callable[[Command], Command]:
    """Give a command its SPEC arguments and the options that declare an expression."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option("--start", metavar="NAME,WORD=VALUE", help=START_HELP),
            click.option("--law", metavar="LAW", help=LAW_HELP, shell_complete=complete_law),
            click.option("--name", metavar="CLASS", help="Class name in place of the derived one."),
            click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter's start value."),
            click.option("--expr", metavar="TEXT", help='An expression in x, e.g. "a*tanh(b*x) + c*x".'),
            click.argument("specs", metavar="SPEC..." if many else "[SPEC]", nargs=-1, shell_complete=complete_spec),
        ):
            command = option(command)
        return command

    return decorate


def declarations(
    specs: Sequence[str],
    expr: str | None,
    params: Sequence[str],
    name: str | None,
    law: str | None,
    start: str | None = None,
) -> list[Declaration]:
    """Pair the words of a command line into declarations."""
    from learnact.compiler.resolve.declaration import Declaration  # noqa: PLC0415

    if expr is not None and specs:
        raise click.UsageError(f"give either SPEC or --expr, found {specs[0]!r} and --expr")
    if expr is not None:
        return [Declaration(expr=expr, params=tuple(params), name=name, law=law, start=start)]
    if not specs:
        raise click.UsageError("give a SPEC such as hermite:5, or --expr with --param and --name")
    if name is not None and len(specs) > 1:
        raise click.UsageError(f"--name names one class, found {len(specs)} SPECs")
    return [Declaration(spec=spec, params=tuple(params), name=name, law=law, start=start) for spec in specs]


def advise(activation: Activation) -> None:
    """Say on stderr what would give an expression a balanced start, if it has none."""
    from learnact.compiler.resolve.advice import missing_factor  # noqa: PLC0415

    if advice := missing_factor(activation):
        click.echo(f"learnact-gen: hint: {advice}", err=True)


def declaration(
    specs: Sequence[str],
    expr: str | None,
    params: Sequence[str],
    name: str | None,
    law: str | None,
    start: str | None = None,
) -> Declaration:
    """Read the one declaration of a command that takes one, and only prints: an expression needs no name there."""
    if expr is not None and name is None:
        name = UNNAMED
    found = declarations(specs, expr, params, name, law, start)
    if len(found) != 1:
        raise click.UsageError(f"this command takes one SPEC, found {len(found)}")
    return found[0]
