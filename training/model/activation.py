"""From the name of an activation to what builds it, fits its start and identifies its file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN

from learnact import generated, load
from learnact import start as solve_start
from learnact.errors import UnknownName
from learnact.training.config import Config
from learnact.training.errors import BadConfig
from learnact.training.model import act2fn
from learnact.training.model.calibrate import InputMoments, Starts, calibrate
from learnact.training.model.channels import swap_per_channel
from learnact.training.model.factory import class_of
from learnact.training.model.swap import Swapped, swap


@dataclass(frozen=True)
class Choice:
    """One activation to train with: a classical one, or a generated class and the name of its start."""

    name: str  # what transformers' ACT2FN knows it by
    cls: Any  # the generated class; None: classical
    start: str = ""
    target: str = ""  # what the compiler finds its declaration by: a SPEC, of a user's own file too

    @property
    def label(self) -> str:
        """What tables and curves call it."""
        return self.name if self.cls is None else f"{self.cls.spec}@{self.start}"

    @property
    def file(self) -> Path | None:
        """The generated source."""
        return None if self.cls is None else Path(inspect.getfile(self.cls))

    @property
    def digest(self) -> str:
        """SHA-256 of the generated file; empty for a classical activation."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file else ""

    def starts(self, config: Config) -> Starts:
        """sigma -> parameter values of the chosen start, as configured. Raises BadConfig without parameters."""
        if self.cls is None:
            raise BadConfig(f"{self.name} has no parameters to calibrate; choose a generated activation")
        preserve = config.calibrate != "unit"
        return lambda sigma: solve_start(self.target, self.start, sigma=sigma, preserve=preserve)

    def new(self, **keywords: object) -> nn.Module:
        """A fresh module."""
        return ACT2FN[self.name] if self.cls is None else self.cls(init=self.start, **keywords)


def is_classical(name: str) -> bool:
    """Whether it is one of transformers' own activations, which have no parameters."""
    return name in ACT2FN and not name.startswith(act2fn.PREFIXES)


def choose(name: str, start: str = "") -> Choice:
    """Find `gelu`, `relu` … of transformers, `hermite5` of the generated files, or compile a SPEC now.

    `name` may also be the path of an emitted file, `act/soft_hinge.py`, whose header tells its declaration.

    Raises UnknownName for an unknown activation or start, BadConfig for a start of a classical activation, and what the
    compiler raises for a SPEC or a file.
    """
    if is_classical(name):
        if start:
            raise BadConfig(f"{name} has no starts, found --start {start}; leave it out")
        return Choice(name, None)
    slugs = {slug: cls for cls, slug in generated.MODULES.items()}
    if name.endswith(".py"):
        _require_own_name(name, slugs)
    if name.isidentifier() and name not in slugs and not _is_family(name):
        raise UnknownName("activation", name, {*slugs, *ACT2FN})
    cls = class_of(name)
    if start and start not in cls.starts:
        raise UnknownName(f"start of {name}", start, cls.starts)
    start = start or cls.starts[0]
    ready = cls.__module__.startswith(f"{generated.__name__}.")
    return Choice(act2fn.register(cls, start), cls, start, cls.spec if ready else name)


def install(
    model: nn.Module, choice: Choice, config: Config, run: Callable[[], object]
) -> tuple[list[Swapped], list[InputMoments]]:
    """Put the chosen activation into every place of `model`, calibrated if so configured.

    `run` sends one batch through the model. Returns the places and, if calibrated, what each was fed. Raises
    BadConfig for settings that the activation does not have.
    """
    if choice.cls is None:
        if config.calibrate == "unit" or config.per_channel or config.trainable == "activations":
            raise BadConfig(f"{choice.name} has no parameters to calibrate or train; choose a generated activation")
        return swap(model, choice.new, shared=config.shared), []
    if config.per_channel:
        if config.shared:
            raise BadConfig("one shape for all places cannot be one per channel; leave out --shared or --per-channel")
        swapped = swap_per_channel(model, choice.new, run)
    else:
        swapped = swap(model, choice.new, shared=config.shared)
    with torch.random.fork_rng():
        moments = calibrate(swapped, run, choice.starts(config)) if config.calibrate != "none" else []
    return swapped, moments


def _require_own_name(file: str, slugs: Mapping[str, str]) -> None:
    """Refuse another function under the name by which a saved model finds a class of `learnact.generated`."""
    cls: Any = load(file)
    slug = cls.spec.replace(":", "")
    shipped: Any = getattr(generated, slugs[slug]) if slug in slugs else cls
    if (shipped.spec, shipped.moments) != (cls.spec, cls.moments):
        raise BadConfig(f"{file} has the name of learnact.generated.{shipped.__name__}; emit it with another --name")


def _is_family(name: str) -> bool:
    from learnact import family_names  # noqa: PLC0415

    return name in family_names()
