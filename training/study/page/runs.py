"""Read run folders and put those that differ in nothing but the seed together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from learnact.training.errors import BadData
from learnact.training.run import log
from learnact.training.run.session import RECORD, RESULT

NAMED = {"activation", "start", "calibrate"}
"""Settings that a group's name always tells; other settings only where they differ among the groups."""
CALIBRATED = {"preserve": "", "unit": ", calibrated to 1", "none": ", as declared", "weights": ", weights calibrated"}
UNNAMED = {"seed", "workers", "keep", "trackers", "checkpoint_every", "initial"}


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path
    record: dict[str, Any]
    lines: list[dict[str, Any]]
    status: str  # complete, diverged or unfinished

    @property
    def config(self) -> dict[str, Any]:
        """The dumped configuration."""
        config: dict[str, Any] = self.record["config"]
        return config

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind, in the order of the steps."""
        return [line for line in self.lines if line["kind"] == kind]

    def final(self, score: str) -> float | None:
        """The last validation score; None for a run that did not end."""
        if self.status != "complete":
            return None
        return self.of("eval")[-1].get(score)


@dataclass(frozen=True)
class Group:
    """Runs of one setting with different seeds."""

    name: str
    runs: Sequence[Run]

    @cached_property
    def complete(self) -> list[Run]:
        """Those that ended, by seed."""
        ended = (run for run in self.runs if run.status == "complete")
        return sorted(ended, key=lambda run: run.config["seed"])

    @property
    def generated(self) -> bool:
        """Whether the activation was generated."""
        return bool(self.runs[0].record["activation"]["sha256"])


def read_runs(places: Iterable[Path]) -> list[Run]:
    """Every run folder at or below the places. Raises BadData where there is none."""
    found = []
    for place in places:
        records = sorted(place.rglob(RECORD)) if place.is_dir() else []
        folders = [r.parent for r in records if (r.parent / log.NAME).is_file()]
        if not folders:
            raise BadData(f"{place} holds no run; give --out folders of training runs or of studies")
        found += [_read(folder) for folder in folders]
    return found


def group(runs: Sequence[Run]) -> list[Group]:
    """Classical activations first, then by name. Raises BadData for runs on different tasks or data."""
    data = {json.dumps([r.config["task"], r.record["unit"], _digests(r.record["data"])], sort_keys=True) for r in runs}
    if len(data) > 1:
        raise BadData(f"the runs are on {len(data)} different data sets or tasks; report them one by one")
    keys = {key for run in runs for key in run.config} - UNNAMED
    differing = sorted(k for k in keys - NAMED if len({json.dumps(r.config.get(k)) for r in runs}) > 1)
    files: dict[str, set[str]] = {}
    for run in runs:
        files.setdefault(run.record["activation"]["label"], set()).add(_file(run))
    shared = {label for label, paths in files.items() if len(paths) > 1}  # two emitted files of one name
    groups: dict[str, list[Run]] = {}
    for run in runs:
        label = run.record["activation"]["label"]
        groups.setdefault(_name(run, f"{label} of {_file(run)}" if label in shared else label, differing), []).append(
            run
        )
    return sorted((Group(name, members) for name, members in groups.items()), key=lambda g: (g.generated, g.name))


def _file(run: Run) -> str:
    """The emitted file that was asked for; empty where a SPEC was."""
    activation: str = run.config["activation"]
    return activation if activation.endswith(".py") else ""


def _name(run: Run, label: str, differing: Sequence[str]) -> str:
    calibrated = (
        CALIBRATED[run.config["calibrate"]]
        if run.record["activation"]["sha256"] or run.config["calibrate"] == "weights"
        else ""
    )
    others = "".join(_told(key, run.config.get(key)) for key in differing)
    return f"{label}{calibrated}{others}"


def _told(key: str, value: Any) -> str:
    if key == "trainable":
        return {"all": "", "weights": ", frozen"}.get(value, f", {key} {value}")
    return f", {key} {value}"


def _read(folder: Path) -> Run:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        ended = (folder / RESULT).is_file()
        result = json.loads((folder / RESULT).read_text(encoding="utf-8")) if ended else {"status": "unfinished"}
        return Run(folder, record, list(log.read(folder)), result["status"])
    except (OSError, ValueError, KeyError) as err:
        raise BadData(f"{folder} cannot be read as a run: {err}") from err


def _digests(data: dict[str, Any]) -> Any:
    return [data.get("digest"), [data[s]["digest"] for s in ("train", "validation") if s in data]]
