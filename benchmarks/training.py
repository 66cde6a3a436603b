"""Keep what a study of `learnact-train` found: scores of every seed, means with intervals, and how to run it again.

    python -m benchmarks.training runs/study --name gpt2-books --out benchmarks/results

Prints the table of `learnact-train report` and writes NAME.md, NAME.json and the page's curves, NAME.svg.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import provenance, save, table
from learnact import LearnactError
from learnact.training.run.presets import PRESETS
from learnact.training.study.page import charts
from learnact.training.study.page.final import final_table
from learnact.training.study.page.runs import Group, Run, group, read_runs

UNSAID = {
    "activation",
    "start",
    "seed",
    "preset",
    "initial",
    "keep",
    "trackers",
    "workers",
    "checkpoint_every",
}
"""Settings that the table names, or that change no score."""


def rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """One row a run: its setting, seed, status, final validation scores and test scores."""
    return [
        {
            "setting": g.name,
            "seed": run.config["seed"],
            "status": run.status,
            **_last(run, "eval"),
            **{f"test_{k}": v for k, v in _last(run, "test").items()},
        }
        for g in groups
        for run in g.runs
    ]


def _last(run: Run, kind: str) -> dict[str, Any]:
    return {k: v for line in run.of(kind)[-1:] for k, v in line.items() if k not in {"kind", "step"}}


def common(groups: Sequence[Group]) -> dict[str, Any]:
    """The settings that all runs share."""
    configs = [run.config for g in groups for run in g.runs]
    return {k: v for k, v in configs[0].items() if k not in UNSAID and all(c.get(k) == v for c in configs)}


def page(groups: Sequence[Group], name: str, about: dict[str, Any]) -> str:
    """The results as markdown."""
    first = groups[0].runs[0]
    scores = final_table(groups)
    settings = ", ".join(f"{k} {v}" for k, v in common(groups).items())
    data = {k: _named(v) for k, v in first.record["data"].items() if k in {"train", "validation", "images", "digest"}}
    versions = ", ".join(f"{k} {v}" for k, v in first.record["versions"].items())
    return "\n".join(
        [
            f"# {name}: {first.config['task']} {first.config['preset']}",
            "",
            f"Written by `python -m benchmarks.training STUDY --name {name} --out benchmarks/results`;",
            f"{about['date']}, {about['cpu']}, {versions}. Loss in {first.record['unit']}.",
            "",
            f"    {command(groups)}",
            "",
            scores.explanation,
            "",
            table(scores.head, [[f"**{c.text}**" if c.clear else c.text for c in row] for row in scores.rows]),
            "",
            f"![curves]({name}.svg)",
            "",
            f"All runs: {settings}.",
            "",
            f"Data: {data}.",
            "",
        ]
    )


def _named(split: Any) -> Any:
    """What is known of a split, its sources without the folders they lay in."""
    if not isinstance(split, dict):
        return split
    return {**split, "sources": [Path(source).name for source in split["sources"]]}


def command(groups: Sequence[Group]) -> str:
    """What makes such a study; what differs among its settings stands as each one's own options."""
    first = groups[0].runs[0].config
    usual = PRESETS[first["task"]][first["preset"]]
    shared = common(groups)
    changed = {k: v for k, v in shared.items() if not isinstance(v, list) and v != getattr(usual, k, v)}
    options = [
        f"--{'' if v is not False else 'no-'}{k.replace('_', '-')}" + ("" if isinstance(v, bool) else f" {v}")
        for k, v in changed.items()
    ]

    def setting(g: Group) -> str:
        config = g.runs[0].config
        own = {k: v for k, v in config.items() if k not in shared and k not in UNSAID and v != getattr(usual, k, v)}
        return ",".join(
            [g.runs[0].record["activation"]["label"], *(f"{k.replace('_', '-')}={v}" for k, v in own.items())]
        )

    names = dict.fromkeys(map(setting, groups))
    seeds = sorted({run.config["seed"] for g in groups for run in g.runs})
    words = ["learnact-train study", first["task"], f"--preset {first['preset']}", "--data DATA --out STUDY"]
    return " ".join([*words, *(f"-a {n}" for n in names), f"--seeds {','.join(map(str, seeds))}", *options])


def main() -> int:
    """Read, print, write; 2 where there are no runs, or runs that do not compare."""
    parser = argparse.ArgumentParser(description="Keep the results of a study.")
    parser.add_argument("studies", nargs="+", type=Path, help="folders of learnact-train study")
    parser.add_argument("--name", required=True, help="of the result")
    parser.add_argument("--out", type=Path, help="folder for NAME.md, NAME.json, NAME.svg (default: none are written)")
    options = parser.parse_args()
    try:
        groups = group(read_runs(options.studies))
    except LearnactError as err:
        print(err, file=sys.stderr)
        return 2
    print(final_table(groups).text())
    if options.out:
        about = provenance()
        save(options.out / f"{options.name}.json", {**about, "settings": common(groups), "rows": rows(groups)})
        (options.out / f"{options.name}.md").write_text(page(groups, options.name, about))
        (options.out / f"{options.name}.svg").write_text(
            charts.svg(charts.losses(groups, groups[0].runs[0].record["unit"]))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
