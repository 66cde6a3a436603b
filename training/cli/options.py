"""What the training commands share: one option per setting, each changing the preset's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from learnact.training.config import CALIBRATIONS, GATED, TRACKERS

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDER = click.Path(file_okay=False)

ACTIVATION = (
    click.option(
        "--activation",
        "-a",
        metavar="NAME",
        help="gelu, relu2, swiglu …; a SPEC: hermite:5[@START]; expr:NAME=EXPR;a=1.",
    ),
    click.option("--start", metavar="NAME", help="Of the activation: balanced, raw, gelu …; curved,curvature=2."),
    click.option(
        "--calibrate",
        type=click.Choice(CALIBRATIONS),
        help="unit, preserve (default): the start for each measured input sigma, E[F^2] = 1 or sigma^2; "
        "weights: rescale the layer before to sigma = 1.",
    ),
    click.option("--shared/--no-shared", default=None, help="One activation for all places."),
    click.option("--per-channel/--no-per-channel", default=None, help="One shape per channel."),
    click.option("--gated/--no-gated", default=None, help="Blocks of GPT-2 compute F(u) v: SwiGLU for silu."),
    click.option("--lr-factor", type=float, help="Learning rate of activation parameters over the others' (5)."),
)
TRAINED = (
    click.option(
        "--trainable", type=click.Choice(["all", "weights"]), help="weights: all but the activations' parameters."
    ),
)
LENGTH = (
    click.option("--steps", type=int, help="Optimizer updates; fewer than the preset's shrink warm-up alike."),
    click.option("--batch", type=int, help="Samples per update, over all processes."),
    click.option("--micro-batch", type=int, help="Samples per forward pass; --batch is a multiple of it."),
    click.option("--lr", type=float, help="Peak learning rate."),
    click.option("--lr-floor", type=float, help="Share of the peak that the cosine ends at."),
    click.option("--warmup", type=int, help="Steps of linear rise."),
    click.option("--beta1", type=float, help="Of AdamW."),
    click.option("--beta2", type=float, help="Of AdamW."),
    click.option("--eps", type=float, help="Of AdamW."),
    click.option("--weight-decay", type=float, help="On matrices; never on activation parameters."),
    click.option("--clip", type=float, help="Gradient norm to clip to; 0: none."),
    click.option("--ema", type=float, help="Decay of averaged weights; 0: none."),
    click.option("--init-std", type=float, help="Standard deviation of the first weights."),
    click.option("--seed", type=int, help="Of first weights, data order and all other chance."),
)
MACHINE = (
    click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="bf16: autocast."),
    click.option("--compile/--no-compile", default=None, help="torch.compile."),
    click.option("--shard/--no-shard", default=None, help="FSDP2 instead of DDP on several processes."),
    click.option("--workers", type=int, help="Processes that load data."),
    click.option("--cpu", is_flag=True, help="Leave accelerators alone."),
)
RECORDS = (
    click.option("--eval-every", type=int, help="Steps."),
    click.option("--watch-every", type=int, help="Steps between looks at every activation."),
    click.option("--checkpoint-every", type=int, help="Steps."),
    click.option("--keep", type=int, help="Checkpoints."),
    click.option(
        "--tracker",
        "trackers",
        type=click.Choice(TRACKERS),
        multiple=True,
        callback=lambda _, __, names: tuple(dict.fromkeys(names)) or None,
        help="Beside metrics.jsonl; repeat.",
    ),
    click.option("--out", required=True, type=_FOLDER, help="Run folder; an interrupted run in it goes on."),
)


class Sizes(click.ParamType):
    """Whole numbers with commas between them: `3,3,9,3`."""

    name = "sizes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers; write 3,3,9,3", param, ctx)


def options(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Give a command these groups of options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def split_activation(changes: dict[str, Any]) -> dict[str, Any]:
    """Take `SPEC@START` apart, and `swiglu` for a gated silu. Raises UsageError where something is said twice."""
    name = changes.get("activation")
    if name and (function := GATED.get(name.partition("@")[0])):
        if changes.get("gated") is False:
            raise click.UsageError(f"{name} is gated, found --no-gated; write {function}")
        _, at, start = name.partition("@")
        return split_activation({**changes, "activation": f"{function}{at}{start}", "gated": True})
    if name and "@" in name:
        spec, _, start = name.partition("@")
        if not spec or not start:
            raise click.UsageError(
                f"{name!r} is not SPEC@START; hermite:5@gelu is one, hermite:5 takes the default start"
            )
        if changes.get("start") not in {None, start}:
            raise click.UsageError(f"{name} and --start {changes['start']} name two starts; give one")
        return {**changes, "activation": spec, "start": start}
    return changes
