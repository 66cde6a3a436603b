"""Commands as an outsider runs them, and environments in which learnact is installed, as a wheel or editable."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("compiler", "generated", "templates", "training")
"""Folders that package/learnact links to, under the names that they are imported by."""
TREE = (*ROOMS, ".ci", "benchmarks", "docs", "package", "tests")
"""Folders of the repository; what else lies at the top, environments and build outputs, is not its own."""
TOP = (
    ".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md",
    "constraints.txt", "mkdocs.yml", "pyproject.toml",
)  # fmt: skip
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def sources(root: Path) -> list[Path]:
    """Every file of the repository below `root`, relative to it; a link's target is listed where it lies."""
    found = [path for folder in TREE for path in (root / folder).rglob("*") if path.is_file()]
    relative = [path.relative_to(root) for path in found if not any(map(_is_cache, path.relative_to(root).parts))]
    return sorted({*relative, *map(Path, TOP)})


def _is_cache(part: str) -> bool:
    return part == "__pycache__" or part.endswith((".pyc", ".egg-info"))


def run(*command: str | Path, cwd: str | Path = "/", **environment: str) -> str:
    """Run a command outside the checkout and return what it prints; its complaint is the test's message."""
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], env=clean | environment, capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def environment(folder: Path, *paths: Path) -> Path:
    """Make a virtual environment and return its Python: `paths` before the packages of this one, by .pth files."""
    venv.create(folder, symlinks=True, with_pip=False)
    here = sysconfig.get_path("purelib")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for number, path in enumerate([*paths, here]):
        (site / f"{number}.pth").write_text(f"{path}\n", encoding="utf-8")
    return folder / "bin/python"
