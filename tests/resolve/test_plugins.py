"""Families of other packages: by entry point and by import path, whatever is wrong with them said in one line."""

from __future__ import annotations

import sys

import pytest

from learnact import derive
from learnact.compiler.emit.plan import families
from learnact.compiler.explain import listing
from learnact.compiler.resolve import registry
from learnact.errors import BadDeclaration, BadDegree, UnknownName

WAVE = """
import sympy as sp
from learnact import Family, Start
from learnact.symbols import gain, x

{name} = Family(
    name="{name}", title="Wave", parameters={{"height": 1}}, degrees=range(1, 4),
    function=lambda p, n: p.height * sp.sin(n * x), starts={{"balanced": Start(lambda n, law: {{"height": gain}})}},
)
number = 3
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path in which a package and its entry points lie as an installer puts them."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "wavelab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shapes.py").write_text(WAVE.format(name="wave"))
    (package / "broken.py").write_text("import nowhere_to_be_found")
    (package / "raises.py").write_text("raise ValueError('first\\nsecond')")
    (tmp_path / "flat_waves.py").write_text(WAVE.format(name="swell"))
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith(("wavelab", "flat_waves"))]:
        del sys.modules[name]


def install(site, entries, distribution="wavelab"):
    """Write the metadata of a distribution with these entry points of the group."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[learnact.families]", *lines, ""]))


def test_an_entry_point_gives_its_family_by_name(site):
    install(site, {"wave": "wavelab.shapes:wave"})
    assert "wave" in registry.family_names()
    assert "wavelab.shapes" not in sys.modules
    assert registry.resolve("wave:2").names.spec == "wave:2"
    assert derive("wave:2").starts[0].name == "balanced"
    assert "wave" in [row["name"] for row in listing.families()]


def test_what_is_committed_does_not_depend_on_what_is_installed(site):
    install(site, {"wave": "wavelab.shapes:wave"})
    assert "wave" not in registry.shipped_names()
    assert "wave" not in [name for _, name, _ in families()]


def test_a_shipped_family_comes_before_a_plugin_of_its_name(site):
    install(site, {"hermite": "wavelab.shapes:wave"})
    assert registry.resolve("hermite:3").family.title == "Hermite polynomial"


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"wave": "wavelab.broken:wave"}, "wavelab.broken:wave, fails to import: ModuleNotFoundError"),
        ({"wave": "wavelab.raises:wave"}, "fails to import: ValueError: first second"),
        ({"wave": "wavelab.shapes:nothing"}, "fails to import: AttributeError"),
        ({"wave": "wavelab.shapes:number"}, "is no Family but int"),
        ({"tide": "wavelab.shapes:wave"}, "calls itself 'wave'"),
    ],
)
def test_an_entry_point_that_does_not_work_names_its_package(site, entries, says):
    install(site, entries)
    (name,) = entries
    with pytest.raises(BadDeclaration) as caught:
        registry.resolve(f"{name}:2")
    assert says in str(caught.value)
    assert f"the family '{name}' of wavelab" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_two_packages_declare_is_refused(site):
    install(site, {"wave": "wavelab.shapes:wave"})
    install(site, {"wave": "flat_waves:swell"}, "flatwaves")
    with pytest.raises(BadDeclaration, match=r"declared by flatwaves and wavelab; .* flat_waves:swell or wavelab"):
        registry.resolve("wave:2")


@pytest.mark.parametrize("spec", ["wavelab.shapes:wave:2", "flat_waves:swell:2"])
def test_an_import_path_gives_its_family(site, spec):
    assert registry.resolve(spec).degree == 2


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("wavelab.shapes", BadDeclaration, "names no object; write wavelab.shapes:OBJECT"),
        ("wavelab.shapes:wave", BadDegree, "needs a degree"),
        ("wavelab.shapes:wave:9", BadDegree, "degrees 1 to 3"),
        ("wavelab.shapes:wave:x", BadDegree, "whole number"),
        ("wavelab.shapes:wav:2", UnknownName, "did you mean wave?"),
        ("wavelab:wave:2", BadDeclaration, "wavelab holds no Family"),
        ("wavelab.broken:wave:2", BadDeclaration, "wavelab.broken fails to import: ModuleNotFoundError"),
        ("wavelab.raises:wave:2", BadDeclaration, "fails to import: ValueError: first second"),
        ("wavelab.tides:wave:2", BadDeclaration, "no module 'wavelab.tides'"),
        ("nowhere.shapes:wave:2", BadDeclaration, "name its file: nowhere/shapes.py:wave"),
        ("nowhere:wave:2", UnknownName, "unknown family 'nowhere'"),
    ],
)
def test_a_bad_import_path_is_refused_by_name(site, spec, error, says):
    with pytest.raises(error) as caught:
        registry.resolve(spec)
    assert says in str(caught.value)
