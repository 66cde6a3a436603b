"""The source distribution: everything that the tests and the pages need is in it, and nothing that was built."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

import pytest
from installing import ROOMS, ROOT, sources

pytestmark = pytest.mark.xdist_group("package")


def packed(sdist: Path) -> set[str]:
    """Every file of the archive, below its one folder."""
    with tarfile.open(sdist) as archive:
        names = [PurePosixPath(m.name) for m in archive.getmembers() if m.isfile()]
    assert {name.parts[0] for name in names} == {sdist.name.removesuffix(".tar.gz")}
    return {"/".join(name.parts[1:]) for name in names}


def test_every_file_of_the_repository_is_in_it(sdist: Path) -> None:
    wanted = {path.as_posix() for path in sources(ROOT)}
    assert {"tests/support/installing.py", "tests/package/project/wrong.py", "constraints.txt", ".ci/run"} < wanted
    assert wanted - packed(sdist) == set()


def test_nothing_that_was_built_is_in_it(sdist: Path) -> None:
    made = {"PKG-INFO", "setup.cfg"}
    linked = tuple(f"package/learnact/{room}/" for room in ROOMS)  # a copy: an archive of a package holds no links
    known = {path.as_posix() for path in sources(ROOT)} | made
    rest = {name for name in packed(sdist) - known if not name.startswith((*linked, "package/learnact.egg-info/"))}
    assert rest == set()


def test_every_file_at_the_top_is_known() -> None:
    tracked = {path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")}
    built = {"PKG-INFO", "setup.cfg"}  # of an unpacked source distribution
    assert tracked - built <= {path.as_posix() for path in sources(ROOT)}
