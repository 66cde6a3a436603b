"""Pages that point into the tree: every file and name that they point at exists, and what they quote is printed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from learnact.compiler.explain.stages import text
from learnact.compiler.resolve.declaration import Declaration

ROOT = Path(__file__).parents[2]
PAGES = ["docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md"]
TOP = "compiler|package|generated|templates|training|tests|benchmarks|docs"
POINTER = re.compile(rf"`((?:{TOP})/[\w./-]*)(?::([\w.]+))?`")
QUOTED = re.compile(r"    \$ learnact-gen show (\S+) --stage (\w+)\n((?:    .*\n)+)")


def names_of(path: Path) -> set[str]:
    """Every function, class and variable that a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return names


def wrong_pointers(page: str) -> list[str]:
    """Pointers of a page, `folder/file.py` or `folder/file.py:name`, at what is not there."""
    wrong = []
    for path, name in POINTER.findall(page):
        target = ROOT / path
        if not target.exists() or (name and name not in names_of(target)):
            wrong.append(f"{path}:{name}" if name else path)
    return wrong


def misquoted(page: str) -> list[str]:
    """Quoted lines that the stage does not print."""
    wrong = []
    for spec, stage, lines in QUOTED.findall(page):
        printed = text(Declaration(spec=spec), stage).splitlines()
        wrong += [line for line in lines.splitlines() if line.removeprefix("    ") not in printed]
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_pages_point_at_what_exists(page):
    content = (ROOT / page).read_text(encoding="utf-8")
    assert len(POINTER.findall(content)) > 5
    assert wrong_pointers(content) == []


def test_the_architecture_page_quotes_what_the_stages_print():
    content = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert [stage for _, stage, _ in QUOTED.findall(content)] == ["spec", "derivation", "program", "source"]
    assert misquoted(content) == []


def stale_rooms(page: str) -> list[str]:
    """Rows of the table of rooms whose lines are off by more than a quarter."""
    rows = {
        room: int(lines.replace(",", "")) for room, lines in re.findall(r"^\| `([\w/]+)/` \| ([\d,]+) \|", page, re.M)
    }
    wrong = []
    for room, stated in rows.items():
        files = [f for f in (ROOT / room).rglob("*") if f.suffix in {".py", ".jinja"} and room == home(f, rows)]
        files = [f for f in files if not copied(f)]
        lines = sum(f.read_text(encoding="utf-8").count("\n") for f in files)
        wrong += [f"{room}: {stated} stated, {lines} found"] if abs(lines - stated) > stated / 4 else []
    return wrong


def home(file: Path, rooms: dict[str, int]) -> str:
    """The innermost of the rooms that a file lies in."""
    return max((r for r in rooms if (ROOT / r) in file.parents), key=len)


def copied(file: Path) -> bool:
    """Whether a file stands in for one of the rooms' own: a source distribution holds copies in place of the links."""
    parts = file.relative_to(ROOT).parts
    return parts[:2] == ("package", "learnact") and (ROOT / parts[2]).is_dir()


def test_the_table_of_rooms_is_not_stale():
    assert stale_rooms((ROOT / "docs/architecture.md").read_text(encoding="utf-8")) == []


def test_planted_faults_are_seen():
    assert [row.split(":")[0] for row in stale_rooms("| `compiler/lower/` | 5,000 | x |")] == ["compiler/lower"]
    page = "`compiler/api.py:derive`, `compiler/api.py:absent`, `compiler/nowhere.py`, `tests/`"
    assert wrong_pointers(page) == ["compiler/api.py:absent", "compiler/nowhere.py"]
    quote = "    $ learnact-gen show hermite:3 --stage spec\n    class      Hermite3\n    class      Hermite4\n"
    assert misquoted(quote) == ["    class      Hermite4"]
