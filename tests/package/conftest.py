"""A wheel of the tree as it is, and Pythons in which learnact is installed from it or from this checkout."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from installing import PIP, ROOMS, ROOT, environment, run, sources

METADATA = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution of a copy of the tree."""
    source, folder = tmp_path_factory.mktemp("tree") / "tree", tmp_path_factory.mktemp("sdist")
    source.mkdir()
    for path in sources(ROOT):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    for room in ROOMS:
        link = source / "package/learnact" / room
        if not link.exists():
            link.symlink_to(f"../../{room}")
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=source)
    (file,) = folder.glob("*.tar.gz")
    return file


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def from_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("from_wheel")
    zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    return environment(folder / "venv", folder / "unpacked")


@pytest.fixture(scope="session")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment into which this checkout is installed as `pip install -e` does it: by a .pth."""
    return environment(tmp_path_factory.mktemp("editable") / "venv", ROOT / "package")


@pytest.fixture(params=["from_wheel", "editable"])
def installed(request: pytest.FixtureRequest) -> Path:
    """One Python after the other."""
    return request.getfixturevalue(request.param)
