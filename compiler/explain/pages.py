"""One markdown page per family: formula, derivation in LaTeX, moments by degree, picture; and an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sympy as sp

from learnact.compiler import api
from learnact.compiler.declare.spec import Activation, Family
from learnact.compiler.derive import StartDerivation
from learnact.compiler.derive import start as derive_start
from learnact.compiler.explain import compare, formats, gains, maps
from learnact.compiler.resolve import registry
from learnact.files import write_whole

COLUMNS = ("mean", "second", "slope_second", "q_slope", "calculate_gain", "nfnet_gamma")
"""Of the table of classical functions: attributes of `Gains`."""
DIGITS = 25
"""Decimals of a number that is computed to 30 digits: below them a 0 has rounding errors."""
LONGEST = 60
"""Characters of a closed form that a table holds."""
SHOWN = 3  # the degree whose derivation a page prints in full
PICTURES = "pictures"


def write(folder: Path, *, pictures: bool = False) -> Iterator[Path]:
    """Write every page and the index into `folder`, with `pictures` the drawings too; yield the paths.

    Families have a folder of their own in it, `families`.
    """
    yield write_whole(folder / "gains.md", gains.page(), force=True)
    yield write_whole(folder / "maps.md", maps.page(), force=True)
    yield write_whole(folder / "compare.md", compare.page(), force=True)
    folder = folder / "families"
    families = [registry.family(name) for name in registry.shipped_names()]
    for family in families:
        yield write_whole(folder / f"{family.name}.md", page(family), force=True)
        if pictures:
            from learnact.compiler.explain.plot import picture  # noqa: PLC0415

            drawing = folder / PICTURES / f"{family.name}.svg"
            yield write_whole(drawing, picture([_shown(family)], ".svg"), force=True)
    yield write_whole(folder / "classical.md", classical(), force=True)
    yield write_whole(folder / "README.md", index(families), force=True)


def index(families: list[Family]) -> str:
    """List the families with their formulas."""
    lines = ["# Families", "", "Printed by `learnact-gen docs`.", "", "| family | F(x) | law |", "|---|---|---|"]
    lines += [f"| [{f.title}]({f.name}.md) | `{_cell(f.formula)}` | {f.law} |" for f in families]
    lines += [
        "",
        "Functions without parameters, and their forms with three: [classical functions](classical.md).",
        "",
        "`scaled_NAME`, as in `scaled_xielu`, is `scale f(stretch x) + offset` of a classical function or of a family",
        "that has no gain of its own: its start `balanced` keeps both second moments at any sigma. `residual_NAME:n`,",
        "as in `residual_gelu:3`, is a classical function plus a Hermite polynomial of degree n that starts at 0.",
        "`stretched_NAME`, as in `stretched_hermite:5`, is `unit f(x/unit)` of a family; `unit` is a buffer that",
        "starts set to sigma and nothing learns, so that coefficients for a small sigma do not cancel.",
    ]
    return "\n".join(lines) + "\n"


def classical() -> str:
    """Write the page of the classical functions: what they are, their moments and gains under N(0, 1)."""
    lines = [
        "# Classical functions",
        "",
        "Printed by `learnact-gen docs`. Each is an activation without parameters, `learnact-gen emit mish`, and has a",
        "form `scale f(stretch x) + offset` with three numbers to learn, `learnact-gen emit scaled_mish`, whose starts",
        "`balanced`, `forward` and `gain` are exact at any sigma.",
        "",
        "Under x ~ N(0, 1); closed forms are exact, the others hold 30 digits. Which convention takes which gain, and",
        "the constants in circulation, are on the page of [gains](../gains.md).",
        "",
        "| SPEC | F(x) | E[F] | E[F^2] | E[F'^2] | q-slope | 1/sqrt(E[F^2]) | 1/sqrt(Var F) | E[F^2] exact | source |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, found in gains.of_classical().items():
        family, second = registry.family(name), found.second
        numbers = " | ".join(f"{round(float(getattr(found, k)), DIGITS) + 0.0:.9g}" for k in COLUMNS)
        closed = str(sp.simplify(second.value)) if second is not None and second.exact else ""
        shown = f"`{closed}`" if closed and len(closed) <= LONGEST else ""
        lines.append(f"| `{name}` | `{_cell(family.formula)}` | {numbers} | {shown} | {family.reference} |")
    return "\n".join(lines) + "\n"


def page(family: Family) -> str:
    """Write the family's page."""
    shown = _shown(family)
    lines = [f"# {family.title}", "", f"`{shown.formula}`", "", f"- Law: x ~ {family.law}"]
    lines += [f"- Domain: {family.domain}", f"- Parameters: {', '.join(f'`{v.name}`' for v in shown.parameters)}"]
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
