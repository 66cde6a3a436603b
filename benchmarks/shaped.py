"""Does a third condition help a deep net without normalization and skips? Maps against theory, then a short training.

    python -m benchmarks.shaped --out benchmarks/results            # some ten minutes of one core
    python -m benchmarks.shaped --depths 50 --steps 12 --out benchmarks/results             # twenty seconds
    python -m benchmarks.shaped --kind conv --out benchmarks/results                        # a convolutional net

At the start, of MLPs: pairs of inputs at right angles, their mean square, the gradient's and their correlation by
depth, beside what `learnact.maps` says of wide nets. Then scikit-learn's digits by Adam: the rate of each net is the
one of RATES with the lowest final loss on a seed of its own; SEEDS are for the table alone. tau = 0.3 for the whole
net: C''(1) = tau/depth.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from functools import partial
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.plain import KINDS, Net, size
from benchmarks.tables import provenance, save, table
from learnact import Declaration, load, maps

TAU = 0.3
BATCH = 128
STEPS = {50: 150, 200: 100}
"""Depth -> steps of training."""
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
TUNED_ON, SEEDS = 100, (0, 1, 2)
LAST = 20
"""Steps whose mean loss is the final loss; of a shorter run all."""
PROBED_WIDTH, PAIRS, LAYERS = 512, 32, (1, 10, 50, 200)
HELD_OUT = 360


def nets(depth: int) -> list[Net]:
    """Those compared, for nets of so many layers."""

    def ours(spec: str, start: str | None) -> Net:
        cls = load(Declaration(spec=spec, start=start))
        return Net(f"{spec} {(start or 'balanced').partition(',')[0]}", cls, (spec, start))

    shaped = f"shaped,depth={depth},tau={TAU}"
    return [
        ours("hermite:3", None),
        ours("hermite:3", shaped),
        ours("scaled_tanh", shaped),
        Net("ReLU, He gain", nn.ReLU, ("relu", None), math.sqrt(2)),
        Net("SELU", nn.SELU, ("selu", None)),
    ]


def probe(net: Net, seed: int, layers: int) -> list[tuple[float, float, float]]:
    """Per layer: mean square of a, of dL/dz (relative to the last layer's), and mean correlation of the pairs."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    activation = net.make().double()
    first, second = normal(PAIRS, PROBED_WIDTH), normal(PAIRS, PROBED_WIDTH)
    first = first / first.square().mean(1, keepdim=True).sqrt()
    second = second - (second * first).mean(1, keepdim=True) * first
    a = torch.cat([first, second / second.square().mean(1, keepdim=True).sqrt()])
    weights = [normal(PROBED_WIDTH, PROBED_WIDTH) / math.sqrt(PROBED_WIDTH) for _ in range(layers)]
    kept, found = [], []
    for weight in weights:
        z = (a @ weight.T).requires_grad_()
        out = net.gain * activation(z)
        kept.append((z, out, weight))
        a = out.detach()
        u, v = a[:PAIRS], a[PAIRS:]
        found.append(
            (
                a.square().mean().item(),
                float(((u * v).mean(1) / (u.square().mean(1) * v.square().mean(1)).sqrt()).mean()),
            )
        )
    gradient, squares = normal(*a.shape), []
    for z, out, weight in reversed(kept):
        (back,) = torch.autograd.grad(out, z, gradient)
        squares.append(back.square().mean().item())
        gradient = back @ weight
    return [(length, g, c) for (length, c), g in zip(found, reversed(squares), strict=True)]


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images whose mean square is 1, and labels: to train on, then held out."""
    data = load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    x = x - x.mean()
    x = x / x.square().mean(1, keepdim=True).sqrt()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(7))
    train, test = order[HELD_OUT:], order[:HELD_OUT]
    return x[train], y[train], x[test], y[test]


def train(net: Net, kind: str, depth: int, rate: float, seed: int, steps: int) -> tuple[float, float]:
    """(mean loss of the last steps, accuracy on what is held out); (inf, 0) where the loss is no number."""
    torch.manual_seed(seed)
    x, y, held, answers = digits()
    model = KINDS[kind](net, depth)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,))
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        if not math.isfinite(loss.item()):
            return math.inf, 0.0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        accuracy = (model(held).argmax(1) == answers).float().mean().item()
    return statistics.mean(losses[-LAST:]), accuracy


def propagation(depths: list[int], seeds: tuple[int, ...]) -> tuple[list[list[str]], list[dict[str, object]]]:
    """Rows at the start for the deepest nets, and numbers."""
    rows, kept = [], []
    for depth in depths:
        for net in nets(depth):
            runs = [probe(net, seed, depth) for seed in seeds]
            spec, start = net.theory
            theory = maps(spec, start=start)
            for layer in (k for k in LAYERS if k <= depth):
                length, gradient, found = (statistics.mean(r[layer - 1][k] for r in runs) for k in range(3))
                due = theory.after(layer)
                rows.append([str(depth), net.name, str(layer), *(f"{v:.3g}" for v in (length, gradient, found, due))])
                kept.append({"depth": depth, "net": net.name, "layer": layer, "length": length, "gradient": gradient,
                             "correlation": found, "theory": due})  # fmt: skip
    return rows, kept


def trainings(
    kind: str, depth: int, seeds: tuple[int, ...], steps: int
) -> tuple[list[list[str]], list[dict[str, object]]]:
    """Rows of the trained nets, and every run."""
    rows, kept = [], []
    for net in nets(depth):
        run = partial(train, net, kind, depth, steps=steps)
        tried = {rate: run(rate=rate, seed=TUNED_ON)[0] for rate in RATES}
        rate = min(tried, key=lambda r: tried[r])
        ends = [run(rate=rate, seed=seed) for seed in seeds]
        kept += [{"depth": depth, "net": net.name, "rate": r, "seed": TUNED_ON, "loss": v} for r, v in tried.items()]
        kept += [{"depth": depth, "net": net.name, "rate": rate, "seed": s, "loss": v, "accuracy": acc}
                 for s, (v, acc) in zip(seeds, ends, strict=True)]  # fmt: skip
        losses, scores = ([e[k] for e in ends] for k in (0, 1))
        rows.append([str(depth), net.name, f"{rate:g}", ", ".join(f"{v:.3g}" for v in losses),
                     ", ".join(f"{v:.3f}" for v in scores), f"{statistics.mean(scores):.3f}"])  # fmt: skip
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    return rows, kept


STARTED = ["depth", "F", "layer", "a²", "g²", "correlation", "theory"]
TRAINED = ["depth", "F", "rate", "final loss by seed", "accuracy by seed", "mean"]


def main() -> int:
    """Print both tables, and keep them."""
    parser = argparse.ArgumentParser(description="Balanced against shaped starts in deep plain nets.")
    parser.add_argument("--kind", choices=[*KINDS], default="mlp")
    parser.add_argument("--depths", type=int, nargs="*", default=list(STEPS))
    parser.add_argument("--steps", type=int, help="in place of the own number of each depth")
    parser.add_argument("--out", type=Path, help="folder for shaped.json and shaped.md (default: none)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, numbers = propagation(options.depths, SEEDS) if options.kind == "mlp" else ([], [])
    trained, runs = [], []
    for depth in options.depths:
        rows, more = trainings(options.kind, depth, SEEDS, options.steps or STEPS[depth])
        trained, runs = [*trained, *rows], [*runs, *more]
    text = "\n\n".join([*([table(STARTED, started)] if started else []), table(TRAINED, trained)])
    print(text)
    if options.out:
        about = {
            "tau": TAU,
            "kind": options.kind,
            "size": size(options.kind),
            "batch": BATCH,
            "steps": STEPS,
            "rates": RATES,
            "tuned_on": TUNED_ON,
        }
        rows = [finite(r) for r in (*numbers, *runs)]
        name = "shaped" if options.kind == "mlp" else f"shaped-{options.kind}"
        save(options.out / f"{name}.json", {**provenance(extra=["scikit-learn"]), **about, "rows": rows})
        above = introduction(options.kind, options.depths, options.steps)
        (options.out / f"{name}.md").write_text(f"# Shaped starts in deep plain nets\n\n{above}\n\n{text}\n")
    return 0


def finite(row: dict[str, object]) -> dict[str, object]:
    """Four digits; JSON has no infinity."""
    return {k: (float(f"{v:.4g}") if math.isfinite(v) else None) if isinstance(v, float) else v for k, v in row.items()}


def introduction(kind: str, depths: list[int], steps: int | None) -> str:
    """What was run, above the tables."""
    words = [f"--kind {kind}"] if kind != "mlp" else []
    words += [f"--depths {' '.join(map(str, depths))}"] if depths != list(STEPS) else []
    words += [f"--steps {steps}"] if steps else []
    command = " ".join(["python -m benchmarks.shaped", *words, "--out benchmarks/results"])
    trained = " and ".join(f"{steps or STEPS[d]} steps at depth {d}" for d in depths)
    started = f"""First table, at the start, width {PROBED_WIDTH}: mean squares of activations (a²) and gradients
(g², the loss's own being 1), correlation of inputs at right angles, and that of infinitely wide nets (theory), means of
{len(SEEDS)} seeds. Second table: digits, """
    return f"""\
Written by `{command}`. z = W a + b, a = gain F(z), no
normalization, no skips, W from N(0, 1/fan_in). Shaped: C''(1) = {TAU}/depth. \
{started if kind == "mlp" else "Digits, "}{size(kind)}, batch {BATCH}, Adam, {trained}; the rate is the best of
{", ".join(f"{r:g}" for r in RATES)} on seed {TUNED_ON}, the table's seeds are {", ".join(map(str, SEEDS))}. The final
loss is the mean of the last {LAST} steps, of a shorter run of all; inf is a loss that was no number."""


if __name__ == "__main__":
    sys.exit(main())
