"""Trackers: what they are handed, under which name a run goes on there, and what a missing one says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_runs import TINY, command, complaint, lines

from learnact.training.errors import BadConfig
from learnact.training.run import trackers
from learnact.training.run.trackers import CURVES, Trackers, require_installed


class Service:
    """In place of W&B and MLflow, which need not be installed: keeps what it is handed."""

    made: list[Service] = []  # noqa: RUF012
    name = ""

    def __init__(self, project: str, **asked: Any) -> None:
        self.project, self.asked = project, asked
        self.settings: dict[str, Any] = {}
        self.scalars: list[tuple[int, dict[str, float]]] = []
        self.finished = False
        self.run = SimpleNamespace(id=asked.get("id") or "fresh")
        self.active_run = SimpleNamespace(info=SimpleNamespace(run_id=asked.get("run_id") or "fresh"))
        Service.made.append(self)

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.settings = values

    def log(self, values: dict[str, float], step: int) -> None:
        self.scalars.append((step, values))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> type[Service]:
    Service.made = []
    kinds = {name: type(name, (Service,), {"name": name}) for name in ("wandb", "mlflow")}
    monkeypatch.setattr(trackers, "LOGGER_TYPE_TO_CLASS", {**trackers.LOGGER_TYPE_TO_CLASS, **kinds})
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: ["tensorboard", *kinds])
    return Service


def test_services_are_handed_what_the_log_holds(
    services: type[Service], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    code, _, err = command(capsys, *TINY, "--tracker", "wandb", "--tracker", "mlflow", "--out", out)
    assert code == 0, err
    assert [s.name for s in services.made] == ["wandb", "mlflow"]
    for service in services.made:
        assert service.settings["steps"] == 6
        assert service.finished
        handed = {(step, name): value for step, values in service.scalars for name, value in values.items()}
        logged = {
            (line["step"], f"{line['kind']}/{name}"): line[name]
            for line in lines(out)
            for name in CURVES.get(line["kind"], ())
            if name in line
        }
        assert logged.items() <= handed.items()
        assert (1, "watch/before/transformer.h.0.mlp.act") in handed


def test_a_run_that_goes_on_goes_on_in_the_same_place(services: type[Service], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for step in (0, 3):
        Trackers(["wandb", "mlflow"], tmp_path / "run", step, {}).close()
    assert [s.asked.get("id", s.asked.get("run_id")) for s in services.made] == [None, None, "fresh", "fresh"]
    assert json.loads((tmp_path / "run/trackers.json").read_text()) == {"wandb": "fresh", "mlflow": "fresh"}


def test_tensorboard_writes_beside_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "run"
    assert command(capsys, *TINY, "--tracker", "tensorboard", "--out", out)[0] == 0
    found = events.EventAccumulator(str(out / "tensorboard")).Reload()
    expected = [line["loss"] for line in lines(out) if line["kind"] == "train"]
    assert [event.value for event in found.Scalars("train/loss")] == pytest.approx(expected)
    assert not (out / "trackers.json").exists()


def test_without_a_tracker_nothing_is_written_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, *TINY, "--out", tmp_path / "run")[0] == 0
    assert not {"tensorboard", "trackers.json"} & {p.name for p in (tmp_path / "run").iterdir()}


def test_one_that_is_not_installed_is_said_before_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trackers, "get_available_trackers", lambda: [])
    code, _, err = command(capsys, *TINY, "--tracker", "wandb", "--out", tmp_path / "run")
    assert code == 2
    assert complaint(err).endswith("--tracker wandb needs the package wandb, which is not installed; pip install wandb")
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadConfig, match="mlflow"):
        require_installed(["mlflow"])


def test_one_that_cannot_start_is_one_line(
    services: type[Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(_: Service) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(Service, "start", offline)
    code, _, err = command(capsys, *TINY, "--tracker", "mlflow", "--out", tmp_path / "run")
    assert code == 2
    assert "--tracker mlflow cannot start (ConnectionError: no route to host)" in complaint(err)
