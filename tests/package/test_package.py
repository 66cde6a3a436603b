"""The wheel: built from a copy of the tree, installed elsewhere, and used from there."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from pathlib import Path

import pytest
from installing import PIP, ROOMS, ROOT, run

from learnact.version import __version__

pytestmark = pytest.mark.xdist_group("package")  # one worker: the wheel is shared

USE = """
import sys
from pathlib import Path

target = Path(sys.argv[1])

import learnact
import learnact.generated
import learnact.templates
from learnact import emit

for package in (learnact, learnact.generated, learnact.templates):
    assert Path(package.__file__).is_relative_to(target), package.__file__

source = emit("hermite:2")
namespace = {}
exec(compile(source.text, source.filename, "exec"), namespace)
module = namespace["Hermite2"]()
print(source.filename, tuple(module.coefficients.shape))
"""


def test_the_wheel_is_named_by_the_one_version(wheel: Path) -> None:
    assert wheel.name == f"learnact-{__version__}-py3-none-any.whl"


def test_every_file_of_every_room_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    sources = [("learnact", ROOT / "package/learnact"), *((f"learnact/{room}", ROOT / room) for room in ROOMS)]
    wanted = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in sources
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - packed == set()
    assert {"learnact/generated/MANIFEST.json", "learnact/py.typed", "learnact/compiler/verify/oracle.py"} <= wanted
    assert any(name.endswith(".jinja") for name in wanted)


def test_nothing_lands_beside_the_root_package(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"learnact", f"learnact-{__version__}.dist-info"}


def test_an_installed_wheel_compiles_with_the_templates_inside_it(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    run(*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel)
    # -S keeps the editable install's import hook out; the dependencies come back by path, behind the wheel.
    dependencies = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    path = os.pathsep.join([str(target), *dependencies])
    answer = run(sys.executable, "-S", "-c", USE, target, PYTHONPATH=path, OMP_NUM_THREADS="1")
    assert answer.strip() == "hermite2.py (3,)"


def test_every_constraint_is_an_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if line.count("==") != 1 or "/" in line or "+" in line] == []


def test_every_dependency_is_pinned(wheel: Path) -> None:
    metadata = zipfile.ZipFile(wheel).read(f"learnact-{__version__}.dist-info/METADATA").decode()
    asked = set(re.findall(r"^Requires-Dist: ([\w-]+)", metadata, re.MULTILINE))
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {"torch", "sympy", "ruff"} <= asked
    assert asked - pinned == set()
