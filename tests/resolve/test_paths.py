"""A user's file in a header: relative to the emitted file, so that it is found from every current folder."""

from __future__ import annotations

import pytest

from learnact import emit, verify
from learnact.compiler.emit import check, header
from learnact.compiler.resolve import paths
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.scaffold import family_file
from learnact.errors import BadDeclaration


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """families/ripple.py, and out/ripple2.py emitted from it."""
    (tmp_path / "families").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "families/ripple.py").write_text(family_file("ripple", "ripple.py"))
    monkeypatch.chdir(tmp_path)
    emit("families/ripple.py:ripple:2", "out")
    return tmp_path


@pytest.mark.parametrize("folder", [".", "out", "elsewhere"])
def test_an_emitted_file_is_verified_and_checked_from_every_folder(tree, monkeypatch, folder):
    monkeypatch.chdir(tree / folder)
    path = tree / "out/ripple2.py"
    assert header.read(path).arguments == "../families/ripple.py:ripple:2"
    assert check.check(tree / "out") == []
    assert header.declaration(path).activation().names.spec == "ripple:2"


def test_the_tree_may_move_as_a_whole(tree, monkeypatch):
    moved = tree.parent / f"{tree.name}-moved"
    tree.rename(moved)
    monkeypatch.chdir(moved.parent)
    assert check.check(moved / "out") == []
    assert verify(moved / "out/ripple2.py", quick=True).ok


@pytest.mark.parametrize("spec", ["families/ripple.py:ripple:2", "./families/../families/ripple.py:ripple:2", "{}"])
def test_the_text_is_the_same_however_the_file_is_named(tree, monkeypatch, spec):
    first = (tree / "out/ripple2.py").read_text()
    assert str(tree) not in first
    absolute = f"{tree}/families/ripple.py:ripple:2"
    assert emit(spec.format(absolute), "out").text == first
    monkeypatch.chdir(tree / "elsewhere")
    assert emit(absolute, "../out").text == first


def test_a_stale_file_says_how_to_write_it_again_from_here(tree, monkeypatch):
    path = tree / "families/ripple.py"
    path.write_text(path.read_text().replace("cos(k * x)", "sin(k * x)"))
    monkeypatch.chdir(tree / "elsewhere")
    (difference,) = check.check(tree / "out")
    assert difference.verdict == "stale"
    assert difference.mend.startswith("learnact-gen emit ../families/ripple.py:ripple:2 --out ")


def test_a_file_that_was_moved_alone_says_where_its_family_was_expected(tree, monkeypatch):
    (tree / "out/ripple2.py").rename(tree / "ripple2.py")
    monkeypatch.chdir(tree)
    with pytest.raises(BadDeclaration, match=r"there is no file \.\./families/ripple\.py"):
        verify("ripple2.py")


@pytest.mark.parametrize("spec", ["hermite:5", "sinusoid", "package.module:wave:3"])
def test_a_spec_without_a_file_stays_as_it_is(tmp_path, spec):
    assert paths.as_seen_from(tmp_path, spec) == paths.from_within(tmp_path, spec) == spec
    assert Declaration(spec=spec).as_seen_from(tmp_path) == Declaration(spec=spec)


def test_a_drive_that_no_relative_path_leads_to_is_said(tmp_path, monkeypatch):
    def refuse(path, start):
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(paths.os.path, "relpath", refuse)
    with pytest.raises(BadDeclaration, match="put both on one drive"):
        paths.as_seen_from(tmp_path, "wave.py:wave:3")
