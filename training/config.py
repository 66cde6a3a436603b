"""Everything that decides a run, in one frozen record that is dumped beside its results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from learnact.training.errors import BadConfig

TRACKERS = ("tensorboard", "wandb", "mlflow")
"""What accelerate's trackers of these names write to."""

CALIBRATIONS = ("none", "unit", "preserve", "weights")
"""none: the declared start. unit: that of the measured sigma, E[F^2] = 1. preserve: the same, E[F^2] = sigma^2.
weights: the layer before each activation is rescaled to sigma = 1, for which the start is exact."""

TRAINABLE = ("all", "activations", "weights")
"""What learns: everything; the parameters of activations alone; everything but these."""

GATED: Mapping[str, str] = {"swiglu": "silu", "geglu": "gelu", "reglu": "relu"}
"""Published names of gated blocks (Shazeer 2020) -> the F in them."""

EVALUATION = "windows over all of the held-out text, test apart"
"""How validation and test are drawn; a run under another way, or from before there was a test, is another run."""

FOR_GENERATED = ("calibrate", "per_channel", "shared", "lr_factor", "trainable")
"""Settings that an activation without parameters has no use for, except that weights can be calibrated to it."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What both experiments share. Steps count optimizer updates, batches count samples over all processes.

    Raises BadConfig for settings out of range.
    """

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"checkpoint_every", "keep", "workers", "trackers"})
    """Fields that cannot change a loss: a run may go on with others."""

    preset: str
    activation: str = "gelu"  # a name of transformers' ACT2FN, or a SPEC
    start: str = ""  # of a generated activation; empty: the first that its file lists
    calibrate: str = "preserve"  # to each place's measured input sigma; of no meaning to a classical activation
    shared: bool = False  # one activation for all places
    per_channel: bool = False  # one shape per channel
    gated: bool = False  # blocks compute F(u) v, at 2/3 of the hidden width
    steps: int
    batch: int
    micro_batch: int  # samples in one forward pass; what is random is random per micro-batch
    lr: float  # peak
    lr_floor: float  # share of the peak that the cosine ends at
    warmup: int  # steps of linear rise
    beta1: float = 0.9
    beta2: float
    eps: float = 1e-8  # of AdamW
    weight_decay: float
    lr_factor: float = 5.0  # learning rate of activation parameters over that of the others
    clip: float  # gradient norm; 0: none
    ema: float = 0.0  # decay of the averaged weights that are evaluated; 0: none
    trainable: str = "all"  # of TRAINABLE
    initial: str = ""  # run folder whose trained weights are the first ones
    init_std: float = 0.02  # of the normal first weights
    precision: str = "fp32"  # or "bf16" autocast
    compile: bool = False
    shard: bool = False  # FSDP2 instead of DDP
    seed: int = 0
    eval_every: int
    watch_every: int
    checkpoint_every: int
    keep: int = 2  # checkpoints
    workers: int = 0  # processes that load data
    trackers: tuple[str, ...] = ()  # beside metrics.jsonl
    evaluation: str = EVALUATION

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, float):
                _require(math.isfinite(value), f"{name} must be a finite number, found {value}")
        self.require(0, math.inf, "[)", "warmup", "weight_decay", "clip", "workers", "lr_factor")
        self.require(0, 1, "[]", "lr_floor")
        self.require(0, 1, "[)", "beta1", "beta2", "ema")
        positive = ("steps", "batch", "micro_batch", "eval_every", "watch_every", "checkpoint_every", "keep", "lr")
        self.require(0, math.inf, "()", "eps", "init_std")
        self.require(0, math.inf, "()", *positive)
        _require(
            self.batch % self.micro_batch == 0, f"batch {self.batch} is no multiple of micro_batch {self.micro_batch}"
        )
        _require(self.trainable in TRAINABLE, f"trainable is {', '.join(TRAINABLE)}, found {self.trainable}")
        _require(self.calibrate in CALIBRATIONS, f"calibrate is {', '.join(CALIBRATIONS)}, found {self.calibrate}")
        for name in self.trackers:
            _require(name in TRACKERS, f"trackers are {', '.join(TRACKERS)}, found {name}")
        _require(self.evaluation == EVALUATION, f"this version evaluates by {EVALUATION}, found {self.evaluation}")
        _require(self.precision in {"fp32", "bf16"}, f"precision is fp32 or bf16, found {self.precision}")

    def require(self, low: float, high: float, ends: str, *names: str) -> None:
        """Raise BadConfig for a field outside of the interval, whose ends are in "[" or out "("."""
        for name in names:
            value = getattr(self, name)
            above = value >= low if ends[0] == "[" else value > low
            below = value <= high if ends[1] == "]" else value < high
            interval = f"{ends[0]}{low}, {high}{ends[1]}"
            _require(above and below, f"{name} must lie in {interval}, found {value}")

    @property
    def micro_batches(self) -> int:
        """Forward passes per step, over all processes."""
        return self.batch // self.micro_batch

    def identity(self) -> dict[str, Any]:
        """The fields that can change a loss."""
        return {name: value for name, value in asdict(self).items() if name not in self.OPERATIONAL}


@dataclass(frozen=True, kw_only=True)
class Gpt2(Config):
    """GPT-2 language modelling. Raises BadConfig as `Config` does."""

    layers: int
    width: int
    heads: int
    context: int  # tokens a window
    dropout: float = 0.0
    bias: bool = True  # False: none in linear layers and layer norms
    eval_windows: int  # of the validation text and of the test text, at most, spread over all of it

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0, math.inf, "()", "layers", "width", "heads", "context", "eval_windows")
        self.require(0, 1, "[)", "dropout")
        _require(self.width % self.heads == 0, f"width {self.width} is no multiple of heads {self.heads}")


@dataclass(frozen=True, kw_only=True)
class Convnext(Config):
    """ConvNeXt image classification. Raises BadConfig as `Config` does."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    image_size: int
    patch: int  # stride of the stem
    drop_path: float  # rate of the last block; the others rise to it linearly
    layer_scale: float
    rand_augment: int  # magnitude of two random operations; 0: none
    erasing: float  # probability
    mixup: float  # alpha; 0: none
    cutmix: float
    smoothing: float
    resize: str  # "random-crop" (ImageNet) or "pad-crop" (small images)
    flip: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0, math.inf, "()", "image_size", "patch")
        self.require(0, math.inf, "[)", "mixup", "cutmix", "layer_scale")
        self.require(0, 1, "[)", "drop_path", "smoothing")
        self.require(0, 1, "[]", "erasing")
        for name in ("depths", "widths"):
            sizes = getattr(self, name)
            _require(bool(sizes) and min(sizes) > 0, f"{name} are whole numbers above 0, found {sizes}")
        _require(
            len(self.depths) == len(self.widths),
            f"depths and widths are one for each stage, found {len(self.depths)} and {len(self.widths)}",
        )
        self.require(0, 10, "[]", "rand_augment")
        _require(
            self.image_size // self.patch >= 2 ** (len(self.depths) - 1),
            f"images of {self.image_size} with patch {self.patch} vanish in {len(self.depths)} stages of stride 2",
        )
        _require(not self.gated, "gated blocks are for gpt2, whose MLPs they replace; convnext has none, leave it out")


TASKS: Mapping[str, type[Config]] = {"gpt2": Gpt2, "convnext": Convnext}


def to_json(config: Config) -> dict[str, Any]:
    """The record that `from_json` reads."""
    task = next(name for name, kind in TASKS.items() if isinstance(config, kind))
    return {"task": task, **asdict(config)}


def from_json(record: Mapping[str, Any]) -> Config:
    """Rebuild a dumped configuration. Raises BadConfig where the record has other fields."""
    values = dict(record)
    kind: Any = TASKS.get(values.pop("task", ""))
    if kind is None:
        raise BadConfig(f"a configuration names one of the tasks {', '.join(TASKS)}, found {record.get('task')!r}")
    known = {f.name for f in fields(kind)}
    if values.keys() != known:
        odd = ", ".join(sorted(values.keys() ^ known))
        raise BadConfig(f"the configuration was written by another version: {odd} differ")
    config: Config = kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
    return config


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name, old and new value of every field that differs, as text."""
    plain_old, plain_new = (json.loads(json.dumps(dict(record))) for record in (old, new))
    names = sorted(plain_old.keys() | plain_new.keys())
    return [
        f"{name}: {plain_old.get(name)!r} there, {plain_new.get(name)!r} asked"
        for name in names
        if plain_old.get(name) != plain_new.get(name)
    ]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise BadConfig(message)
