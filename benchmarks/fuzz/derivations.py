"""Derivations: moments of random expressions under every law, against an adaptive quadrature.

The quadrature sees the text alone: it halves panels of a Gauss rule until halving no longer moves them and the values
at their ends are those that the nodes lead to. Where it does not converge, or meets what is not finite at more than
single points, it says nothing, and what it finds wrong is wrong from another set of panels too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass

import numpy as np

from benchmarks.fuzz.grammar import Grammar
from benchmarks.fuzz.interpreter import Fast
from benchmarks.fuzz.report import Findings, alarm
from learnact.compiler.derive import derive
from learnact.compiler.resolve.expression import from_expression, parse_law
from learnact.errors import LearnactError

GIVEN_UP = 120
AGREE = 1e-8
"""Relative difference that double precision and 3,000 panels leave room for."""

LOOSE = 1e-6
"""A stated error beyond this is a finding, however honest."""

LAWS = (
    "normal",
    "normal:0.3",
    "normal:3",
    "uniform",
    "uniform:2",
    "exponential",
    "exponential:2",
    "arcsine",
    "arcsine:2",
)
NODES, MOST_PANELS, HALVINGS = 20, 3000, 40
PANELS, OTHERS = 700, 883
"""To begin with; another number, which has no end in common with the first, where a finding is looked at again."""

HIDDEN = 1e-11
"""Of the integral: what a jump between an end of a panel and the nearest node, where no node sees it, may be worth."""

SHAPES = (
    "a*Max(x-{h},0)+d",
    "a*x/(1-exp(-x))",
    "a*sigmoid({k}*(x-{c}))+b*x",
    "a*abs(x-{c})**{p}",
    "a*tanh({k}*(x-{c}))+b*x+d",
    "a*exp(-{k}*(x-{c})**2)+b*x",
    "a*atan({k}*(x-{c}))+d",
    "a*log(1/{k}+(x-{c})**2)+b*x",
    "a*x/(1/{k}+(x-{c})**2)",
    "a*(exp(x)-1)/x",
    "a*sin(x)/x+b*x",
    "a*softplus({k}*(x-{c}))/{k}",
    "a*x*erf({k}*(x-{c}))",
    "a*abs(x)**{p}*tanh(x)+d",
    "a*sin({k}*x)*tanh(x)+b*x",
    "a*log(abs(x-{c}))+d",
    "a*log1p(x**2/2)/x+b*x",
    "a*tanh(x)/x+d*x",
    "a*abs(x-{c})**{p}*x+d",
    "a*Max({k}*(x-{c}),0)**{p}+b*x",
    "a*floor({c}*x)*tanh(x)+b*x",
)
"""What quadrature finds hard: narrow, removable, weakly singular, far out; between random expressions."""


@dataclass(frozen=True)
class Measure:
    """A law as an integral over (low, high): x(t) and the density of t, written without the compiler's laws."""

    low: float
    high: float
    x: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def of(cls, law: str) -> Measure:
        name, _, text = law.partition(":")
        defaults = {"normal": 1.0, "uniform": np.sqrt(3.0), "exponential": 1.0, "arcsine": 1.0}
        s = float(text) if text else defaults[name]
        if name == "normal":
            return cls(-13.0, 13.0, lambda t: s * t, lambda t: np.exp(-t * t / 2) / np.sqrt(2 * np.pi))
        if name == "uniform":
            return cls(-1.0, 1.0, lambda t: s * t, lambda t: 0.5 + 0 * t)
        if name == "exponential":
            return cls(0.0, 80.0, lambda t: t / s, lambda t: np.exp(-t))
        return cls(0.0, np.pi, lambda t: s * np.cos(t), lambda t: 1 / np.pi + 0 * t)


UNIT, WEIGHT = np.polynomial.legendre.leggauss(NODES)


def _to_ends() -> np.ndarray:
    """(2, NODES): the polynomial through values at the nodes, at -1 and at 1."""
    powers = np.polynomial.legendre.legvander
    return np.linalg.solve(powers(UNIT, NODES - 1).T, powers(np.array([-1.0, 1.0]), NODES - 1).T).T


TO_ENDS = _to_ends()
GAP = float(1 - UNIT[-1])


def moments(text: str, values: dict[str, float], law: str, panels: int = PANELS) -> tuple[np.ndarray, np.ndarray]:
    """E[F], E[F^2], E[F'^2], E[x F F'] and what halving still moved of each."""
    measure = Measure.of(law)

    def integrals(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each panel: the integrals, what a jump between its ends and its nodes is worth, what is not finite."""
        half = (right - left)[:, None] / 2
        t = (left + right)[:, None] / 2 + half * np.array([-1.0, *UNIT, 1.0])
        with np.errstate(all="ignore"):
            x = measure.x(t.ravel())
            found = Fast(x, values)(text)
            f, slope = found.value, found.slopes[0]
            rows = np.array([f, f * f, slope * slope, x * f * slope]).reshape(4, *t.shape) * measure.density(t)
            finite = np.isfinite(rows)
            lost = ((~finite * measure.density(t))[:, :, 1:-1] @ WEIGHT) * half[:, 0]
            rows = np.where(finite, rows, 0.0)
            jumps = np.abs(rows[:, :, 1:-1] @ TO_ENDS.T - rows[:, :, [0, -1]]).max(axis=2)
            return rows[:, :, 1:-1] @ WEIGHT * half[:, 0], jumps * GAP * half[:, 0], lost

    ends = np.linspace(measure.low, measure.high, panels + 1)
    left, right = ends[:-1], ends[1:]
    whole, *_ = integrals(left, right)
    total, moved, size, missing = np.zeros((4, 4))
    for k in range(HALVINGS):
        middle = (left + right) / 2
        (lower, low_hidden, low_lost), (upper, high_hidden, high_lost) = (
            integrals(left, middle),
            integrals(middle, right),
        )
        change = np.abs(whole - lower - upper)
        size = np.maximum(size, np.abs(total) + np.abs(whole).sum(axis=1))
        again = (change > 1e-13 * size[:, None] + 1e-300).any(axis=0)
        again |= (np.maximum(low_hidden, high_hidden) > HIDDEN * size[:, None] + 1e-300).any(axis=0)
        if k == HALVINGS - 1 or again.sum() > MOST_PANELS:
            again[:] = False
        done = ~again
        total += (lower + upper)[:, done].sum(axis=1)
        moved += change[:, done].sum(axis=1)
        missing += (low_lost + high_lost)[:, done].sum(axis=1)
        if not again.any():
            break
        left, right = np.concatenate([left[again], middle[again]]), np.concatenate([middle[again], right[again]])
        whole = np.concatenate([lower[:, again], upper[:, again]], axis=1)
    return total, np.where(missing > HIDDEN, np.inf, moved)


@dataclass(frozen=True)
class Numbers:
    """What the quadrature says of `derivation.Moments`, None where it does not converge, and what an error is of."""

    values: dict[str, float | None]
    sizes: dict[str, float]

    @classmethod
    def of(cls, text: str, at: dict[str, float], law: str, panels: int = PANELS) -> Numbers:
        (mean, second, slope_second, turn), moved = moments(text, at, law, panels)
        second = max(second, 1e-200)
        values = {"mean": mean, "second": second, "slope_second": slope_second, "q_slope": turn / second}
        sizes = {
            "mean": second**0.5,
            "second": second,
            "slope_second": max(slope_second, 1e-200),
            "q_slope": max(1.0, abs(turn / second)),
        }
        doubts = dict(zip(values, (*moved[:3], (moved[3] + abs(turn / second) * moved[1]) / second), strict=True))
        return cls({w: v if doubts[w] < AGREE * sizes[w] / 10 else None for w, v in values.items()}, sizes)


def drawn(rng: random.Random) -> tuple[str, dict[str, str], str]:
    """(text, values, law)."""
    if rng.random() < 0.35:
        fill = {
            "h": rng.choice(("1", "3", "5", "8", "12")),
            "c": rng.choice(("0", "0.3", "-1.2", "0.77", "1/3", "2")),
            "k": rng.choice(("10", "100", "1000", "30000", "7")),
            "p": rng.choice(("0.51", "0.6", "0.75", "1.3", "1.5", "2.5")),
        }
        text = rng.choice(SHAPES).format(**fill)
    else:
        text = f"a*{Grammar(rng, wild=False, names=('b', 'c')).expression(8)} + d*x"
    used = [n for n in "abcd" if n in _names(text)]
    values = {n: "1" if n == "a" else rng.choice(("0.5", "-1.3", "2", "0.1", "1")) for n in used}
    return text, values, rng.choice(LAWS)


def _names(text: str) -> set[str]:
    import ast  # noqa: PLC0415

    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def compared(found: Findings, k: int, text: str, values: dict[str, str], law: str) -> None:
    """Derive, and compare every start's moments."""
    again = f"derive(from_expression({text!r}, {values!r}, 'Trial', parse_law({law!r})))"
    try:
        with alarm(GIVEN_UP):
            derivation = derive(from_expression(text, values, "Trial", parse_law(law)))
    except LearnactError as err:
        found.count(f"refused ({type(err).__name__})")
        return
    except TooLate:
        found.add(k, f"no answer in {GIVEN_UP} s", again)
        return
    except Exception as err:
        found.add(k, f"{type(err).__name__}: {err}", again)
        return
    for start in derivation.starts:
        at = {name: float(v[0].evalf(20)) for name, v in start.values.items()}
        numbers = Numbers.of(text, at, law)
        for what in numbers.values:
            claim, number = getattr(start.moments, what), numbers.values[what]
            if number is None:
                found.count("reference without an answer")
                continue
            if not claim.exists:
                found.count("moment refused that the reference has")
                print(f"    refused: {start.name} {what} = {number:.9g}: {again}: {claim.route[:120]}", flush=True)
                continue
            found.count("moments in closed form" if claim.exact else "moments by quadrature")
            allowed = AGREE * numbers.sizes[what]
            if abs(float(claim) - number) > allowed + claim.error:
                other = Numbers.of(text, at, law, OTHERS).values[what]
                if other is None or abs(other - number) > allowed / 10:
                    found.count("reference without an answer")
                    continue
                found.add(k, f"{start.name} {what}: {float(claim):.12g} +- {claim.error:.1g}, not {number:.12g}", again)
            elif claim.error > LOOSE * numbers.sizes[what]:
                found.add(k, f"{start.name} {what} = {float(claim):.12g} is known to {claim.error:.1g} only", again)


def derivations(seed: int, seconds: float, count: int | None = None, first: int = 0) -> Findings:
    """Derive random expressions until the time is up, or so many."""
    found = Findings("derivations", seed, first)
    for k in found.until(seconds, count):
        compared(found, k, *drawn(random.Random(f"derivations {seed} {k}")))
    return found
