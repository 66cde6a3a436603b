"""learnact-gen list, derive, show: the commands that only report."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from learnact.compiler.cli.options import HOLDS, advise, declaration, declares, json_option
from learnact.compiler.cli.progress import progress

if TYPE_CHECKING:
    from learnact.compiler.declare.laws import Law


@click.command("list")
@json_option
def list_command(form: str) -> int:
    """List the families and the classical functions.

    Of families formula, law, parameters, starts, fits and what is generated.
    """
    from learnact.compiler.explain import formats, listing  # noqa: PLC0415

    rows, functions = listing.families(), listing.classical()
    text = (
        formats.as_json(sorted([*rows, *functions], key=itemgetter("name")))
        if form == "json"
        else listing.text(rows) + listing.short(functions)
    )
    click.echo(text, nl=False)
    return HOLDS


@click.command()
@declares(many=False)
@click.option("--sigma", metavar="S", help="Law N(0, S^2), exactly: 0.55 is 11/20.")
@click.option("--preserve", is_flag=True, help="Solve for E[F^2] = E[x^2] instead of E[F^2] = 1.")
@click.option(
    "--fit", "free", multiple=True, metavar="NAME", help="Fit all parameters to this classical function too (repeat)."
)
@click.option("--format", "form", type=click.Choice(["text", "latex", "markdown", "json"]), default="text")
def derive(sigma: str | None, preserve: bool, free: tuple[str, ...], form: str, **words: Any) -> int:
    """Print every start with its exact values, moments and variance factors."""
    from learnact.compiler import api  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415

    law = _law(words["law"], sigma)
    if words["expr"] is None:
        words["law"] = None  # a family's declared law stays; the question is how it does under another
    activation = declaration(**words).activation()
    with progress("derive") as watch:
        derivation = api.derive(activation, law, preserve=preserve, free=free, watch=watch)
    click.echo(formats.FORMATS[form](derivation), nl=False)
    if words["expr"] is not None:
        advise(activation)
    return HOLDS


def _law(law: str | None, sigma: str | None) -> Law | None:
    from learnact.compiler.api import normal  # noqa: PLC0415
    from learnact.compiler.resolve.expression import parse_law  # noqa: PLC0415

    if law is not None and sigma is not None:
        raise click.UsageError("give either --law or --sigma; --sigma S is --law normal:S")
    if sigma is not None:
        return normal(sigma)
    return parse_law(law) if law is not None else None


@click.command()
@declares(many=False)
@click.option("--stage", type=click.Choice(["spec", "derivation", "program", "source"]), required=True)
@json_option
def show(stage: str, form: str, **words: Any) -> int:
    """Print what one stage of the compiler hands to the next."""
    from learnact.compiler.explain import formats, stages  # noqa: PLC0415

    found = declaration(**words)
    click.echo(formats.as_json(stages.data(found, stage)) if form == "json" else stages.text(found, stage), nl=False)
    return HOLDS


COMMANDS = (list_command, derive, show)
