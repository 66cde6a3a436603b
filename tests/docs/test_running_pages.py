"""README and tutorial, as a reader would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages import Command, agrees, commands, run, script

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/tutorial.md", "docs/expressions.md")


@pytest.fixture(params=PAGES)
def page(request) -> str:
    return (ROOT / request.param).read_text(encoding="utf-8")


def test_the_python_of_a_page_runs(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", script(page)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_commands_of_a_page_print_what_it_shows(page, tmp_path):
    found = commands(page)
    assert found
    for command in found:
        printed = run(command, tmp_path)
        assert agrees(command.shown, printed), f"{command.words}\n--- shown\n{command.shown}\n--- printed\n{printed}"


def test_a_page_that_is_out_of_date_is_seen():
    page = "Text\n\n    $ learnact-gen list  # all\n    one\n    ...\n\n```python\na = 1\n```\n"
    assert commands(page) == [Command(("learnact-gen", "list"), "one\n...\n")]
    assert script(page) == "a = 1\n"
    assert agrees("one\n...\n", "one\n\ntwo\n")
    assert agrees("one\n\ntwo\n", "one\n\ntwo\n")
    assert not agrees("one\n...\n", "two\n")
