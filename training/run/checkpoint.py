"""Checkpoints in safetensors: whole or not there, checked when read, independent of the number of processes.

    checkpoints/step-00001000/weights.safetensors  optimizer.safetensors  average.safetensors  checkpoint.json

All that is random in training is a function of the step, so weights, optimizer state and the step are the whole
state. A checkpoint is written into a hidden folder and renamed when all its bytes are on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from learnact.training.errors import BadCheckpoint, NoSpace
from learnact.training.model.learnable import kept
from learnact.training.run.processes import like, whole
from learnact.training.run.recipe import Average

NAME = re.compile(r"step-(\d{8})")
RECORD = "checkpoint.json"
HIDDEN = ".writing-"

Tensors = dict[str, Tensor]
State = dict[str, Tensors]
"""Part -> name -> tensor; the parts are files."""


@dataclass(frozen=True)
class Store:
    """The checkpoints of one run."""

    folder: Path
    keep: int

    def save(self, step: int, state: State) -> Path:
        """Write a checkpoint, then drop the oldest beyond `keep`. Raises NoSpace, leaving the older ones."""
        final = self.folder / f"step-{step:08d}"
        hidden = self.folder / f"{HIDDEN}{final.name}"
        try:
            shutil.rmtree(hidden, ignore_errors=True)
            hidden.mkdir(parents=True)
            digests = {}
            for part, tensors in state.items():
                save_file(tensors, hidden / f"{part}.safetensors")
                digests[part] = _digest(hidden / f"{part}.safetensors")
            record = json.dumps({"step": step, "sha256": digests}, indent=1)
            (hidden / RECORD).write_text(f"{record}\n", encoding="utf-8")
            for path in hidden.iterdir():
                _sync(path)
            shutil.rmtree(final, ignore_errors=True)
            hidden.replace(final)
            _sync(self.folder)
        except (OSError, SafetensorError) as err:
            shutil.rmtree(hidden, ignore_errors=True)
            kept = ", ".join(p.name for p in self._all()) or "none"
            raise NoSpace(f"cannot write checkpoint {final}: {err}; kept: {kept}. Free space, run it again") from err
        for old in self._all()[: -self.keep]:
            shutil.rmtree(old)
        return final

    def load(self) -> tuple[int, State, list[str]] | None:
        """Step and state of the last whole checkpoint, and what was wrong with those after it; None without any.

        Raises BadCheckpoint where there are some and all are damaged.
        """
        complaints: list[str] = []
        for path in reversed(self._all()):
            try:
                step, state = _read(path)
            except (OSError, ValueError, KeyError, SafetensorError) as err:
                complaints.append(f"{path} is damaged ({err})")
                continue
            return step, state, complaints
        if complaints:
            raise BadCheckpoint(
                f"{'; '.join(complaints)}; no whole checkpoint is left, move the folder away to begin anew"
            )
        return None

    def require_space(self, state_bytes: int) -> None:
        """Raise NoSpace when the disk has no room for the checkpoints that a run keeps, and one being written."""
        missing = max(0, self.keep + 1 - len(self._all())) * state_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < missing:
            raise NoSpace(
                f"{self.folder} has {free / 1e6:.0f} MB free, checkpoints take {missing / 1e6:.0f} MB; free space, "
                "or give --keep 1"
            )

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if NAME.fullmatch(p.name))


def collect(model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None, *, keep: bool = True) -> State:
    """All state on the CPU, shards joined. Every process must call it, for each holds a part of every shard.

    Only who is to `keep` it makes copies, the first process; the others get empty parts.
    """
    own = kept(model)
    names = {id(t): name for name, t in own.items()}
    moments = {
        f"{names[id(p)]}.{key}": value for p, entries in optimizer.state.items() for key, value in entries.items()
    }
    parts: dict[str, Mapping[str, Tensor]] = {"weights": own, "optimizer": moments}
    if average is not None:
        parts["average"] = {**own, **average.averages}
    return {part: _joined(tensors, keep) for part, tensors in parts.items()}


@torch.no_grad()
def restore(state: State, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None) -> None:
    """Put back what `collect` gave. Raises BadCheckpoint where names or shapes do not fit."""
    load_weights(model, state["weights"])
    parameters = dict(model.named_parameters())
    for key, tensor in state["optimizer"].items():
        name, _, moment = key.rpartition(".")
        parameter = parameters[name]
        counts = moment == "step"  # a number for the whole parameter, beside it only where the optimizer is fused
        place = parameter.device if _fused(optimizer) else torch.device("cpu")
        optimizer.state[parameter][moment] = tensor.to(place) if counts else like(tensor, parameter)
    if average is not None:
        for name, tensor in average.averages.items():
            tensor.copy_(like(state["average"][name], tensor))


@torch.no_grad()
def load_weights(model: nn.Module, weights: Tensors) -> None:
    """Set every parameter of `model`, and buffers of activations. Raises BadCheckpoint where names or shapes differ."""
    parameters = kept(model)
    odd = sorted(parameters.keys() ^ weights.keys())
    odd += [n for n in parameters.keys() & weights.keys() if parameters[n].shape != weights[n].shape]
    if odd:
        raise BadCheckpoint(f"the checkpoint is of another model: {', '.join(odd[:4])} differ")
    for name, parameter in parameters.items():
        parameter.copy_(like(weights[name], parameter))


def _read(path: Path) -> tuple[int, State]:
    record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    state: State = {}
    for part, digest in record["sha256"].items():
        file = path / f"{part}.safetensors"
        if _digest(file) != digest:
            raise ValueError(f"{file.name} is not what was written")
        state[part] = load_file(file)
    return int(record["step"]), state


def _joined(tensors: Mapping[str, Tensor], keep: bool) -> Tensors:
    kept: Tensors = {}
    for name, tensor in tensors.items():
        joined = whole(tensor.detach())  # with the other processes, whether it is kept or not
        if keep:
            kept[name] = _to_save(joined)
    return kept


def _to_save(tensor: Tensor) -> Tensor:
    return tensor.to("cpu").contiguous().clone()


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    return bool(optimizer.defaults.get("fused"))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Have a file on the disk, and a folder where the system opens folders (Windows does not)."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
