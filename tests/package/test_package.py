"""The wheel: built from a copy of the tree, installed elsewhere, and used from there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from learnact.version import __version__

pytestmark = pytest.mark.xdist_group("package")  # one worker: the wheel is shared

ROOT = Path(__file__).parents[2]
ROOMS = ("compiler", "generated", "templates", "training")
"""Folders that package/learnact links to, under the names that they are imported by."""
METADATA = ("pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")

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


def run(*command: str | Path, **environment: str) -> str:
    """Run a command outside the checkout and return what it prints; its complaint is the test's message."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], env=clean | environment, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what is in the tree now; a copy is built, for a build leaves files that a later one would pack."""
    source = tmp_path_factory.mktemp("source")
    for room in (*ROOMS, "package"):
        shutil.copytree(ROOT / room, source / room, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in METADATA:
        shutil.copy(ROOT / name, source / name)
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source)
    (file,) = folder.glob("*.whl")
    return file


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
