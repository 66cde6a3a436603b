"""Gains of a function as text and JSON, and the page of gains: ours beside the constants in circulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from learnact.compiler.analyse.ask import gain
from learnact.compiler.analyse.gains import CONVENTIONS, MOMENTS, Gains
from learnact.compiler.declare.constants import evaluate
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.explain import formats
from learnact.compiler.resolve.classical import classical_names

LABELS = {
    "mean": "E[F]",
    "second": "E[F^2]",
    "variance": "Var F",
    "slope_second": "E[F'^2]",
    "q_slope": "E[x F F']/E[F^2]",
    "lipschitz": "sup |F'|",
}
USES = {
    "he": "variance of weights times fan_in (He et al. 2015)",
    "he_backward": "variance of weights times fan_out, for gradients",
    "calculate_gain": "gain= of torch.nn.init",
    "normalize2mom": "factor of e3nn's normalize2mom",
    "nfnet_gamma": "gamma of normalizer-free networks",
    "unit_scaling_forward": "factor on outputs in unit scaling",
    "unit_scaling_backward": "factor on gradients in unit scaling",
}


def plain(g: Gains) -> str:
    """Write gains as plain text."""
    lines = [f"{g.name}: F(x) = {g.formula}" if g.formula != g.name else f"F(x) = {g.formula}"]
    lines += [f"  law  x ~ {g.law}", ""]
    lines += [f"  {name:<22}{LABELS[name]:<18}{_shown(g, name)}" for name in MOMENTS]
    lines += [""]
    lines += [f"  {name:<22}{what:<18}{_shown(g, name)}\n{'':<26}{USES[name]}" for name, what in CONVENTIONS.items()]
    if g.checked:
        worst = max(g.checked, key=lambda name: g.checked[name])
        lines += [
            "",
            f"  checked by a second quadrature: off by {g.checked[worst]:.1g} of its size at most, {worst}",
        ]
    else:
        lines += ["", "  not checked by a second quadrature: doubles overflow under this law"]
    return "\n".join(lines) + "\n"


def data(g: Gains) -> dict[str, Any]:
    """Gains as JSON-ready data: every number with its closed form, or with 30 digits and its error."""
    return {
        "function": g.name,
        "formula": g.formula,
        "law": str(g.law),
        **{name: number(getattr(g, name)) for name in (*MOMENTS, *CONVENTIONS)},
        "missing": dict(g.missing),
        "checked": dict(g.checked),
    }


def number(q: Quantity | None) -> dict[str, Any] | None:
    """A quantity as data: value, digits, closed form or None, error."""
    if q is None:
        return None
    return {
        "value": float(q),
        "digits": str(q.number(30)),
        "exact": str(q.value) if q.exact else None,
        "error": q.error,
        "route": q.route,
    }


def reason(g: Gains, name: str) -> str:
    """Why the attribute `name` of gains is None."""
    if name in g.missing:
        return g.missing[name]
    both = name in {"variance", "nfnet_gamma", "unit_scaling_forward"}
    moments = ("slope_second",) if name.endswith("backward") else ("mean", "second") if both else ("second",)
    lacking = [m for m in moments if m in g.missing]
    return g.missing[lacking[0]] if lacking else f"{CONVENTIONS.get(name, name)} would divide by 0"


def _shown(g: Gains, name: str) -> str:
    q: Quantity | None = getattr(g, name)
    if q is None:
        return f"none: {reason(g, name)}"
    if q.exact:
        return formats.quantity(q)
    digits = 30 if q.error < 1e-20 * abs(float(q)) else 15
    return f"~ {q.number(digits)} +- {q.error:.1g}  (numeric)"


@dataclass(frozen=True)
class Table:
    """Constants in circulation: where they are used, which attribute of `Gains` they stand for, how they were found."""

    title: str
    convention: str
    origin: str
    constants: Mapping[str, float]


IN_CIRCULATION = (
    Table(
        "He et al. 2015",
        "he",
        "derived, exact",
        {"relu": 2.0, "leaky_relu": 2 / (1 + 0.01**2)},
    ),
    Table(
        "torch `calculate_gain`",
        "calculate_gain",
        "derived, exact",
        {"relu": 2**0.5, "leaky_relu": (2 / (1 + 0.01**2)) ** 0.5},
    ),
    Table("torch `calculate_gain`", "calculate_gain", "rule of thumb", {"tanh": 5 / 3, "selu": 0.75, "sigmoid": 1.0}),
    Table(
        "NFNet gamma (haiku, timm)",
        "nfnet_gamma",
        "sampled",
        {
            "elu": 1.2716004848480225,
            "gelu": 1.7015043497085571,
            "gelu_tanh": 1.7015043497085571,
            "leaky_relu": 1.70590341091156,
            "relu": 1.7139588594436646,
            "relu6": 1.7131484746932983,
            "selu": 1.0008515119552612,
            "sigmoid": 4.803835391998291,
            "silu": 1.7881293296813965,
            "softsign": 2.338853120803833,
            "softplus": 1.9203323125839233,
            "tanh": 1.5939117670059204,
        },
    ),
    Table(
        "unit-scaling forward",
        "unit_scaling_forward",
        "empirical model",
        {"gelu": 1.7668, "silu": 1.7668},
    ),
    Table("unit-scaling backward", "unit_scaling_backward", "empirical model", {"gelu": 1.5157, "silu": 1.6818}),
    Table("EDM2 `mp_silu`", "calculate_gain", "rounded to three digits", {"silu": 1 / 0.596}),
)


@cache
def of_classical() -> dict[str, Gains]:
    """The gains of every classical function under N(0, 1), by name."""
    return {name: gain(name) for name in classical_names()}


def page() -> str:
    """Write the page of gains: every classical function, and the constants in circulation beside ours."""
    found = of_classical()
    lines = [
        "# Gains",
        "",
        "Printed by `learnact-gen docs`, under x ~ N(0, 1). `learnact-gen gain FUNCTION` prints more, under any law by",
        "`--sigma 0.5` or `--law uniform`; FUNCTION may be a SPEC, an `--expr` or a family file. In Python",
        "`learnact.gain` takes modules and functions too: `gain(torch.nn.GELU())`.",
        "",
        "A **gain** is a factor on F, or on the standard deviation of weights; a **variance factor** is its square.",
        "Three conventions are in use, and differ wherever E[F] is not 0:",
        "",
        "- 1/E[F^2], a variance factor: weights of variance `he`/fan_in propagate the second moment (He et al. 2015).",
        "- 1/sqrt(E[F^2]), a gain: `gain=` of torch.nn.init, e3nn's `normalize2mom`.",
        "- 1/sqrt(Var F), a gain: gamma of normalizer-free networks, the forward scale of unit scaling.",
        "",
        "Backward, 1/E[F'^2] and 1/sqrt(E[F'^2]) take their places. Digits are rounded here; the command prints closed",
        "forms, or 30 digits with their error, and checks every moment by a second quadrature.",
        "",
        "| SPEC | 1/E[F^2] | 1/sqrt(E[F^2]) | 1/sqrt(Var F) | 1/E[F'^2] | 1/sqrt(E[F'^2]) | sup abs F' |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    columns = ("he", "calculate_gain", "nfnet_gamma", "he_backward", "unit_scaling_backward", "lipschitz")
    for name, g in found.items():
        lines.append(f"| `{name}` | " + " | ".join(_cell(getattr(g, c)) for c in columns) + " |")
    lines += [
        "",
        "## Constants in circulation",
        "",
        "| where | how it was found | function | in use | ours | off by |",
        "|---|---|---|---:|---:|---:|",
    ]
    for table in IN_CIRCULATION:
        for name, used in table.constants.items():
            ours = float(getattr(found[name], table.convention))
            off = used / ours - 1
            percent = "0" if abs(off) < 1e-9 else f"{100 * off:+.2g} %"
            lines.append(f"| {table.title} | {table.origin} | `{name}` | {used:.6g} | {ours:.6g} | {percent} |")
    lines += [
        "",
        "NFNet's GELU is JAX's, by tanh. e3nn's `normalize2mom` keeps no table: it samples 10^6 numbers at",
        "construction, which gives about three digits.",
        "",
        "## To paste",
        "",
        "```python",
        "import torch",
        "",
        "from learnact import gain",
        "",
        "weight = torch.empty(64, 64)",
        "",
        'gamma = float(gain("mish").nfnet_gamma)                  # timm, NFNet: gamma of ScaledStdConv2d',
        "factor = float(gain(torch.nn.SiLU()).normalize2mom)      # e3nn: x -> factor * silu(x)",
        'torch.nn.init.xavier_normal_(weight, gain=float(gain("gelu").calculate_gain))',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _cell(q: Quantity | None) -> str:
    return "none" if q is None else f"{float(evaluate(q.value)):.9g}"
