"""Read run folders and put those that differ in nothing but the seed together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from learnact.training.config import Config
from learnact.training.errors import BadData
from learnact.training.run import log
from learnact.training.run.session import RECORD, RESULT

NAMED = {"activation", "start", "calibrate", "initial"}
"""Settings that a group's name always tells; other settings only where they differ among the groups."""
CALIBRATED = {"preserve": "", "unit": ", calibrated to 1", "none": ", as declared", "weights": ", weights calibrated"}
UNNAMED = {"seed", *Config.OPERATIONAL}
SHORT_DIGEST = 8
"""Digits of SHA-256 by which a name tells two files of one path apart."""


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

    @property
    def replicate(self) -> tuple[int, ...]:
        """Its seed; of a fine-tuned one, before it that of the original, for equal seeds begin at other weights."""
        original = self.record.get("original")
        own = int(self.config["seed"])
        return (int(original["config"]["seed"]), own) if original else (own,)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The lines of one kind, in the order of the steps."""
        return [line for line in self.lines if line["kind"] == kind]

    def final(self, score: str) -> float | None:
        """`validation loss`, `test accuracy`: the last such score; None for a run that did not end or has none."""
        split, _, name = score.partition(" ")
        lines = self.of("eval" if split == "validation" else split)
        return lines[-1].get(name) if self.status == "complete" and lines else None


@dataclass(frozen=True)
class Group:
    """Runs of one setting with different seeds."""

    name: str
    runs: Sequence[Run]

    @cached_property
    def complete(self) -> list[Run]:
        """Those that ended, by seed."""
        ended = (run for run in self.runs if run.status == "complete")
        return sorted(ended, key=lambda run: run.replicate)

    @property
    def shown(self) -> Run:
        """The run that stands for all where only one is drawn: the first that ended, if any did."""
        return next(iter(self.complete), self.runs[0])

    @property
    def generated(self) -> bool:
        """Whether the activation was generated."""
        return bool(self.runs[0].record["activation"]["sha256"])


def read_runs(places: Iterable[Path]) -> list[Run]:
    """Every run folder at or below the places, each once, however often and by whatever path it is given.

    Raises BadData where a place holds none.
    """
    found: dict[Path, Run] = {}
    for place in places:
        records = sorted(place.rglob(RECORD)) if place.is_dir() else []
        folders = [r.parent for r in records if (r.parent / log.NAME).is_file()]
        if not folders:
            raise BadData(f"{place} holds no run; give --out folders of training runs or of studies")
        for folder in folders:
            if (resolved := folder.resolve()) not in found:
                found[resolved] = _read(folder)
    return list(found.values())


def group(runs: Sequence[Run]) -> list[Group]:
    """Classical activations first, then by name. Two settings never share a name, nor two runs of one a seed.

    Raises BadData for runs on different tasks or data, or evaluated in different ways, and for a setting that was run
    twice with one seed.
    """
    data = {json.dumps([r.config["task"], r.record["unit"], _digests(r.record["data"])], sort_keys=True) for r in runs}
    if len(data) > 1:
        raise BadData(f"the runs are on {len(data)} different data sets or tasks; report them one by one")
    if len({r.config.get("evaluation") for r in runs}) > 1:
        raise BadData("some of the runs were validated as earlier versions did, without a test; report them apart")
    own = _differing([run.config for run in runs])
    originals = _differing([run.record["original"]["config"] for run in runs if "original" in run.record])
    files = _files([run.record["activation"] | {"asked": run.config["activation"]} for run in runs])
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_name(run, files, own, originals), []).append(run)
    for name, members in groups.items():
        _require_once(name, members)
    return sorted((Group(name, members) for name, members in groups.items()), key=lambda g: (g.generated, g.name))


def _require_once(name: str, runs: Sequence[Run]) -> None:
    seen: dict[tuple[int, ...], Run] = {}
    for run in runs:
        if (first := seen.setdefault(run.replicate, run)) is not run:
            raise BadData(
                f"{first.folder} and {run.folder} are the same setting ({name}) with the same seed; give one of them"
            )


def _differing(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Settings that tell some configurations apart, besides those that a name always tells."""
    keys = {key for config in configs for key in config} - UNNAMED - NAMED
    return sorted(k for k in keys if len({json.dumps(c.get(k)) for c in configs}) > 1)


def _files(activations: Sequence[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(label, digest) -> what a name adds to a label that several emitted files share: the path, or else the digest."""
    asked: dict[str, dict[str, str]] = {}
    for activation in activations:
        asked.setdefault(activation["label"], {}).setdefault(activation["sha256"], _path(activation["asked"]))
    added = {}
    for label, paths in asked.items():
        for digest, path in paths.items():
            several = len(paths) > 1
            apart = path and list(paths.values()).count(path) == 1
            places = f" of {path}" if path else ""
            added[label, digest] = "" if not several else places if apart else f"{places} [{digest[:SHORT_DIGEST]}]"
    return added


def _path(activation: str) -> str:
    """The file that was asked for, emitted or of a family; empty where a SPEC was."""
    path, dot, _ = activation.partition(".py")
    return path + dot if dot else ""


def _name(run: Run, files: dict[tuple[str, str], str], own: Sequence[str], originals: Sequence[str]) -> str:
    activation = run.record["activation"]
    label = activation["label"] + files[activation["label"], activation["sha256"]]
    told = activation["sha256"] or run.config["calibrate"] == "weights"
    calibrated = CALIBRATED[run.config["calibrate"]] if told else ""
    others = "".join(_told(key, run.config.get(key)) for key in own)
    return f"{label}{calibrated}{_origin(run, originals)}{others}"


def _origin(run: Run, originals: Sequence[str]) -> str:
    """The setting of what a run was fine-tuned from; the folder where it did not record one."""
    if not run.config.get("initial"):
        return ""
    if "original" not in run.record:
        return f", from {run.config['initial']}"
    original = run.record["original"]
    others = "".join(f" {key} {original['config'].get(key)}" for key in originals)
    return f", from {original['activation']['label']}{others}"


def _told(key: str, value: Any) -> str:
    if key == "trainable":
        return {"all": "", "weights": ", frozen"}.get(value, f", {key} {value}")
    if key == "gated":
        return ", gated" if value else ""
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
