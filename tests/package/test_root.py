"""The root package: every public name is there when it is asked for, and nothing is loaded before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import learnact


def test_importing_it_loads_neither_sympy_nor_torch():
    code = "import sys, learnact; print(learnact.__version__, {'sympy', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [learnact.__version__, "set()"]


@pytest.mark.parametrize("name", learnact.__all__)
def test_every_public_name_is_no_module(name):
    assert type(getattr(learnact, name)).__name__ != "module"
    assert name in dir(learnact)


def test_the_compiler_needs_no_torch():
    code = "import sys, learnact; learnact.emit('hermite:2'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_is_an_attribute_error_that_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'; it has .*derive"):
        _ = learnact.nothing
