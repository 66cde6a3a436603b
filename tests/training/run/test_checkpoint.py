"""Checkpoints: whole or not there, and damage is noticed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from learnact import load
from learnact.training.errors import BadCheckpoint, Busy, NoSpace, TrainError
from learnact.training.lock import only_one
from learnact.training.run import checkpoint
from learnact.training.run.checkpoint import Store, collect, load_weights, restore
from learnact.training.run.presets import configure
from learnact.training.run.recipe import Average, make_optimizer

CONFIG = configure("gpt2", "tiny", {})


HOLDER = """
import sys, time
from pathlib import Path
from torch.utils.data import DataLoader
from learnact.training.lock import only_one
with only_one(Path(sys.argv[1])):
    batches = iter(DataLoader(range(10_000), num_workers=2, batch_size=None))
    next(batches)
    print(*(worker.pid for worker in batches._workers), flush=True)
    time.sleep(600)
"""
"""A process that holds a folder and has forked workers, as a training run has."""


def trained() -> tuple[nn.Module, torch.optim.Optimizer, Average]:
    model = nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2))
    optimizer, average = make_optimizer(model, CONFIG), Average(model, 0.9)
    for step in range(3):
        model(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update(step)
    return model, optimizer, average


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        found.save(step, {"weights": {"w": torch.full((4,), float(step))}})
    return found


def test_all_state_comes_back(tmp_path: Path) -> None:
    model, optimizer, average = trained()
    store = Store(tmp_path, 2)
    store.save(3, collect(model, optimizer, average))
    found = store.load()
    assert found is not None
    other, other_optimizer, other_average = trained()
    restore(found[1], other, other_optimizer, other_average)
    again = collect(other, other_optimizer, other_average)
    first = collect(model, optimizer, average)
    assert first.keys() == again.keys() == {"weights", "optimizer", "average"}
    for part in first:
        assert first[part].keys() == again[part].keys()
        assert all(first[part][name].equal(again[part][name]) for name in first[part])
    assert "0.weight.exp_avg_sq" in first["optimizer"]


def test_only_who_keeps_a_checkpoint_copies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = []
    honest = checkpoint._to_save
    monkeypatch.setattr(checkpoint, "_to_save", lambda t: (copied.append(t), honest(t))[1])
    assert collect(*trained(), keep=False) == {"weights": {}, "optimizer": {}, "average": {}}
    assert not copied
    state = collect(*trained(), keep=True)
    assert len(copied) == sum(map(len, state.values()))


def test_the_oldest_give_way(store: Store) -> None:
    assert sorted(p.name for p in store.folder.iterdir()) == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "record", "torn record"])
def test_a_damaged_last_checkpoint_is_noticed_and_the_one_before_is_taken(store: Store, damage: str) -> None:
    last = store.folder / "step-00000003"
    weights, record = last / "weights.safetensors", last / "checkpoint.json"
    content = weights.read_bytes()
    if damage == "truncate":
        weights.write_bytes(content[:-3])
    elif damage == "flip":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "remove":
        weights.unlink()
    elif damage == "record":
        record.unlink()
    else:
        record.write_text(record.read_text()[:20])
    found = store.load()
    assert found is not None
    step, state, complaints = found
    assert step == 2
    assert state["weights"]["w"].tolist() == [2.0] * 4
    assert len(complaints) == 1
    assert "step-00000003 is damaged" in complaints[0]


def test_when_all_are_damaged_nothing_is_begun_anew_in_silence(store: Store) -> None:
    for path in store.folder.glob("*/weights.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(BadCheckpoint, match="no whole checkpoint is left"):
        store.load()


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert Store(tmp_path / "none", 2).load() is None


def test_a_disk_that_fills_while_writing_costs_only_the_new_checkpoint(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(NoSpace, match=r"step-00000004.*No space left.*kept: step-00000002, step-00000003"):
        store.save(4, {"weights": {"w": torch.zeros(1)}})
    assert sorted(p.name for p in store.folder.iterdir()) == ["step-00000002", "step-00000003"]
    assert store.load() is not None


def test_what_a_killed_writer_left_is_no_checkpoint(store: Store) -> None:
    shutil.copytree(store.folder / "step-00000003", store.folder / ".writing-step-00000009")
    found = store.load()
    assert found is not None
    assert found[0] == 3
    store.save(9, {"weights": {"w": torch.full((4,), 9.0)}})
    assert [p.name for p in store.folder.glob(".writing*")] == []


def test_room_is_asked_for_beforehand(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: SimpleNamespace(free=999_000))
    store.require_space(999_000)  # two of three are there
    with pytest.raises(NoSpace, match="1 MB free, checkpoints take 2 MB"):
        store.require_space(2_000_000)


def test_weights_of_another_model_are_refused() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(BadCheckpoint, match="bias"):
        load_weights(model, {"weight": torch.zeros(2, 2)})
    with pytest.raises(BadCheckpoint, match="weight"):
        load_weights(model, {"weight": torch.zeros(3, 2), "bias": torch.zeros(2)})


def test_buffers_of_activations_are_kept() -> None:
    """Averaged weights hold them too: they are what a run leaves."""
    made = [nn.Sequential(nn.Linear(2, 2), load("stretched_hermite:2")()) for _ in range(2)]
    made[0][1].unit.fill_(0.25)
    average = Average(made[0], 0.9)
    state = collect(made[0], torch.optim.SGD(made[0].parameters()), average)
    assert "1.unit" not in average.averages
    for weights in (state["weights"], state["average"]):
        made[1][1].unit.fill_(1.0)
        load_weights(made[1], weights)
        assert made[1][1].unit.item() == 0.25
    restore(state, made[1], torch.optim.SGD(made[1].parameters()), Average(made[1], 0.9))


def test_a_folder_is_one_process_own(tmp_path: Path) -> None:
    with only_one(tmp_path / "run"), pytest.raises(Busy, match="another process"), only_one(tmp_path / "run"):
        pass
    with only_one(tmp_path / "run"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="cannot write"), only_one(tmp_path / "file"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_holds_nothing_though_its_workers_live_on(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        workers = [int(word) for word in holder.stdout.readline().split()]
        assert len(workers) == 2
        with pytest.raises(Busy), only_one(tmp_path / "run"):
            pass
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)  # so that they outlive their parent for sure
        try:
            holder.kill()
            holder.wait()
            with only_one(tmp_path / "run"):
                pass
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)


def test_an_unused_folder_goes_and_who_waited_for_it_holds_its_successor(tmp_path: Path) -> None:
    held: list[bool] = []

    def wait() -> None:
        with only_one(tmp_path / "run", wait=True):
            with pytest.raises(Busy), only_one(tmp_path / "run"):
                pass
            held.append(True)

    waiting = threading.Thread(target=wait)
    with only_one(tmp_path / "run"):
        waiting.start()
        waiting.join(0.2)
        assert not held
    waiting.join(10)
    assert held
    assert not (tmp_path / "run").exists()
