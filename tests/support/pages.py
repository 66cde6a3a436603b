"""Pages that run: their Python blocks as one script, their console blocks as commands and what these print."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
MODULES = {"learnact-gen": "learnact.compiler.cli", "learnact-train": "learnact.training.cli"}


@dataclass(frozen=True)
class Command:
    """One command of a console block and what the page shows of its output."""

    words: tuple[str, ...]
    shown: str


def script(markdown: str) -> str:
    """All Python blocks of a page, in order."""
    return "\n".join(FENCED.findall(markdown))


def commands(markdown: str) -> list[Command]:
    """Every `    $ learnact-…` line, with the lines below it up to the next command or the block's end."""
    found: list[Command] = []
    for block in CONSOLE.findall(FENCED.sub("", markdown)):
        for part in re.split(r"^    \$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            words = tuple(shlex.split(line, comments=True))
            if words[0] in MODULES:
                found.append(Command(words, re.sub(r"^    ", "", shown, flags=re.MULTILINE)))
    return found


def run(command: Command, folder: Path) -> str:
    """Run the command in `folder`; its stdout. Fails with what it said where its exit status is not 0."""
    program, *arguments = command.words
    done = subprocess.run(
        [sys.executable, "-m", MODULES[program], *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command.words)}: {done.stderr[-2000:]}"
    return done.stdout


def agrees(shown: str, printed: str) -> bool:
    """Whether that is what was printed; `...` stands for anything, a blank line for one or for <BLANKLINE>."""
    wanted = re.sub(r"^[ \t]*(<BLANKLINE>)?$", "<BLANKLINE>", shown.rstrip("\n"), flags=re.MULTILINE) + "\n"
    return doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
