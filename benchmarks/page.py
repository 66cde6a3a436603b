"""What the timings are shown as: tables, the targets with pass or miss, and a picture."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cases import EXPRESSION_TARGET, GROWING, NOISE, PAPER, TARGET_NUMEL, TARGETS
from benchmarks.tables import table

INTRODUCTION = """\
Written by `make bench`. Ratios are to compiled nn.GELU in the same rounds, medians over rounds; f: forward without
gradients, fb: forward and backward with the gradients of x and of all parameters. Floor: how many times as long as the
necessary reads and writes take at the speed of a copy. Saved: bytes an element kept for the backward beside x. Peak:
bytes an element that a step adds to memory at its highest (y and dx alone are 8 in float32). Loops: of Inductor's C++,
forward + backward. One thread is timed by processor time, two by the wall's."""

HEAD = ["activation", "route", "elements", "fb ratio", "f ratio", "fb ms", "f ms", "fb floor", "f floor", "saved",
        "peak", "loops", "rounds", "target"]  # fmt: skip

NEARLY = "within noise"


def target(row: dict) -> float | None:
    """What is asked of this row, if anything."""
    if row["section"] != "main" or row["route"] != "compiled" or row["numel"] != TARGET_NUMEL:
        return None
    return TARGETS.get(row["name"])


def met(ratio: float, bound: float) -> str:
    """The bound, and whether the ratio is within it."""
    return f"≤ {bound:g} {'pass' if ratio <= bound else NEARLY if ratio <= bound * (1 + NOISE) else 'MISS'}"


def section_table(name: str, rows: list[dict]) -> str:
    """All rows of one section."""
    cells = []
    for r in rows:
        bound = target(r)
        cells.append([
            r["name"], r["route"], f"{r['numel']:,}", f"{r['both_ratio']:.2f}", f"{r['forward_ratio']:.2f}",
            f"{r['both_ms']:.3g}", f"{r['forward_ms']:.3g}", f"{r['both_floor']:.1f}", f"{r['forward_floor']:.1f}",
            f"{r['saved']:g}", "" if r["peak"] is None else f"{r['peak']:g}",
            "" if r["loops"] is None else "+".join(map(str, r["loops"])), r["rounds"],
            "" if bound is None else met(r["both_ratio"], bound),
        ])  # fmt: skip
    first = rows[0]
    conditions = f"{first['dtype']}, {first['threads']} thread{'s' if first['threads'] > 1 else ''}"
    return f"\n## {name[0].upper()}{name[1:]} ({conditions})\n\n{table(HEAD, cells)}"


def verdict(rows: list[dict]) -> str:
    """Every target that these rows can answer."""
    cells = [
        [r["name"], f"{r['both_ratio']:.2f}", met(r["both_ratio"], bound)]
        for r in rows
        if (bound := target(r)) is not None
    ]
    cells += [
        [f"{r['name']}, to the same by hand", f"{r['hand_ratio']:.2f}", met(r["hand_ratio"], EXPRESSION_TARGET)]
        for r in rows
        if "hand_ratio" in r and r["numel"] == TARGET_NUMEL
    ]
    if not cells:
        return "\nNo targets: they are set for the full sections main and expressions."
    passed, nearly = (sum(word in c[-1] for c in cells) for word in ("pass", NEARLY))
    within = (
        f", {nearly} more within the {NOISE * 100:.0f} % by which equal cases differ between runs" if nearly else ""
    )
    counts = f"{passed} of {len(cells)} met{within}."
    return f"\n## Targets\n\n{table(['case', 'ratio', 'target'], cells)}\n\n{counts}"


def growth(rows: list[dict]) -> str:
    """Cost by degree: the degree sections in one table."""
    cells = []
    for family in GROWING:
        ratios = {r["name"]: r["both_ratio"] for r in rows if r["section"] == f"degrees of {family}"}
        if ratios:
            cells.append([family, *(f"{ratios[f'{family}:{n}']:.2f}" for n in range(1, 13))])
    return "" if not cells else f"\n## Forward and backward by degree\n\n{table(['', *range_text()], cells)}"


def range_text() -> list[str]:
    """Degrees as headings."""
    return [str(n) for n in range(1, 13)]


def merged(path: Path, rows: list[dict]) -> list[dict]:
    """What the file holds, with these sections in the place of earlier ones of the same name."""
    held = json.loads(path.read_text())["rows"] if path.exists() else []
    fresh = {r["section"] for r in rows}
    return [*(r for r in held if r["section"] not in fresh), *rows]


def render(rows: list[dict]) -> str:
    """The whole page."""
    names = list(dict.fromkeys(r["section"] for r in rows))
    parts = [section_table(n, [r for r in rows if r["section"] == n]) for n in names if not n.startswith("degrees")]
    return "\n".join(["# Speed", "", INTRODUCTION, verdict(rows), growth(rows), *parts]) + "\n"


def plot(rows: list[dict], path: Path) -> None:
    """Cost by degree, and by size."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (by_degree, by_size) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    for family in GROWING:
        ratios = [r["both_ratio"] for r in rows if r["section"] == f"degrees of {family}" and r["name"] != "GELU"]
        by_degree.plot(range(1, len(ratios) + 1), ratios, "o-", ms=3, label=family)
    for name in PAPER:
        points = sorted((r["numel"], r["both_ratio"]) for r in rows if r["section"] == "sizes" and r["name"] == name)
        by_size.plot(*(zip(*points, strict=True) if points else ([], [])), "o-", ms=3, label=name)
    by_degree.set(xlabel="degree", ylabel="forward + backward, ratio to compiled GELU", title="3,145,728 float32")
    by_size.set(xlabel="elements", xscale="log", title="float32, one thread")
    for axis in (by_degree, by_size):
        axis.axhline(1, color="0.6", lw=0.8)
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
