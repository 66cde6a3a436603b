"""Named settings: the two papers' recipes, and small ones for a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from learnact.training.config import TASKS, Config, Convnext, Gpt2
from learnact.training.errors import BadConfig

GPT2_TINY = Gpt2(
    preset="tiny",
    layers=4,
    width=128,
    heads=4,
    context=128,
    eval_windows=256,
    steps=1000,
    batch=16,
    micro_batch=16,
    lr=2e-3,
    lr_floor=0.1,
    warmup=50,
    beta2=0.99,
    weight_decay=0.1,
    clip=1.0,
    eval_every=100,
    watch_every=100,
    checkpoint_every=100,
)
"""Minutes on a CPU."""

GPT2_DEMO = replace(
    GPT2_TINY,
    preset="demo",
    width=96,
    steps=300,
    batch=8,
    micro_batch=8,
    lr_floor=0.0,
    warmup=20,
    eval_every=75,
    watch_every=75,
    checkpoint_every=150,
)
"""Half a minute on a CPU."""

GPT2_SMALL = Gpt2(
    preset="small",
    layers=12,
    width=768,
    heads=12,
    context=1024,
    eval_windows=2048,
    steps=600_000,
    batch=480,
    micro_batch=12,
    lr=6e-4,
    lr_floor=0.1,
    warmup=2000,
    beta2=0.95,
    weight_decay=0.1,
    clip=1.0,
    precision="bf16",
    compile=True,
    eval_every=1000,
    watch_every=1000,
    checkpoint_every=1000,
)
"""124M parameters; batch of 491,520 tokens, cosine from 6e-4 to 6e-5: nanoGPT's recipe for OpenWebText."""

PUBLISHED: dict[str, Any] = {
    "preset": "paper",
    "activation": "hermite:3",
    "start": "paper",
    "calibrate": "none",
    "lr_factor": 1.0,
}
"""The activation of the original experiments: Khalfaoui-Hassani & Kesselheim 2025; docs/paper.md compares them."""

GPT2_PAPER = replace(GPT2_SMALL, **PUBLISHED, bias=False, eval_windows=2400)
"""nanoGPT's recipe as they ran it."""

CONVNEXT_MICRO = Convnext(
    preset="micro",
    depths=(1, 1, 2, 1),
    widths=(16, 32, 64, 128),
    image_size=8,
    patch=1,
    drop_path=0.0,
    layer_scale=1e-6,
    rand_augment=0,
    erasing=0.0,
    mixup=0.0,
    cutmix=0.0,
    smoothing=0.1,
    resize="pad-crop",
    flip=False,
    steps=600,
    batch=64,
    micro_batch=64,
    lr=4e-3,
    lr_floor=0.0,
    warmup=50,
    beta2=0.999,
    weight_decay=0.05,
    clip=1.0,
    ema=0.99,
    eval_every=100,
    watch_every=100,
    checkpoint_every=100,
)
"""For 8x8 digits: a minute on a CPU."""

CONVNEXT_ATTO = Convnext(
    preset="atto",
    depths=(2, 2, 6, 2),
    widths=(40, 80, 160, 320),
    image_size=32,
    patch=2,
    drop_path=0.1,
    layer_scale=1e-6,
    rand_augment=9,
    erasing=0.25,
    mixup=0.8,
    cutmix=1.0,
    smoothing=0.1,
    resize="pad-crop",
    flip=True,
    steps=39_000,
    batch=256,
    micro_batch=128,
    lr=1e-3,
    lr_floor=0.0,
    warmup=3900,
    beta2=0.999,
    weight_decay=0.05,
    clip=0.0,
    ema=0.999,
    precision="bf16",
    eval_every=390,
    watch_every=390,
    checkpoint_every=390,
    workers=4,
)
"""3.4M parameters on 32x32 images: 200 epochs of CIFAR-10, a stride of 2 in the stem instead of 4."""

CONVNEXT_TINY = Convnext(
    preset="tiny",
    depths=(3, 3, 9, 3),
    widths=(96, 192, 384, 768),
    image_size=224,
    patch=4,
    drop_path=0.1,
    layer_scale=1e-6,
    rand_augment=9,
    erasing=0.25,
    mixup=0.8,
    cutmix=1.0,
    smoothing=0.1,
    resize="random-crop",
    flip=True,
    steps=93_600,
    batch=4096,
    micro_batch=128,
    lr=4e-3,
    lr_floor=2.5e-4,
    warmup=6240,
    beta2=0.999,
    weight_decay=0.05,
    clip=0.0,
    ema=0.9999,
    precision="bf16",
    compile=True,
    eval_every=1560,
    watch_every=1560,
    checkpoint_every=1560,
    workers=12,
)
"""28.6M parameters; 300 epochs of ImageNet-1k, warm-up of 20: Liu et al. 2022, table 5."""

CONVNEXT_PAPER = replace(CONVNEXT_TINY, **PUBLISHED, precision="fp32")
"""Liu et al.'s recipe as they ran it."""

PRESETS: Mapping[str, Mapping[str, Config]] = {
    "gpt2": {"demo": GPT2_DEMO, "tiny": GPT2_TINY, "small": GPT2_SMALL, "paper": GPT2_PAPER},
    "convnext": {"micro": CONVNEXT_MICRO, "atto": CONVNEXT_ATTO, "tiny": CONVNEXT_TINY, "paper": CONVNEXT_PAPER},
}


def configure(task: str, preset: str, changes: Mapping[str, Any]) -> Config:
    """A preset with some fields changed; None leaves a field as it is, and another activation has its own first start.

    With fewer steps than the preset's, warm-up and intervals that are not given shrink in proportion, so that a short
    trial is a short version of the whole recipe. Raises BadConfig for unknown presets, fields and values.
    """
    known = PRESETS[task]
    if preset not in known:
        raise BadConfig(f"{task} has no preset {preset!r}; choose one of {', '.join(known)}")
    base = known[preset]
    given = {name: value for name, value in changes.items() if value is not None}
    if unknown := given.keys() - {f.name for f in fields(TASKS[task])}:
        raise BadConfig(f"{task} has no setting {', '.join(sorted(unknown))}")
    if given.get("activation", base.activation) != base.activation:
        given.setdefault("start", "")
    share = given.get("steps", base.steps) / base.steps
    if share < 1:
        for name in ("warmup", "eval_every", "watch_every", "checkpoint_every"):
            given.setdefault(name, max(1, round(getattr(base, name) * share)))
    if "batch" in given and "micro_batch" not in given:
        given["micro_batch"] = min(base.micro_batch, given["batch"])
    return replace(base, **given)
