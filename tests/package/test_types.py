"""A user's project: strict type checkers see every public name, and the mistakes in it; the interpreter runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from installing import ROOT, run

pytestmark = pytest.mark.xdist_group("package")  # one worker: the wheel is shared

PROJECT = Path(__file__).parent / "project"
SETTINGS = """
[tool.mypy]
strict = true

[[tool.mypy.overrides]]
module = "sympy.*"
ignore_missing_imports = true

[tool.basedpyright]
typeCheckingMode = "standard"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project that lies beside a clone of the repository, under the clone's usual name."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "learnact").symlink_to(ROOT)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of torch after the first run."""
    return tmp_path_factory.mktemp("mypy")


def found(command: list[str | Path], cwd: Path) -> set[str]:
    """File:line of every error that a type checker reports."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {f"{Path(file).name}:{line}" for file, line in re.findall(r"([\w/.-]+\.py):(\d+):.* error", done.stdout)}


def planted() -> set[str]:
    """File:line of every mistake that the project says it makes."""
    lines = (PROJECT / "wrong.py").read_text(encoding="utf-8").splitlines()
    return {f"wrong.py:{k}" for k, line in enumerate(lines, start=1) if line.endswith("# wrong")}


def test_mypy_strict_finds_the_mistakes_and_nothing_else(project: Path, installed: Path, cache: Path) -> None:
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", cache, "--python-executable", installed]
    assert found([*mypy, "model.py", "wrong.py"], project) == planted()


def test_pyright_finds_the_mistakes_and_nothing_else(project: Path, installed: Path) -> None:
    pyright = shutil.which("basedpyright")
    if pyright is None:
        pytest.skip("pyright brings 280 MB; `make types` installs it")
    files = ["model.py", "wrong.py"]
    assert found([pyright, "--pythonpath", installed, "--level", "error", *files], project) == planted()


def test_the_project_runs(project: Path, installed: Path, tmp_path: Path) -> None:
    out = run(installed, "model.py", cwd=project, LEARNACT_CACHE=str(tmp_path / "cache"), OMP_NUM_THREADS="1")
    assert out.splitlines()[1] == "(64, 8) (64, 8)"


def test_a_clone_in_the_current_folder_does_not_hide_the_install(project: Path, installed: Path) -> None:
    code = "import learnact; print(learnact.__version__, learnact.__file__)"
    version, file = run(installed, "-c", code, cwd=project).split()
    assert version
    assert Path(file).parent != project / "learnact"
    assert not (ROOT / "__init__.py").exists()  # with one the clone would be the package
