"""learnact-train: the group and its one error boundary. Imports are inside the commands: `--help` answers at once."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before huggingface_hub is imported

import click

from learnact import LearnactError
from learnact.training.cli import results, train
from learnact.version import __version__

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done; a run diverged or a stated bound is missed; the question was wrong; interrupted."""


class Group(click.Group):
    """A group that lists its commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="learnact-train")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Train GPT-2 and ConvNeXt with GELU or any generated activation, and compare.

    A command that was interrupted goes on where it was when it is given again.
    """
    context.obj["debug"] = debug
    if context.invoked_subcommand is None:
        raise click.UsageError("no command is given; learnact-train --help lists them")


for command in (*train.COMMANDS, *results.COMMANDS):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error is one line on stderr and a nonzero exit code."""
    shared = {"debug": False}
    try:
        code = cli.main(args=arguments, prog_name="learnact-train", standalone_mode=False, obj=shared) or DONE
        sys.stdout.flush()
    except Exception as err:  # the boundary: whatever went wrong leaves as one line and a code
        if shared["debug"]:
            traceback.print_exc()
        code = _explain(err)
    sys.exit(code)


def _explain(err: Exception) -> int:
    code = USAGE
    if isinstance(err, click.exceptions.Abort):
        return INTERRUPTED
    if isinstance(err, OSError) and err.errno == errno.EPIPE:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    if isinstance(err, click.ClickException):
        message = err.format_message()
    elif isinstance(err, ModuleNotFoundError):
        message = f"{err.name} is not installed; pip install 'learnact[train]'"
    elif isinstance(err, (LearnactError, OSError)):
        message = str(err)
        code = getattr(err, "exit_code", USAGE)
    else:
        message = f"{type(err).__name__}: {err} (a fault of learnact-train; --debug shows where)"
    click.echo(f"learnact-train: error: {' '.join(message.split())}", err=True)
    return code


def entry() -> None:
    """Run the command line as a process of its own, or as one of several."""
    try:
        main()
    except SystemExit as left:
        if "learnact.training.run.processes" in sys.modules:  # else nothing was trained, and torch need not be imported
            from learnact.training.run.processes import end  # noqa: PLC0415

            end(int(left.code or DONE))
        raise
