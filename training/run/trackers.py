"""Trackers beside a run's log, through accelerate: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from learnact.errors import one_line
from learnact.files import write_whole
from learnact.training.errors import BadConfig
from learnact.training.run.evaluate import RAW

PROJECT = "learnact"
"""What W&B calls a project and MLflow an experiment; MLFLOW_EXPERIMENT_NAME has priority there."""
IDS = "trackers.json"
"""Under what a service knows the run: one that goes on, goes on there."""
SCORES = tuple(f"{of}{name}" for of in ("", RAW) for name in ("loss", "accuracy", "accuracy_5"))
CURVES = {"train": ("loss", "lr", "gradient_norm"), "eval": SCORES, "test": SCORES}
PLACE = ("before", "after", "gradient_after")


class Trackers:
    """The chosen trackers of one run; of the main process alone.

    Raises BadConfig for one that is not installed or cannot start.
    """

    def __init__(self, names: Sequence[str], folder: Path, step: int, settings: Mapping[str, Any]) -> None:
        """Begin, or go on after `step` updates. Raises BadConfig for one that is not installed or cannot start."""
        require_installed(names)
        path = folder / IDS
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._trackers: list[Any] = []
        for name in names:
            try:
                tracker = _make(name, folder, step, known.get(name))
                tracker.start()
                if name != "tensorboard":  # which would write them into a folder named by the time
                    tracker.store_init_configuration(dict(settings))
            except Exception as err:  # services raise what they raise, offline for example
                self.close()
                raise BadConfig(f"--tracker {name} cannot start ({one_line(err)}); leave it out or mend it") from err
            self._trackers.append(tracker)
            if found := _id(tracker):
                known[name] = found
        if known:
            write_whole(path, json.dumps(known) + "\n", force=True)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Hand the numbers of one line of the log on."""
        if not self._trackers:
            return
        scalars = {f"{kind}/{name}": values[name] for name in CURVES.get(kind, ()) if name in values}
        for place in values.get("layers", ()):
            scalars |= {f"watch/{name}/{place['path']}": place[name] for name in PLACE}
        for tracker in self._trackers if scalars else ():
            tracker.log(scalars, step=step)

    def close(self) -> None:
        """Finish them all, the last ones too where one fails."""
        for tracker in self._trackers:
            with suppress(Exception):  # what is on its way to a service must not cost the run
                tracker.finish()


def require_installed(names: Sequence[str]) -> None:
    """Raise BadConfig for a tracker whose package is not installed."""
    available = {str(found) for found in get_available_trackers()}
    for name in names:
        if name not in available:
            raise BadConfig(f"--tracker {name} needs the package {name}, which is not installed; pip install {name}")


def _make(name: str, folder: Path, step: int, known: str | None) -> Any:
    kind: Any = LOGGER_TYPE_TO_CLASS[name]
    if name == "tensorboard":
        return kind(name, folder, purge_step=step + 1 if step else None)
    if name == "wandb":
        return kind(PROJECT, name=folder.name, dir=str(folder), id=known, resume="allow")
    return kind(PROJECT, run_name=folder.name, run_id=known)


def _id(tracker: Any) -> str:
    if tracker.name == "wandb":
        return str(tracker.run.id)
    return str(tracker.active_run.info.run_id) if tracker.name == "mlflow" else ""
