"""Derivations: E[F^2], E[F'^2] and E[F] of random expressions under every law, against an adaptive quadrature.

The quadrature sees the text alone: it halves panels of a Gauss rule until halving no longer moves them. Where it does
not converge it says nothing.
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
SLOW = 30.0
"""Seconds of processor time of one derivation: interrupted, and reported."""

AGREE = 1e-8
"""Relative difference that double precision and 3,000 panels leave room for."""

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


def moments(text: str, values: dict[str, float], law: str) -> tuple[np.ndarray, np.ndarray]:
    """E[F], E[F^2], E[F'^2] and what halving still moved of each."""
    measure = Measure.of(law)
    unit, weight = np.polynomial.legendre.leggauss(NODES)

    def integrals(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        half = (right - left)[:, None] / 2
        t = (left + right)[:, None] / 2 + half * unit
        with np.errstate(all="ignore"):
            found = Fast(measure.x(t.ravel()), values)(text)
            f, slope = found.value, found.slopes[0]
            rows = np.array([f, f * f, slope * slope]).reshape(3, *t.shape)
            return np.nansum(np.where(np.isfinite(rows), rows, np.nan) * (half * weight * measure.density(t)), axis=2)

    ends = np.linspace(measure.low, measure.high, 701)
    left, right = ends[:-1], ends[1:]
    whole = integrals(left, right)
    total, moved = np.zeros(3), np.zeros(3)
    for k in range(HALVINGS):
        middle = (left + right) / 2
        halves = integrals(left, middle), integrals(middle, right)
        change = np.abs(whole - halves[0] - halves[1])
        size = np.abs(total) + np.abs(whole).sum(axis=1)
        again = (change > 1e-13 * size[:, None] + 1e-300).any(axis=0)
        if k == HALVINGS - 1 or again.sum() > MOST_PANELS:
            again[:] = False
        done = ~again
        total += (halves[0] + halves[1])[:, done].sum(axis=1)
        moved += change[:, done].sum(axis=1)
        if not again.any():
            break
        left, right = np.concatenate([left[again], middle[again]]), np.concatenate([middle[again], right[again]])
        whole = np.concatenate([halves[0][:, again], halves[1][:, again]], axis=1)
    return total, moved


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
        numbers, moved = moments(text, at, law)
        claims = (start.moments.mean, start.moments.second, start.moments.slope_second)
        for what, claim, number, doubt in zip(("E[F]", "E[F^2]", "E[F'^2]"), claims, numbers, moved, strict=True):
            size = max(abs(number), numbers[1] ** 0.5 if what == "E[F]" else 0.0, 1e-200)
            if not doubt < AGREE * size / 10:
                found.count("reference without an answer")
                continue
            if not claim.exists:
                found.count("moment refused that the reference has")
                print(f"    refused: {start.name} {what} = {number:.9g}: {again}: {claim.route[:120]}", flush=True)
                continue
            found.count("moments in closed form" if claim.exact else "moments by quadrature")
            gap = abs(float(claim) - number)
            if gap > AGREE * size + claim.error:
                found.add(k, f"{start.name} {what}: {float(claim):.12g} +- {claim.error:.1g}, not {number:.12g}", again)
            elif claim.error > 1e-6 * size:
                found.add(k, f"{start.name} {what} = {float(claim):.12g} is known to {claim.error:.1g} only", again)


def derivations(seed: int, seconds: float, count: int | None = None, first: int = 0) -> Findings:
    """Derive random expressions until the time is up, or so many."""
    found = Findings("derivations", seed, first)
    for k in found.until(seconds, count):
        compared(found, k, *drawn(random.Random(f"derivations {seed} {k}")))
    return found
