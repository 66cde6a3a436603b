"""Who is timed, under which conditions, and what is asked of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from benchmarks import grids, peers, unrolled
from benchmarks.timing import Case
from learnact import Declaration, frozen_expression, load
from learnact.compiler.resolve.registry import resolve

GELU = Case("GELU", nn.GELU)
"""The reference: exact erf, compiled, in the same rounds."""

TARGET_NUMEL = 1024 * 3072
TARGETS = {
    **dict.fromkeys(("hermite:3", "chebyshev:3", "legendre:3"), 0.55),
    **dict.fromkeys(("hermite:5", "chebyshev:5", "legendre:5"), 0.60),
    **dict.fromkeys(("hermite:8", "chebyshev:8", "legendre:8"), 0.95),
    "fourier:3": 1.3,
    "fourier:6": 1.8,
    "tropical:3": 0.8,
    "tropical:6": 1.05,
    "tropical_rational:6": 2.0,
    "sinusoid": 1.2,
}
"""Forward and backward at TARGET_NUMEL float32 elements, one thread: at most so many times compiled GELU."""

EXPRESSION_TARGET = 1.0
"""A user's expression takes at most as long as the same expression by hand in torch, compiled."""

NOISE = 0.03
"""Ratios of two equal cases differ by so much between runs: less than that above a target is no miss."""

EXPRESSIONS: dict[str, tuple[Declaration, Callable[[], nn.Module]]] = {
    "a*tanh(b*x) + c*x + d": (
        Declaration(expr="a*tanh(b*x) + c*x + d", params=("a=1", "b=1", "c=0.5", "d=0"), name="TanhMix"),
        unrolled.TanhMix,
    ),
    "a*x*sigmoid(b*x)": (
        Declaration(expr="a*x*sigmoid(b*x)", params=("a=1", "b=1"), name="LearnableSwish"),
        unrolled.Swish,
    ),
    "a*exp(-b*x**2) + c*x": (
        Declaration(expr="a*exp(-b*x**2) + c*x", params=("a=1", "b=0.5", "c=0.5"), name="Bump"),
        unrolled.Bump,
    ),
}
"""Expressions without a declared recurrence, and the modules that a user would write for them."""

PAPER = "hermite:3 hermite:5 hermite:8 fourier:6 tropical:6".split()
"""One line each in the sections that vary size, threads and dtype."""

GROWING = "hermite chebyshev legendre fourier tropical tropical_rational".split()


@dataclass(frozen=True)
class Section:
    """Cases that are timed in the same rounds, under the same conditions."""

    name: str
    cases: tuple[Case, ...]
    numel: int = TARGET_NUMEL
    dtype: torch.dtype = torch.float32
    threads: int = 1


def ours(spec: str, *, compiled: bool = True) -> Case:
    """One of our activations, compiled from its declaration now."""
    return Case(spec, partial(built, spec), compiled)


def built(target: str | Declaration) -> nn.Module:
    """Compile a SPEC or an expression with the compiler as it is now, and make one module."""
    return load(target)()


def fixed(spec: str) -> nn.Module:
    """The shape of the first start as `learnact-train harvest` emits a learned one: constants, no parameters."""
    module = load(spec)()
    values = {name: p.detach().double().flatten().tolist() for name, p in module.named_parameters()}
    text = frozen_expression(resolve(spec), values)
    return load(Declaration(expr=text, name=f"{type(module).__name__}Fixed"))()


def harvested(*, compiled: bool = True) -> list[Case]:
    """Each activation with its parameters, and the same shape fixed."""
    return [
        case
        for spec in (*PAPER, "tropical_rational:6")
        for case in (ours(spec, compiled=compiled), Case(f"{spec}, fixed", partial(fixed, spec), compiled))
    ]


def by_hand() -> list[Case]:
    """The hand-unrolled rivals of ours."""
    cases = [Case(f"by hand: Hermite {n}", partial(unrolled.Hermite, n)) for n in (3, 5, 8)]
    cases += [Case(f"by hand: Fourier {n}", partial(unrolled.Fourier, n)) for n in (3, 6)]
    return [*cases, *(Case(f"by hand: Tropical {n}", partial(unrolled.Tropical, n)) for n in (3, 6))]


def others() -> list[Case]:
    """Every peer that is installed, compiled and eager."""
    found: list[tuple[str, Callable[[], nn.Module]]] = []
    if peers.installed("torchortho"):
        shapes = [("Hermite", 3), ("Hermite", 5), ("Hermite", 8), ("Fourier", 3), ("Fourier", 6)]
        shapes += [("Tropical", 3), ("Tropical", 6), ("TropicalRational", 6)]
        found += [(f"torchortho {f} {n}", partial(peers.torchortho, f, n)) for f, n in shapes]
    if peers.installed("rational-activations"):
        found.append(("rational PAU 5/4", peers.rational))
    if peers.installed("sympytorch"):
        found.append(("sympytorch Hermite 5", partial(peers.Symbolic, 5)))
    return [Case(name, make, compiled) for name, make in found for compiled in (True, False)]


def on_grids() -> list[Case]:
    """Families on a grid, and piecewise linear units by hand, compiled and eager."""
    cases = [ours(s, compiled=c) for c in (True, False) for s in "pwlu:8 pwlu:16 pwlu:32 bspline:8 bspline:16".split()]
    for n in (8, 16, 32):
        cases += [Case(f"by hand: PWLU {n}, index", partial(grids.Indexed, n), c) for c in (True, False)]
        cases.append(Case(f"by hand: PWLU {n}, hinges", partial(grids.Hinges, n)))
    return cases


def sections(*, quick: bool) -> list[Section]:
    """What `make bench` measures; the quick form only shows that everything runs."""
    if quick:
        few = tuple(ours(s) for s in ("hermite:3", "fourier:3", "tropical:3"))
        return [
            Section("quick", (GELU, *few, ours("hermite:3", compiled=False)), numel=1 << 20),
            Section("quick expressions", (GELU, *expressions(("a*x*sigmoid(b*x)",))), numel=1 << 20),
        ]
    references = (GELU, Case("GELU", nn.GELU, False), Case("ReLU", nn.ReLU), Case("SiLU", nn.SiLU))
    eager = tuple(ours(s, compiled=False) for s in (*PAPER, "tropical_rational:6"))
    mine = tuple(ours(s) for s in (*TARGETS, "fourier_free:6"))
    paper = (GELU, *(ours(s) for s in PAPER))
    return [
        Section("main", (*references, *mine, *eager, *by_hand())),
        Section("peers", (GELU, *others())),
        Section("expressions", (GELU, *expressions(tuple(EXPRESSIONS)))),
        Section("harvested", (GELU, *harvested(), Case("GELU", nn.GELU, False), *harvested(compiled=False))),
        Section("grids", (GELU, *on_grids())),
        *(Section(f"degrees of {f}", (GELU, *(ours(f"{f}:{n}") for n in range(1, 13)))) for f in GROWING),
        *(Section("sizes", paper, numel=n) for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 30_000_000)),
        Section("two threads", paper, threads=2),
        Section("bfloat16", paper, dtype=torch.bfloat16),
    ]


def expressions(texts: tuple[str, ...]) -> list[Case]:
    """Each expression by the compiler, and by hand."""
    cases = []
    for text in texts:
        declaration, hand = EXPRESSIONS[text]
        cases += [Case(text, partial(built, declaration)), Case(f"by hand: {text}", hand)]
    return cases
