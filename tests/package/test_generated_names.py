"""`from learnact.generated import NAME`: a name that is not there says what to write."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from learnact import generated
from learnact.compiler.emit.check import generate


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Hermit5", "did you mean Hermite5"),
        ("Hermite7", "write learnact.load('hermite:7'), or emit a file with: learnact-gen emit hermite:7"),
        ("TropicalRational2", "learnact-gen emit tropical_rational:2"),
        ("Hermite99", "the family hermite has degrees 1 to 12"),
        ("Hermite0", "the family hermite has degrees 1 to 12"),
        ("Hermite", "did you mean Hermite"),
        ("Sinusoid3", "the family sinusoid has no degree: Sinusoid"),
        ("Nothing", "it has Bspline8, Chebyshev5"),
    ],
)
def test_a_class_that_is_not_there_says_what_to_write(name, says):
    code = f"from learnact.generated import {name}"
    with pytest.raises(ImportError) as caught:
        exec(code)
    assert says in str(caught.value)
    assert f"learnact.generated has no '{name}'" in str(caught.value)


def test_another_name_is_an_attribute_error_so_that_hasattr_answers():
    assert not hasattr(generated, "nothing")
    assert not hasattr(generated, "__wrapped__")
    with pytest.raises(AttributeError, match="it has Bspline8"):
        _ = generated.nothing


def test_every_class_is_listed_and_none_is_imported_before_it_is_asked_for():
    assert set(generated.MODULES) < set(dir(generated))
    assert set(generated.__all__) == {"MODULES", *generated.MODULES}
    code = "import sys, learnact.generated; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_generated_folder_is_a_package_under_whatever_name(tmp_path, monkeypatch):
    generate(tmp_path / "mine")
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("mine")
    assert mine.Hermite2.__module__ == "mine.hermite2"
    with pytest.raises(ImportError, match="mine has no 'Hermit2'"):
        _ = mine.Hermit2
