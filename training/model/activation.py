"""From the name of an activation to what builds it, fits its start and identifies its file."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sympy as sp
import torch
from torch import nn
from transformers.activations import ACT2FN

from learnact import Declaration, classical_names, generated, is_family, load, spec_of_slug
from learnact import start as solve_start
from learnact.errors import UnknownName
from learnact.training.config import GATED, Config
from learnact.training.errors import BadConfig
from learnact.training.model import act2fn
from learnact.training.model.calibrate import InputMoments, Starts, assign, calibrate
from learnact.training.model.channels import swap_per_channel
from learnact.training.model.expression import compiled, is_expression, require_verified
from learnact.training.model.factory import class_of
from learnact.training.model.learnable import is_learnable
from learnact.training.model.swap import Swapped, Swapping, swap
from learnact.training.model.weights import normalize_inputs


@dataclass(frozen=True)
class Choice:
    """One activation to train with: one of transformers', or a class of ours and the name of its start."""

    name: str  # what transformers' ACT2FN knows it by
    cls: Any  # an emitted class; None: of transformers
    start: str = ""
    target: str | Declaration = ""  # what the compiler finds its declaration by: a SPEC, of a user's own file too
    own: Mapping[str, Sequence[float]] | None = None  # values of a start that the class does not hold: with conditions
    frozen: bool = False  # its parameters do not learn: a classical function with its scales

    @property
    def label(self) -> str:
        """What tables and curves call it."""
        if self.cls is None:
            return self.name
        if not self.learnable:
            return str(self.cls.spec)
        return f"{self.cls.spec.removeprefix(SCALED) if self.frozen else self.cls.spec}@{self.start}"

    @property
    def learnable(self) -> bool:
        """Whether it has parameters, frozen or not."""
        return self.cls is not None and is_learnable(self.cls)

    @property
    def file(self) -> Path | None:
        """The generated source."""
        return None if self.cls is None else Path(inspect.getfile(self.cls))

    @property
    def digest(self) -> str:
        """SHA-256 of the generated file; empty for a classical activation."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file else ""

    def starts(self, config: Config) -> Starts:
        """sigma, beside a gate the factor of F too -> values of the start. Raises BadConfig without parameters."""
        if not self.learnable:
            raise BadConfig(f"{self.label} has no parameters to calibrate; choose a generated activation")
        preserve = config.calibrate != "unit"

        def solve(sigma: sp.Rational, factor: sp.Rational = sp.S.One) -> Mapping[str, Sequence[float]]:
            own = {"factor": factor} if preserve else {}  # calibrated to 1, F keeps its own scale beside a gate
            return solve_start(self.target, self.start, sigma=sigma, preserve=preserve, **own)

        return solve

    def new(self, **keywords: object) -> nn.Module:
        """A fresh module."""
        if self.cls is None:
            return ACT2FN[self.name]
        if not self.learnable:
            return self.cls()
        if self.own is None:
            return self.cls(init=self.start, **keywords)
        module = self.cls(**keywords)
        assign(module, self.own)
        return module


SCALED = "scaled_"
"""`scaled_gelu` is the family scale gelu(stretch x) + offset."""


def is_plain(name: str, start: str = "") -> bool:
    """Whether it is a function of transformers, `gelu` or `prelu`, or a classical one of ours, without a start."""
    own = name in ACT2FN and not name.startswith(act2fn.PREFIXES)
    return not start and (own or name in classical_names())


def choose(name: str, start: str = "") -> Choice:
    """Find `gelu`, `relu` … of transformers, `hermite5` of the generated files, or compile a SPEC now.

    `name` may also be the path of an emitted file, `act/soft_hinge.py`, whose header tells its declaration, or an
    expression, `expr:dyt=a*tanh(b*x);a=1;b=1`, which is compiled and verified now. A classical function with a start,
    `gelu` with `balanced`, is scale gelu(stretch x) + offset with fixed numbers. `start` may hold conditions:
    `curved,curvature=2`.

    Raises UnknownName for an unknown activation or start, BadConfig for a start of a classical activation and for an
    expression under a name that is taken, and what the compiler raises for a SPEC, a file or an expression.
    """
    if is_expression(name):
        declaration, cls = compiled(name)
        _require_free(str(cls.spec))
        choice = _started(cls, name, start, declaration)
        require_verified(name)
        return choice
    if name in ACT2FN and is_plain(name, start):
        return Choice(name, None)
    if name in classical_names() and start:
        return replace(choose(f"{SCALED}{name}", start), frozen=True)
    if start and name in ACT2FN and not name.startswith(act2fn.PREFIXES):
        raise BadConfig(f"{name} has no starts, found {start}; those that have: {', '.join(classical_names())}")
    slugs = {slug: cls for cls, slug in generated.MODULES.items()}
    if name.endswith(".py"):
        _require_own_name(name, slugs)
    if name.isidentifier() and name not in slugs and not is_family(name):
        raise UnknownName("activation", name, {*slugs, *ACT2FN, *classical_names()})
    cls = class_of(name)
    ready = cls.__module__.startswith(f"{generated.__name__}.")
    return _started(cls, name, start, cls.spec if ready else name)


def _started(cls: Any, name: str, start: str, target: str | Declaration) -> Choice:
    start = start or cls.starts[0]
    if start in cls.starts:
        return Choice(act2fn.register(cls, start), cls, start, target)
    if "," not in start or not is_learnable(cls):
        raise UnknownName(f"start of {name}", start, cls.starts)
    return Choice(act2fn.register(cls), cls, start, target, own=solve_start(target, start))


def install(
    model: nn.Module, choice: Choice, config: Config, run: Callable[[], object]
) -> tuple[list[Swapped], list[InputMoments]]:
    """Put the chosen activation into every place of `model`, calibrated if so configured.

    `run` sends one batch through the model. Returns the places and, if calibrated, what each was fed. Raises
    BadConfig for settings that the activation does not have.
    """
    if not choice.learnable:
        if config.calibrate == "unit" or config.per_channel or config.trainable != "all":
            raise BadConfig(f"{choice.label} has no parameters to calibrate or train; choose a generated activation")
        swapped = swap(model, choice.new, shared=config.shared)
        return swapped, _normalized(swapped, run) if config.calibrate == "weights" else []
    if config.per_channel:
        if config.shared:
            raise BadConfig("one shape for all places cannot be one per channel; leave out --shared or --per-channel")
        swapped = swap_per_channel(model, choice.new, run)
    else:
        swapped = swap(model, choice.new, shared=config.shared)
    if choice.frozen or config.trainable == "weights":
        for place in swapped:
            place.new.requires_grad_(False)
    if config.calibrate == "weights":
        moments = _normalized(swapped, run)
        start = choice.starts(config)(sp.S.One)
        for module in {place.new for place in swapped}:
            assign(module, start)
        return swapped, moments
    with torch.random.fork_rng():
        moments = calibrate(swapped, run, choice.starts(config)) if config.calibrate != "none" else []
    return swapped, moments


def _normalized(swapped: Swapping, run: Callable[[], object]) -> list[InputMoments]:
    with torch.random.fork_rng():
        return normalize_inputs(swapped, run)


def _require_own_name(file: str, slugs: Mapping[str, str]) -> None:
    """Refuse another function under the name by which a saved model finds a class of `learnact.generated`.

    With further starts, those with conditions, it is the same function: a saved model brings its parameters.
    """
    cls: Any = load(file)
    slug = cls.spec.replace(":", "")
    shipped: Any = getattr(generated, slugs[slug]) if slug in slugs else cls
    known = {start: moments for start, moments in cls.moments.items() if start in shipped.moments}
    if (shipped.spec, shipped.moments) != (cls.spec, known):
        raise BadConfig(f"{file} has the name of learnact.generated.{shipped.__name__}; emit it with another --name")


def _require_free(slug: str) -> None:
    """Refuse an expression under a name that another activation has, in a saved model or on the command line."""
    plain = re.sub(r"\d+$", "", slug)
    taken = {slug, plain} & {*generated.MODULES.values(), *GATED} or slug in ACT2FN or spec_of_slug(slug) != slug
    if taken or is_family(slug) or is_family(plain):
        raise BadConfig(f"the name {slug} is taken by another activation; write expr:NAME=… with a name of its own")
