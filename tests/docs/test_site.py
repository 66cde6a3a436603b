"""The documentation site: it builds without a warning, and shows what only a build can bring together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")  # one worker: one build is shared

ROOT = Path(__file__).parents[2]


def build(configuration: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(configuration), "-d", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


def test_formulas_are_mathml_and_none_is_left_as_tex(site):
    page = (site / "families/hermite.html").read_text(encoding="utf-8")
    assert page.count("<math ") > 5
    assert "arithmatex" not in page
    assert "\\frac" not in page
    assert "<mi>&</mi>" not in page  # an alignment that the converter did not know


def test_results_are_pages_and_links_reach_them(site):
    assert (site / "benchmarks/results/speed.html").is_file()
    assert 'href="benchmarks/results/speed.html"' in (site / "results.html").read_text(encoding="utf-8")


def test_the_table_of_all_functions_is_sorted_by_the_sites_own_script(site):
    page = (site / "compare.html").read_text(encoding="utf-8")
    assert '<script src="assets/sort.js"></script>' in page
    assert (site / "assets/sort.js").is_file()
    assert page.count("<thead>") == 1  # what the script looks for: a head, and a body of many rows


@pytest.mark.parametrize("page", ["declare", "compile", "models"])
def test_the_reference_gives_signatures_and_docstrings(site, page):
    text = (site / f"reference/{page}.html").read_text(encoding="utf-8")
    assert text.count("doc-signature") >= 3
    assert text.count("doc-contents") >= 3


def test_a_broken_link_fails_the_build(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[nowhere](missing.md)\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: planted\ndocs_dir: docs\nstrict: true\n")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "out")
    assert done.returncode != 0
    assert "missing.md" in done.stderr


def test_notebooks_are_executed(site):
    page = (site / "notebooks/invent.html").read_text(encoding="utf-8")
    assert "checks, 0 failed" in page
    assert "data:image/png;base64," in page
    assert "of the held-out digits" in (site / "notebooks/train.html").read_text(encoding="utf-8")


def test_a_notebook_that_fails_fails_the_build(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    notebook = json.loads((ROOT / "docs/notebooks/train.ipynb").read_text(encoding="utf-8"))
    notebook["cells"] = [{**notebook["cells"][1], "source": ["1 / 0"]}]
    notebook["cells"][0] |= {"cell_type": "code", "execution_count": None, "outputs": []}
    (docs / "index.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    options = re.search(r"  - mkdocs-jupyter:\n(?:      .*\n)+", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    (tmp_path / "mkdocs.yml").write_text(f"site_name: planted\ndocs_dir: docs\nstrict: true\nplugins:\n{options[0]}")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "out")
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr + done.stdout
