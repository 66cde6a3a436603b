"""learnact-gen gain, maps: what a fixed function does to signals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from learnact.compiler.cli.completion import complete_law, complete_spec
from learnact.compiler.cli.options import HOLDS, LAW_HELP, Command, json_option

if TYPE_CHECKING:
    from learnact.compiler.resolve.parameters import Number


def names_a_function(command: Command) -> Command:
    """Give a command its FUNCTION and the options that declare an expression and the law."""
    for option in (
        click.option("--sigma", metavar="S", help="Law N(0, S^2), exactly: 0.55 is 11/20."),
        click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter's value."),
        click.option("--expr", metavar="TEXT", help='An expression in x, e.g. "x*exp(-x**2)".'),
        click.argument("specs", metavar="[FUNCTION]", nargs=-1, shell_complete=complete_spec),
    ):
        command = option(command)
    return command


@click.command()
@names_a_function
@click.option("--law", metavar="LAW", help=LAW_HELP, shell_complete=complete_law)
@json_option
def gain(law: str | None, sigma: str | None, form: str, **words: Any) -> int:
    """Print moments and gains of a function.

    FUNCTION is a name (gelu), a SPEC, with @START behind it (hermite:3@paper) or the default start, or file.py:object.
    """
    from learnact.compiler.analyse.ask import gain as gain_of  # noqa: PLC0415
    from learnact.compiler.explain import formats, gains  # noqa: PLC0415

    target, params = _function(**words)
    found = gain_of(target, params=params, law=law, sigma=sigma)
    click.echo(formats.as_json(gains.data(found)) if form == "json" else gains.plain(found), nl=False)
    return HOLDS


@click.command("maps")
@names_a_function
@click.option("-o", "--out", "path", type=click.Path(dir_okay=False, path_type=Path), help="Picture to draw.")
@click.option("--force", is_flag=True, help="Replace a picture that differs.")
@json_option
def maps_command(sigma: str | None, path: Path | None, force: bool, form: str, **words: Any) -> int:
    """Print what depth does to angles and lengths.

    FUNCTION as in `gain`: the correlation map of one layer with its fixed points, the length map, Hermite coefficients.
    """
    from learnact.compiler.analyse.ask import maps as maps_of  # noqa: PLC0415
    from learnact.compiler.explain import formats, maps  # noqa: PLC0415
    from learnact.files import write_whole  # noqa: PLC0415

    target, params = _function(**words)
    found = maps_of(target, params=params, sigma=sigma)
    if path is not None:
        write_whole(path, maps.picture(found, path.suffix), force=force)
    click.echo(formats.as_json(maps.data(found)) if form == "json" else maps.plain(found), nl=False)
    return HOLDS


def _function(specs: tuple[str, ...], expr: str | None, params: tuple[str, ...]) -> tuple[Any, dict[str, Number]]:
    """What FUNCTION or --expr name, and the values of the expression's parameters."""
    from learnact.compiler.resolve.declaration import Declaration  # noqa: PLC0415
    from learnact.compiler.resolve.expression import parse_params  # noqa: PLC0415

    if (expr is None) == (not specs):
        raise click.UsageError("give either FUNCTION, such as gelu or hermite:3, or --expr")
    if len(specs) > 1:
        raise click.UsageError(f"this command takes one FUNCTION, found {len(specs)}")
    values: dict[str, Number] = dict(parse_params(params))
    if expr is not None:
        return Declaration(expr=expr, params=params, name="Expression"), {}
    return specs[0], values


COMMANDS = (gain, maps_command)
