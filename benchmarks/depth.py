"""Does length survive depth? Fifty layers of width 512 without normalization, activations and gradients layer by layer.

    python -m benchmarks.depth                                  # ours, GELU and ReLU
    PYTHONPATH=peer python -m benchmarks.depth                  # and torchortho's own starts, see benchmarks/peers.py

z_l = W_l a_{l-1}, a_l = gain F(z_l), entries of W_l from N(0, 1/width), a_0 from N(0, 1), no bias. Going back, the loss
is sum(r * a_50) with r from N(0, 1). Reported per layer: the mean of a_l^2 and the mean of (dL/dz_l)^2 over batch and
width. One seed draws the same weights and inputs for every activation. Exit status 1 if a balanced start leaves BAND.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.tables import provenance, save, table
from learnact import generated

LAYERS, WIDTH, BATCH = 50, 512, 256
BAND = (0.5, 2.0)  # what every layer of a network with balanced activations should stay in
SEEDS = 5
DTYPES = (torch.float32, torch.float64)
OURS = (
    "Hermite3 Hermite5 Hermite8 Chebyshev5 Legendre5 Fourier3 Fourier6 FourierFree6 Tropical3 Tropical6 "
    "TropicalRational6 Sinusoid"
).split()
PLOTTED = ["Hermite3", "Hermite5", "Hermite8", "Fourier6", "Tropical6"]
PLOTTED += [f"torchortho {name}" for name in ("Hermite 3", "Hermite 5", "Hermite 8", "Fourier 6", "Tropical 6")]
PLOTTED += ["GELU, gain 1", "ReLU, He gain"]

GELU_GAIN = 1 / math.sqrt(0.42521514)  # E[GELU(x)^2] under N(0, 1)
RELU_GAIN = math.sqrt(2)  # He et al. 2015


@dataclass(frozen=True)
class Net:
    """What stands in the place of F, and its gain (which the weights may carry as well)."""

    name: str
    make: Callable[[], nn.Module]
    gain: float = 1.0
    balanced: bool = False  # ours at its balanced start: the claim is about these


@dataclass(frozen=True)
class Run:
    """One network with one seed: second moments per layer, first layer first."""

    name: str
    dtype: str
    seed: int
    activations: list[float]
    gradients: list[float]

    def inside(self, band: tuple[float, float] = BAND) -> bool:
        """Whether all layers stay in the band, forward and backward (a NaN does not)."""
        return all(band[0] <= v <= band[1] for v in (*self.activations, *self.gradients))


def nets() -> list[Net]:
    """Ours, the reference functions, and the peer's where it is installed."""
    found = [Net(name, getattr(generated, name), balanced=True) for name in OURS]
    found += [Net("GELU, gain 1", nn.GELU), Net("GELU, own gain", nn.GELU, GELU_GAIN)]
    found += [Net("ReLU, He gain", nn.ReLU, RELU_GAIN)]
    for family, degree in [("Hermite", 3), ("Hermite", 5), ("Hermite", 8), ("Fourier", 6), ("Tropical", 6)]:
        if peers.installed("torchortho"):
            found.append(Net(f"torchortho {family} {degree}", functools.partial(peers.torchortho, family, degree)))
    return found


def run(net: Net, seed: int, dtype: torch.dtype, layers: int = LAYERS, width: int = WIDTH, batch: int = BATCH) -> Run:
    """Forward and backward once, layer by layer."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(dtype)

    activation = net.make().to(dtype)

    def function(z: Tensor) -> Tensor:
        return net.gain * activation(z)

    a, inputs, activations = normal(batch, width), [], []
    weights = [normal(width, width) / math.sqrt(width) for _ in range(layers)]
    with torch.no_grad():
        for weight in weights:
            inputs.append(a @ weight.T)
            a = function(inputs[-1])
            activations.append(second_moment(a))
    gradient, gradients = normal(batch, width), []
    for weight, z in zip(reversed(weights), reversed(inputs), strict=True):
        z.requires_grad_()
        (back,) = torch.autograd.grad(function(z), z, gradient)
        gradients.append(second_moment(back))
        gradient = back @ weight
    return Run(net.name, name_of(dtype), seed, activations, gradients[::-1])


def second_moment(t: Tensor) -> float:
    """Mean of the squares, in float64."""
    return t.double().square().mean().item()


def summary(name: str, runs: list[Run]) -> list[str]:
    """One row: the value that has come through all layers (median), extremes, and how many seeds stay in the band."""
    cells = [name]
    for kind, end in (("activations", -1), ("gradients", 0)):
        series = [[math.inf if math.isnan(v) else v for v in getattr(r, kind)] for r in runs]
        every = [v for one in series for v in one]
        cells += [f"{statistics.median(one[end] for one in series):.3g}", f"{min(every):.3g} to {max(every):.3g}"]
    for dtype in DTYPES:
        these = [r for r in runs if r.dtype == name_of(dtype)]
        cells.append(f"{sum(r.inside() for r in these)} of {len(these)}")
    return [*cells, first_outside(runs)]


def name_of(dtype: torch.dtype) -> str:
    """torch.float32 -> float32."""
    return str(dtype).removeprefix("torch.")


def first_outside(runs: list[Run]) -> str:
    """Where activations first leave the band, by seed: the earliest and the latest such layer."""
    firsts = [next((i for i, v in enumerate(r.activations, 1) if not BAND[0] <= v <= BAND[1]), None) for r in runs]
    out = [f for f in firsts if f is not None]
    return f"{min(out)} to {max(out)}" if out else "never"


HEAD = ["F", "a² at layer 50", "a², all layers and seeds", "g² at layer 1", "g², all layers and seeds",
        "in the band, fp32", "fp64", "a² leaves it at layer"]  # fmt: skip


def plot(runs: list[Run], path: Path) -> None:
    """Median over seeds as a line, all seeds as a shade, in float64."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(13, 5.2), sharey=True, layout="constrained")
    names = [n for n in PLOTTED if any(r.name == n for r in runs)]
    for axis, kind in zip(axes, ("activations", "gradients"), strict=True):
        for i, name in enumerate(names):
            chosen = [getattr(r, kind) for r in runs if r.name == name and r.dtype == "float64"]
            layers = range(1, len(chosen[0]) + 1)
            style = "-" if name in OURS else "--" if name.startswith("torchortho") else ":"
            columns = [sorted(math.inf if math.isnan(v) else v for v in column) for column in zip(*chosen, strict=True)]
            axis.plot(layers, [statistics.median(c) for c in columns], style, color=f"C{i % 10}", label=name, lw=1.6)
            axis.fill_between(layers, [c[0] for c in columns], [c[-1] for c in columns], color=f"C{i % 10}", alpha=0.1)
        axis.axhspan(*BAND, color="0.9", zorder=0)
        axis.set(yscale="log", ylim=(1e-3, 1e3), xlabel="layer", title=f"mean square of {kind}")
    axes[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle(f"{LAYERS} layers, width {WIDTH}, no normalization, weights N(0, 1/fan_in), float64")
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run all networks; 0 if every balanced start stays in the band with every seed."""
    parser = argparse.ArgumentParser(description="Second moments through 50 layers without normalization.")
    parser.add_argument("--only", help="names as in the table, separated by ;")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, help="folder for depth.json, depth.md and depth.png (default: none)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs, rows, left = [], [], []
    for net in nets():
        if options.only and net.name not in options.only.split(";"):
            continue
        these = [run(net, seed, dtype) for dtype in DTYPES for seed in range(options.seeds)]
        rows.append(summary(net.name, these))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
        runs += these
        left += [f"{r.name} {r.dtype} seed {r.seed}" for r in these if net.balanced and not r.inside()]
    text = table(HEAD, rows) + "\n\nLeft the band: " + (", ".join(left) or "none of the balanced starts")
    print(text)
    if options.out:
        write(options.out, runs, text)
    return 1 if left else 0


def write(folder: Path, runs: list[Run], text: str) -> None:
    """Page, numbers and picture."""
    about = {"layers": LAYERS, "width": WIDTH, "batch": BATCH, "band": BAND}
    rows = [{**vars(r), "activations": rounded(r.activations), "gradients": rounded(r.gradients)} for r in runs]
    save(folder / "depth.json", {**provenance(extra=["torchortho"]), **about, "rows": rows})
    (folder / "depth.md").write_text(f"# Fifty layers without normalization\n\n{INTRODUCTION}\n\n{text}\n")
    plot(runs, folder / "depth.png")


def rounded(values: list[float]) -> list[float | None]:
    """Four digits; JSON has no NaN and no infinity."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in values]


INTRODUCTION = f"""\
Written by `python -m benchmarks.depth --out benchmarks/results`. z = W a, a = gain F(z), {LAYERS} layers of width
{WIDTH}, batch {BATCH} from N(0, 1), weights from N(0, 1/fan_in), gain 1 unless named. a²: mean square of a layer's
activations; g²: mean square of the gradient with respect to a layer's z, the loss's own gradient being N(0, 1).
The band is {BAND[0]} to {BAND[1]} at every layer, forward and backward. Picture: depth.png."""


if __name__ == "__main__":
    sys.exit(main())
