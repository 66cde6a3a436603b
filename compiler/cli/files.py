"""learnact-gen plot, new, docs: the commands that write pictures, a family file to start from, and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from learnact.compiler.cli.options import HOLDS, declarations, declares

file_type = click.Path(dir_okay=False, path_type=Path)
force_option = click.option("--force", is_flag=True, help="Replace files that differ.")


@click.command()
@declares(many=True)
@click.option("-o", "--out", "path", type=file_type, required=True, help="Picture: .png, .svg or .pdf.")
@force_option
def plot(path: Path, force: bool, **words: Any) -> int:
    """Draw F and F' of every start, and the density of the law."""
    from learnact.compiler.explain import plot as drawing  # noqa: PLC0415
    from learnact.files import write_whole  # noqa: PLC0415

    activations = [d.activation() for d in declarations(**words)]
    click.echo(write_whole(path, drawing.picture(activations, path.suffix), force=force))
    return HOLDS


@click.command()
@click.argument("name")
@click.option("-o", "--out", "path", type=file_type, help="File to write; NAME.py if left out.")
@force_option
def new(name: str, path: Path | None, force: bool) -> int:
    """Write a commented family file to start from."""
    from learnact.compiler.resolve.scaffold import family_file  # noqa: PLC0415
    from learnact.files import write_whole  # noqa: PLC0415

    path = path or Path(f"{name}.py")
    click.echo(write_whole(path, family_file(name, str(path)), force=force))
    return HOLDS


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="docs", show_default=True)
@click.option("--pictures", is_flag=True, help="Draw the pictures that the pages show, too.")
def docs(out: Path, pictures: bool) -> int:
    """Write one markdown page per family, and the pages of gains and maps and of all functions side by side.

    Formula, moments by degree, derivation, picture; every gain beside the constants in circulation.
    """
    from learnact.compiler.explain import pages  # noqa: PLC0415

    for path in pages.write(out, pictures=pictures):
        click.echo(path)
    return HOLDS


COMMANDS = (plot, new, docs)
