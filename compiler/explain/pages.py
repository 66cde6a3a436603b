"""One markdown page per family: formula, derivation in LaTeX, moments by degree, picture; and an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from learnact.compiler import api
from learnact.compiler.declare.spec import Activation, Family
from learnact.compiler.derive import StartDerivation
from learnact.compiler.derive import start as derive_start
from learnact.compiler.explain import formats
from learnact.compiler.resolve import registry
from learnact.files import write_whole

SHOWN = 3  # the degree whose derivation a page prints in full
PICTURES = "pictures"


def write(folder: Path, *, pictures: bool = False) -> Iterator[Path]:
    """Write every page and the index into `folder`, with `pictures` the drawings too; yield the paths."""
    families = [registry.family(name) for name in registry.shipped_names()]
    for family in families:
        yield write_whole(folder / f"{family.name}.md", page(family), force=True)
        if pictures:
            from learnact.compiler.explain.plot import picture  # noqa: PLC0415

            drawing = folder / PICTURES / f"{family.name}.svg"
            yield write_whole(drawing, picture([_shown(family)], ".svg"), force=True)
    yield write_whole(folder / "README.md", index(families), force=True)


def index(families: list[Family]) -> str:
    """List the families with their formulas."""
    lines = ["# Families", "", "Printed by `learnact-gen docs`.", "", "| family | F(x) | law |", "|---|---|---|"]
    lines += [f"| [{f.title}]({f.name}.md) | `{_cell(f.formula)}` | {f.law} |" for f in families]
    return "\n".join(lines) + "\n"


def page(family: Family) -> str:
    """Write the family's page."""
    shown = _shown(family)
    lines = [f"# {family.title}", "", f"`{family.formula}`", "", f"- Law: x ~ {family.law}"]
    lines += [f"- Domain: {family.domain}", f"- Parameters: {', '.join(f'`{name}`' for name in family.parameters)}"]
    lines += [f"- Starts: {', '.join(_start_notes(family))}"]
    lines += [f"- Reference: {family.reference}"] if family.reference else []
    lines += ["", f"![F solid, F' dashed, law grey]({PICTURES}/{family.name}.svg)", ""]
    lines += ["## Moments", "", *_table(family), "", "## Derivation", "", formats.markdown(api.derive(shown)).rstrip()]
    return "\n".join(lines) + "\n"


def _shown(family: Family) -> Activation:
    return family.at(None if family.degrees is None else min(max(SHOWN, family.degrees[0]), family.degrees[-1]))


def _start_notes(family: Family) -> list[str]:
    return [f"`{name}`" + (f" ({start.note})" if start.note else "") for name, start in family.starts.items()]


def _table(family: Family) -> list[str]:
    """One row per degree and declared start: E[F], E[F^2], E[F'^2], q-slope."""
    rows = ["| degree | start | kind | E[F] | E[F^2] | E[F'^2] | q-slope |", "|---:|---|---|---:|---:|---:|---:|"]
    for degree in family.degrees or [None]:
        starts = [derive_start(family.at(degree), name) for name in family.starts]
        rows += [_row(start, "" if degree is None else str(degree)) for start in starts]
    return rows


def _row(start: StartDerivation, degree: str) -> str:
    numbers = " | ".join(f"{float(q):.6g}" for _, q in formats.moments(start))
    return f"| {degree} | {start.name} | {start.kind} | {numbers} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
