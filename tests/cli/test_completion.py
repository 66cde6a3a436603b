"""Tab at the command line: families, degrees, laws, files; as zsh and fish ask, and as bash breaks words at colons."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from learnact.compiler.cli.main import cli
from learnact.compiler.resolve.registry import family_names

DEGREES = [str(n) for n in range(1, 13)]


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    complete = ShellComplete(cli, {}, "learnact-gen", "_LEARNACT_GEN_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("derive", "fourier_"), [f"fourier_free:{d}" for d in DEGREES]),
        (("derive", "fourier"), ["fourier", "fourier_free"]),
        (("emit", "hermite:"), [f"hermite:{d}" for d in DEGREES]),
        (("emit", "sinusoid", "hermite:1"), ["hermite:1", "hermite:10", "hermite:11", "hermite:12"]),
        (("verify", "sinu"), ["sinusoid"]),
        (("verify", "sinusoid:"), []),
        (("verify", "nothing:"), []),
        (("show", "hermite", ":"), DEGREES),
        (("show", "hermite", ":", "1"), ["1", "10", "11", "12"]),
        (("derive", "hermite:3", "--law", "u"), ["uniform"]),
        (("emit", "hermite:3", "--backend", "t"), ["torch", "triton"]),
    ],
)
def test_tab_offers_what_can_stand_there(words, values):
    assert offered(*words) == values


def test_an_empty_word_offers_every_family():
    assert offered("plot", "") == list(family_names())


@pytest.mark.parametrize("word", ["out/hermite", "./wave", "../", "zzz"])
def test_whatever_looks_like_a_path_is_left_to_the_shell(word):
    complete = ShellComplete(cli, {}, "learnact-gen", "_LEARNACT_GEN_COMPLETE")
    assert [item.type for item in complete.get_completions(["verify"], word)] == ["file"]


def test_bash_asks_and_is_answered():
    code = "from learnact.compiler.cli.main import main; main()"
    asked = {"_LEARNACT_GEN_COMPLETE": "bash_complete", "COMP_WORDS": "learnact-gen emit sinu", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "plain,sinusoid"
    assert done.stderr == ""
