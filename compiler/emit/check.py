"""Is a folder of emitted files what the compiler emits today, byte for byte? If not: how it differs, and the mend."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from learnact.compiler.emit import emit, header
from learnact.compiler.emit import plan as golden
from learnact.compiler.emit.plan import generated_folder
from learnact.errors import BadDeclaration, WriteError
from learnact.files import write_whole

MANIFEST, PACKAGE = "MANIFEST.json", "__init__.py"
"""What `generate` writes besides modules."""

Verdict = Literal["missing", "unexpected", "hand-edited", "stale", "differs"]
MEANING: Mapping[Verdict, str] = {
    "missing": "the compiler emits it, the folder lacks it",
    "unexpected": "the compiler does not emit it",
    "hand-edited": "its body is not the one whose digest its header carries",
    "stale": "declaration, templates or compiler have changed since it was emitted",
    "differs": "its text is not what the compiler emits",
}


@dataclass(frozen=True)
class Difference:
    """One file that is not as it should be."""

    file: str
    verdict: Verdict
    diff: str  # unified, from what lies there to what the compiler emits; "" where one side is absent
    mend: str  # the command that puts it right

    def __str__(self) -> str:
        return f"{self.file}: {self.verdict}, {MEANING[self.verdict]}\n{self.diff}mend: {self.mend}\n"


def check(folder: Path, *, watch: Callable[[str, int], None] | None = None) -> list[Difference]:
    """Compare the file list first, then every text. Raises BadDeclaration if there is no such folder."""
    if not folder.is_dir():
        raise BadDeclaration(f"there is no folder {folder}")
    listed = _listed(folder)
    if listed is not None:
        return _against_plan(folder, plan(watch), listed)
    return _against_headers(folder, watch)


def plan(watch: Callable[[str, int], None] | None = None) -> dict[str, str]:
    """Name every file of generated/ and its text: what `generate` writes and `check` compares."""
    return golden.plan(golden.GENERATED, watch)


def generate(folder: Path, *, watch: Callable[[str, int], None] | None = None) -> list[Path]:
    """Write generated/ as the plan says and remove the modules that it no longer holds; returns what changed.

    The folder must be missing, empty, or written by this function before: its manifest lists what may be replaced,
    and of that only emitted files are removed. Raises WriteError before anything is touched.
    """
    expected, listed, changed = plan(watch), _listed(folder), []
    if listed is None and folder.is_dir() and any(folder.iterdir()):
        raise WriteError(
            f"{folder} holds files that `generate` did not write (its {MANIFEST} would list them); name a new folder, "
            "or emit single files with `learnact-gen emit SPEC --out DIR`"
        )
    texts = {name: text for name, text in expected.items() if not _holds(folder / name, text)}
    foreign = [name for name in texts if (folder / name).exists() and name not in (listed or ())]
    if foreign:
        raise WriteError(
            f"{folder / foreign[0]} is in the way: {MANIFEST} does not list it, so `generate` does not replace it; "
            "move it out of the folder"
        )
    for name, text in texts.items():
        changed.append(write_whole(folder / name, text, force=True))
    for name in sorted(_emitted_names(folder) & (listed or set()) - expected.keys()):
        (folder / name).unlink()
        changed.append(folder / name)
    return changed


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _listed(folder: Path) -> set[str] | None:
    """Names that `generate` wrote into the folder, by its manifest; None where it did not write the folder."""
    try:
        modules = json.loads((folder / MANIFEST).read_bytes())["modules"]
        return {MANIFEST, PACKAGE, *(f"{slug}.py" for slug in dict(modules))}
    except (OSError, ValueError, KeyError, TypeError):
        return set(plan()) if folder.resolve() == generated_folder().resolve() else None


def _against_plan(folder: Path, expected: Mapping[str, str], listed: set[str]) -> list[Difference]:
    rewrite = f"learnact-gen generate {shlex.quote(str(folder))}"
    emitted, present = _emitted_names(folder), {path.name for path in folder.glob("*.py")}
    ours = expected.keys() | (emitted & listed)
    found = [
        _compare(folder / name, expected.get(name), rewrite if name in ours else shlex.join(["rm", str(folder / name)]))
        for name in sorted(expected.keys() | present)
    ]
    return [difference for difference in found if difference]


def _against_headers(folder: Path, watch: Callable[[str, int], None] | None = None) -> list[Difference]:
    found, names = [], sorted(_emitted_names(folder))
    for name in names:
        if watch is not None:
            watch(name, len(names))
        declaration = header.declaration(folder / name)
        source = emit(
            declaration.activation(),
            origin=declaration.as_seen_from(folder).arguments,
            backend=declaration.backend,
            lean=declaration.lean,
        )
        mend = f"learnact-gen emit {declaration.arguments} --out {shlex.quote(str(folder))} --force"
        if source.filename != name:
            found.append(Difference(name, "unexpected", "", f"{mend}, then remove {name}"))
        elif difference := _compare(folder / name, source.text, mend):
            found.append(difference)
    return found


def _emitted_names(folder: Path) -> set[str]:
    paths = [p for p in folder.glob("*.py") if header.parse(p.read_bytes().decode(errors="replace"))]
    return {p.name for p in paths}


def _compare(path: Path, expected: str | None, mend: str) -> Difference | None:
    if expected is None:
        return Difference(path.name, "unexpected", "", mend)
    if not path.is_file():
        return Difference(path.name, "missing", "", mend)
    text = path.read_bytes().decode(errors="replace")
    if text == expected:
        return None
    lines = difflib.unified_diff(
        text.splitlines(keepends=True),
        expected.splitlines(keepends=True),
        f"{path.name} as it is",
        f"{path.name} as the compiler emits it",
    )
    diff = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    return Difference(path.name, _verdict(text, expected), diff, mend)


def _verdict(text: str, expected: str) -> Verdict:
    there, due = header.parse(text), header.parse(expected)
    if there is None or due is None:
        return "differs"
    if not there.intact:
        return "hand-edited"
    return "stale" if there.inputs != due.inputs else "differs"
