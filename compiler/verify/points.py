"""The points and parameter settings at which the referee evaluates; kinks are found by bisection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp

from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.verify.jets import KINKED
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.oracle import Oracle

SEED = 20240229
REACH = 16.0  # kinks are looked for on [-REACH, REACH]
CELLS = 4096
BISECTIONS = 80  # from a cell's width to below the spacing of doubles at 1e-18
PERTURBED = 3  # random settings: a start alone hides the faults of whatever is 0 there
SPREAD = 0.5
HALVED_SPREADS = 8  # a root or power needs its parameter positive: nearer to the start it is
TRIED = (-2.7, -1.1, -0.3, 0.4, 1.2, 2.9)
LARGE = (10.0, -10.0, 30.0, -30.0, 100.0, -100.0, -1e4, 1e4, 12.3, -45.6)  # two are no integers: floor jumps there
INTEGERS = tuple(map(float, range(-3, 4)))  # where pieces with small integers for parameters tie
SIMPLE = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 5.0, -5.0, 8.0, -8.0, 1e-4, -1e-4, 1e-9)


@dataclass(frozen=True)
class Setting:
    """Parameter values at which the emitted file is looked at, flat in declared order."""

    name: str
    values: tuple[float, ...]
    kinks: tuple[float, ...]


def rng(stream: int) -> np.random.Generator:
    """The referee's own random numbers, the same in every run."""
    return np.random.default_rng([SEED, stream])


def find_kinks(oracle: Oracle, values: tuple[float, ...], reach: float = REACH) -> tuple[float, ...]:
    """Points of [-reach, reach] where a kinked node changes its branch, refined by bisection of every such cell."""
    if not oracle.activation.function.has(*KINKED):
        return ()
    grid = np.linspace(-reach, reach, CELLS + 1)
    branches = oracle.branches(grid, values)
    cells = np.flatnonzero((branches[:, 1:] != branches[:, :-1]).any(axis=0))
    left, right = grid[cells], grid[cells + 1]
    origin = branches[:, cells]
    for _ in range(BISECTIONS if len(cells) else 0):
        middle = (left + right) / 2
        same = (oracle.branches(middle, values) == origin).all(axis=0)
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    kinks: list[float] = []
    for kink in sorted(np.where(np.abs(left) < 1e-15, 0.0, left).tolist()):
        if not kinks or kink - kinks[-1] > 1e-12:
            kinks.append(kink)
    return tuple(kinks)


def _finite(oracle: Oracle, values: tuple[float, ...]) -> int:
    """At how many of some points F and its derivatives are numbers."""
    return int(oracle(np.array(TRIED), values, exact=False).finite.sum())


def perturbed(base: tuple[float, ...], stream: int, spread: float = SPREAD) -> tuple[float, ...]:
    """Every entry moved at random, so that none stays 0 and no two stay equal."""
    noise = rng(stream).normal(size=len(base))
    return tuple(float(v + spread * (1 + abs(v)) * n) for v, n in zip(base, noise, strict=True))


def near(oracle: Oracle, base: tuple[float, ...], stream: int) -> tuple[float, ...]:
    """The same, but less far where F would be no number at more points, as roots and powers of parameters are."""
    numbers = _finite(oracle, base)
    tried = (perturbed(base, stream, SPREAD / 2**half) for half in range(HALVED_SPREADS))
    return next((values for values in tried if _finite(oracle, values) >= numbers), base)


def settings(oracle: Oracle, starts: dict[str, tuple[float, ...]]) -> list[Setting]:
    """Every named start, and the default start perturbed at random."""
    chosen = {f"start {name}": values for name, values in starts.items()}
    base = next(iter(starts.values()))
    for k in range(PERTURBED):
        chosen[f"perturbed {k}"] = near(oracle, base, k)
    return [Setting(name, values, find_kinks(oracle, values)) for name, values in chosen.items()]


def edges(law: Law) -> list[float]:
    """Finite ends of the law's support, from inside and from outside."""
    ends = [float(end) for end in law.support if end.is_finite]
    return [end * factor for end in ends for factor in (1.0, 1 - 1e-6, 1 + 1e-6)]


def around(kinks: tuple[float, ...], step: float) -> Array:
    """Points to both sides of every kink."""
    return np.array([k + side * step * (1 + abs(k)) for k in kinks for side in (-1.0, 1.0)])


def few(setting: Setting, law: Law) -> Array:
    """About fifty points, for the exact oracle: special ones, the law's edges, around kinks, and random ones."""
    random = rng(100).normal(scale=2.0, size=24)
    fixed = [*SIMPLE, *edges(law), *around(setting.kinks[:12], 1e-6), *around(setting.kinks[:12], 1e-2)]
    return np.array([*fixed, *random])


def many(setting: Setting, law: Law, count: int = 1200) -> Array:
    """A dense random sample of [-8, 8] besides the few points, for the oracle in doubles."""
    return np.concatenate([few(setting, law), rng(101).uniform(-8, 8, size=count)])


def away(kinks: tuple[float, ...], points: Array, margin: float) -> Array:
    """The points that keep this distance from every kink."""
    near = np.array([[abs(p - k) < margin for k in kinks] for p in points]).reshape(len(points), len(kinks))
    return points[~near.any(axis=1)]


def tied_settings(activation: Activation) -> list[tuple[float, ...]]:
    """Small integers for all parameters, many of them equal: sums and products of these are exact in every dtype."""
    size = len(activation.symbols)
    index = [float(k) for v in activation.parameters for k in range(len(v.symbols))]
    chosen = [(1.0,) * size, tuple(index), tuple(1.0 + k % 2 for k in range(size))]
    for vector in activation.parameters:  # one vector ascends while all others are constant
        inside = [k if s in vector.symbols else 1.0 for s, k in zip(activation.symbols, index, strict=True)]
        chosen.append(tuple(inside))
    chosen += [tuple(rng(200 + k).integers(-2, 3, size=size).astype(float).tolist()) for k in range(4)]
    return list(dict.fromkeys(chosen))


def decided_exactly(activation: Activation) -> bool:
    """Whether every branch is decided by polynomials with dyadic coefficients: then integers meet no rounding."""
    deciders: list[sp.Expr] = []
    for node in activation.function.atoms(*KINKED):
        if isinstance(node, sp.Piecewise):
            deciders += [side for _, c in node.args for r in c.atoms(sp.core.relational.Relational) for side in r.args]
        else:
            deciders += node.args if isinstance(node, (sp.Max, sp.Min)) else node.args[:1]
    return all(dyadic_polynomial(expr) for expr in deciders)


def dyadic_polynomial(expr: sp.Expr) -> bool:
    """Whether it is a polynomial with dyadic coefficients, which rounds nothing at small integers."""
    symbols = sorted(expr.free_symbols, key=str)
    if expr.has(*KINKED) or not expr.is_polynomial(*symbols):
        return False
    return all(n.is_Rational and n.q & (n.q - 1) == 0 for n in expr.atoms(sp.Number))
