"""learnact-gen: the group and its one error boundary.

Imports are inside the commands, so that `--help` answers at once and `emit` never loads torch.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import click

from learnact.compiler.cli import analyse, build, files, report
from learnact.compiler.cli.options import FAILS, INTERRUPTED, USAGE
from learnact.errors import LearnactError
from learnact.version import __version__


@dataclass
class Session:
    """What the whole run shares."""

    debug: bool = False


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    session = context.find_object(Session)
    if value and session is not None:
        session.debug = True


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_set_debug, help="Show tracebacks."
)


class Group(click.Group):
    """A group that lists its commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="learnact-gen")
@debug_option
@click.pass_context
def cli(context: click.Context) -> None:
    """Compile learnable activation functions: SymPy in, verified PyTorch out.

    SPEC is family:degree (hermite:5), family (sinusoid), or, for a family of your own, file.py:object[:degree] or
    package.module:object[:degree].
    """
    if context.invoked_subcommand is None:
        raise click.UsageError("no command is given; learnact-gen --help lists them")


for module in (report, analyse, build, files):
    for command in module.COMMANDS:
        cli.add_command(debug_option(command))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error is one line on stderr and a nonzero exit code."""
    session = Session()
    try:
        code = cli.main(args=arguments, prog_name="learnact-gen", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except Exception as err:  # the boundary: whatever went wrong leaves as one line and a code
        if session.debug:
            traceback.print_exc()
        code = _explain(err)
    sys.exit(code)


def _explain(err: Exception) -> int:
    if isinstance(err, click.exceptions.Abort):
        return INTERRUPTED
    if isinstance(err, OSError) and err.errno == errno.EPIPE:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILS
    if isinstance(err, click.ClickException):
        message = err.format_message()
    elif isinstance(err, (LearnactError, OSError)):
        message = str(err)
    else:
        message = f"{type(err).__name__}: {err} (a fault of the compiler; --debug shows where)"
    click.echo(f"learnact-gen: error: {' '.join(message.split())}", err=True)
    return USAGE
