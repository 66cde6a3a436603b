"""learnact-gen emit, generate, verify, check: the commands that make emitted files and judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from learnact.compiler.cli.completion import complete_backend
from learnact.compiler.cli.options import FAILS, HOLDS, advise, declarations, declares, json_option
from learnact.compiler.cli.progress import progress

if TYPE_CHECKING:
    from learnact.compiler.resolve.declaration import Declaration

BACKEND_HELP = "both adds Triton kernels for eager CUDA; triton makes CUDA an error where triton is not installed."
LEAN_HELP = "Leave out what only makes eager code on a CPU faster: a short file to read, as fast under torch.compile."

AGAINST_HELP = 'What FILE.py:callable should compute: "x*(1 + erf(x/sqrt(2)))/2", or a SPEC such as hermite:5.'

folder_argument = click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)

backend_option = click.option(
    "--backend", metavar="torch|triton|both", default="torch", help=BACKEND_HELP, shell_complete=complete_backend
)


@click.command()
@declares(many=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=".", help="Folder to write into.")
@backend_option
@click.option("--lean", is_flag=True, help=LEAN_HELP)
@click.option("--force", is_flag=True, help="Replace files that differ.")
@json_option
def emit(out: Path, backend: str, lean: bool, force: bool, form: str, **words: Any) -> int:
    """Write a standalone torch module per SPEC.

    Kernels are used for CUDA tensors outside torch.compile; the torch ops that stand beside them serve everywhere else.
    """
    from learnact.compiler import api  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415
    from learnact.files import check_free, write_whole  # noqa: PLC0415

    asked, sources = declarations(**words), []
    with progress("emit") as watch:
        for declaration in asked:
            if watch:
                watch(declaration.spec or declaration.name or "", len(asked))
            sources.append(api.source_for(out, declaration, backend, lean))
            if declaration.expr is not None:
                advise(declaration.activation())
    for source in sources:  # all or none: the first file is not written if the last may not be
        check_free(out / source.filename, source.text, force=force)
    rows = []
    for source in sources:
        path = write_whole(out / source.filename, source.text, force=force)
        rows.append({"file": str(path), "class": source.names.cls, "inputs": source.inputs, "body": source.body})
    click.echo(formats.as_json(rows) if form == "json" else "".join(f"{r['file']}\n" for r in rows), nl=False)
    return HOLDS


@click.command()
@folder_argument
@json_option
def generate(folder: Path | None, form: str) -> int:
    """Write generated/ again, as `check` expects it.

    DIR must be missing, empty or written by this command before. Replaced are the files that its MANIFEST.json lists;
    deleted are modules that it lists and that are no longer generated. Nothing else in DIR is touched.
    """
    from learnact.compiler.emit import check as checking  # noqa: PLC0415
    from learnact.compiler.emit.plan import generated_folder  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415

    with progress("generate") as watch:
        changed = [str(path) for path in checking.generate(folder or generated_folder(), watch=watch)]
    text = "".join(f"{path}\n" for path in changed) or "nothing to change\n"
    click.echo(formats.as_json(changed) if form == "json" else text, nl=False)
    return HOLDS


@click.command()
@folder_argument
@json_option
def check(folder: Path | None, form: str) -> int:
    """Compare emitted files with what is emitted now.

    Byte for byte; exit 1 and a diff if they differ.
    """
    from learnact.compiler.emit import check as checking  # noqa: PLC0415
    from learnact.compiler.emit.plan import generated_folder  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415

    folder = folder or generated_folder()
    with progress("check") as watch:
        differences = checking.check(folder, watch=watch)
    if form == "json":
        click.echo(formats.as_json([asdict(d) for d in differences]), nl=False)
    elif differences:
        click.echo("\n".join(map(str, differences)), nl=False)
    else:
        click.echo(f"{folder} is what the compiler emits")
    return FAILS if differences else HOLDS


@click.command()
@declares(many=True)
@click.option("--quick", is_flag=True, help="No compiler: the traced graph is run as it is; with --against it is not.")
@click.option(
    "--prove", is_flag=True, help="Prove F and its derivatives equal to the declaration; a table of identities."
)
@click.option("--against", metavar="TEXT", help=AGAINST_HELP)
@json_option
def verify(quick: bool, prove: bool, against: str | None, form: str, **words: Any) -> int:
    """Check emitted code against its declaration, or code of your own against --against.

    SPEC may be an emitted FILE. Exit 1 if a check fails.

    With --against, SPEC is FILE.py:callable or package.module:callable: a function of a tensor, an nn.Module or its
    class. It runs in a process of its own. Parameters of the expression are given by --param and matched by name.
    """
    from learnact.compiler import api  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415

    if against is not None:
        if prove:
            raise click.UsageError("--prove traces emitted files; leave it out with --against, which measures")
        return _verify_against(against, quick, form, **words)
    targets = [_file_or_declaration(d) for d in declarations(**words)]
    reports = []
    for target in targets:
        with progress("verify") as watch:
            reports.append(api.verify(target, quick=quick, prove=prove, watch=watch))
    if form == "json":
        click.echo(formats.as_json([r.as_dict() for r in reports]), nl=False)
    else:
        click.echo("\n\n".join(r.table() for r in reports))
    return HOLDS if all(r.ok for r in reports) else FAILS


def _verify_against(
    against: str,
    quick: bool,
    form: str,
    specs: Sequence[str],
    expr: str | None,
    params: Sequence[str],
    name: str | None,
    law: str | None,
    start: str | None,
) -> int:
    from learnact.compiler import api  # noqa: PLC0415
    from learnact.compiler.explain import formats  # noqa: PLC0415
    from learnact.compiler.resolve.expression import parse_params  # noqa: PLC0415

    if any(word is not None for word in (expr, name, law, start)):
        raise click.UsageError("--against is the declaration itself; leave --expr, --name, --law and --start out")
    if len(specs) != 1:
        raise click.UsageError(f"--against judges one FILE.py:callable, found {len(specs)}")
    report = api.verify_against(specs[0], against, params=parse_params(params), quick=quick)
    if form == "json":
        click.echo(formats.as_json([report.as_dict()]), nl=False)
    else:
        click.echo(report.table())
    return HOLDS if report.ok else FAILS


def _file_or_declaration(declaration: Declaration) -> Path | Declaration:
    """Take FILE.py for an emitted file: its header declares it, so nothing else may."""
    if declaration.spec is None or not declaration.spec.endswith(".py"):
        return declaration
    if any(word is not None for word in (declaration.name, declaration.law, declaration.start)):
        raise click.UsageError(f"{declaration.spec} says itself what it is; leave --name, --law and --start out")
    return Path(declaration.spec)


COMMANDS = (emit, verify, check, generate)
