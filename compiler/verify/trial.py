"""One comparison of code that somebody else wrote with the oracle: which numbers, how wrong, how wrong they may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import sympy as sp
import torch

from learnact.compiler.declare.spec import Activation
from learnact.compiler.verify import points, tolerances
from learnact.compiler.verify.dialogue import Dialogue, Match, Message
from learnact.compiler.verify.jets import JUMPING, KINKED
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.oracle import Known, Oracle, Truth
from learnact.compiler.verify.stranger import DTYPES
from learnact.compiler.verify.tolerances import (
    OVERFLOW,
    STRANGER,
    STRANGER_SUM,
    UNDECIDED,
    UNDERFLOWS,
)

NOWHERE = "where F or a derivative is no number"
BEYOND = "beyond the dtype's range"
NEAR = "where rounding decides the branch"
AT_KINK = "at a kink"
CHUNK = 32  # points whose parameter gradients are summed together
KINK_STEP = 1e-7  # from a kink to the points where its one-sided slopes are read, relative to 1 + |kink|


@dataclass(frozen=True)
class Place:
    """Where numbers are compared: the dtype (fp32), eager or compiled, and the parameters' values."""

    label: str
    compiled: bool
    name: str  # of the setting
    values: tuple[float, ...]  # flat in declared order, before they are rounded to the dtype

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of x and of the parameters."""
        return DTYPES[self.label]

    @property
    def finfo(self) -> torch.finfo:
        """Its spacing and range."""
        return torch.finfo(self.dtype)

    def rounded(self, numbers: Sequence[float] | Array) -> Array:
        """The numbers as this dtype holds them, as doubles."""
        return torch.tensor(np.asarray(numbers, dtype=float)).to(self.dtype).double().numpy()

    def points(self, wanted: Sequence[float] | Array) -> Array:
        """Different finite points that this dtype holds, sorted by size."""
        at = self.rounded(wanted)
        at = np.unique(at[np.isfinite(at)] + 0.0)
        return at[np.argsort(np.abs(at), kind="stable")]


@dataclass(frozen=True)
class Outcome:
    """Numbers of one kind at one place, beside the truth."""

    kind: str  # F, dF/dx or dF/da
    place: Place
    at: Array  # points (N,)
    known: Known
    found: Array
    error: Array  # inf where a number was due and none was found
    bound: Array
    left: Mapping[str, int] = field(default_factory=dict)  # reason -> numbers that were not compared
    exact: bool = True  # whether the truth has 30 digits, or is that of doubles

    @property
    def missed(self) -> Array:
        """Which numbers are further from the truth than rounding allows, (N,) booleans."""
        return ~(self.error <= self.bound)

    def __getitem__(self, index: Array) -> Outcome:
        numbers = (self.at[index], self.known[index], self.found[index], self.error[index], self.bound[index])
        return Outcome(self.kind, self.place, *numbers, exact=self.exact)


def by_name(activation: Activation, flat: Sequence[float]) -> dict[str, list[float]]:
    """Values `flat` of the `activation`'s parameters, in declared order, by parameter name."""
    parts, begin = {}, 0
    for vector in activation.parameters:
        parts[vector.name] = [float(v) for v in flat[begin : begin + len(vector.symbols)]]
        begin += len(vector.symbols)
    return parts


@dataclass
class Trial:
    """The code, the oracle, and the points between which kinks and edges lie."""

    activation: Activation
    dialogue: Dialogue
    match: Match
    seconds: float
    truths: dict[tuple[float, ...], tuple[Array, Truth]] = field(default_factory=dict)
    kinks: dict[tuple[float, ...], tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.activation)

    def named(self, flat: Sequence[float]) -> dict[str, list[float]]:
        """Flat values by parameter name."""
        return by_name(self.activation, flat)

    def used(self, place: Place) -> tuple[float, ...]:
        """The values that the code computes with: rounded, where they are tensors of the dtype."""
        rounded = place.rounded(place.values).tolist() if place.values else []
        exact = {*self.match.fixed, *self.match.numbers}
        vectors = [v.name for v in self.activation.parameters for _ in v.symbols]
        return tuple(v if n in exact else r for n, v, r in zip(vectors, place.values, rounded, strict=True))

    def learn(self, places: Sequence[Place], wanted: Sequence[float] | Array) -> None:
        """Compute the truth at these points once for all places with the same values."""
        for values in dict.fromkeys(self.used(place) for place in places):
            at = np.unique(np.concatenate([p.points(wanted) for p in places if self.used(p) == values]))
            self.truths[values] = at, self.oracle(at, values, exact=True)

    def truth(self, at: Array, values: tuple[float, ...], *, exact: bool) -> Truth:
        """The oracle's numbers, those that are known already looked up."""
        if exact and values in self.truths:
            known, truth = self.truths[values]
            index = np.searchsorted(known, at).clip(max=max(len(known) - 1, 0))
            if len(known) and (known[index] == at).all():
                return truth[index]
        return self.oracle(at, values, exact=exact)

    def kinks_at(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """The kinks with these values, found once."""
        if values not in self.kinks:
            self.kinks[values] = points.find_kinks(self.oracle, values)
        return self.kinks[values]

    def ask(self, place: Place, x: Array, **more: object) -> Message:
        """The code's answer at x, an array of any shape. Raises Wrong and NoAnswer."""
        question = {
            "x": x.flatten().tolist(),
            "shape": list(x.shape),
            "dtype": place.label,
            "compiled": place.compiled,
            "values": self.named(place.values),
            **more,
        }
        return self.dialogue.ask(question, self.seconds)

    def compare(
        self, place: Place, at: Array, *, exact: bool = True, size: int | None = None, answer: Message | None = None
    ) -> list[Outcome]:
        """F and dF/dx at `at` (N,), points of the dtype.

        The oracle computes to 30 digits, or in doubles whose own error is then allowed. With `size`, x is repeated to
        that many elements: compiled code has one shape. `answer` is the code's, if it was asked already.
        """
        answer = answer or self.ask(place, np.resize(at, size) if size else at)
        truth = self.truth(at, self.used(place), exact=exact)
        at_kink = np.isin(at, place.points(self.kinks_at(self.used(place))))
        outcomes = []
        for kind, known, decided in (("F", truth.value, truth.jump), ("dF/dx", truth.slope, truth.kink)):
            found = np.array(answer["value" if kind == "F" else "slope"])[: len(at)]
            near = ~(decided > UNDECIDED * place.finfo.eps) | (at_kink & (kind != "F" or bool(self.jumps)))
            if kind != "F" and self.bends:  # subnormal products tie where the exact ones do not
                near |= (at != 0) & (np.abs(at) < place.finfo.smallest_normal)
            if kind != "F" and self.reuses:
                known = Known(known.high, known.low, known.scale + np.minimum(np.abs(truth.value.high), 1))
            outcomes.append(self._outcome(kind, place, at, known, found, truth, near, exact))
        return outcomes

    @cached_property
    def reuses(self) -> bool:
        """Whether F has a term like exp(u) - 1: torch's own slope of expm1(u) is expm1(u) + 1, rounded as F is."""
        sums = self.oracle.function.atoms(sp.Add)
        return any(any(a.is_number for a in s.args) and any(a.has(sp.exp) for a in s.args) for s in sums)

    @cached_property
    def bends(self) -> bool:
        """Whether F has a kink somewhere."""
        return bool(self.activation.function.has(*KINKED))

    @cached_property
    def jumps(self) -> bool:
        """Whether F itself may break somewhere."""
        return bool(self.activation.function.has(*JUMPING))

    def _outcome(
        self, kind: str, place: Place, at: Array, known: Known, found: Array, truth: Truth, near: Array, exact: bool
    ) -> Outcome:
        largest = OVERFLOW * place.finfo.max
        number = np.isfinite(known.high) & np.isfinite(known.scale)
        inside = number & (np.maximum(known.scale, np.abs(known.high)) < largest)
        compared = inside & ~near
        left = {NOWHERE: (~number).sum(), BEYOND: (number & ~inside).sum(), NEAR: (inside & near).sum()}
        bound = self.bound(place, known, truth.peak) + (0 if exact else tolerances.DOUBLES * known.scale)
        return Outcome(
            kind, place, at[compared], known[compared], found[compared], known.error(found)[compared], bound[compared],
            {reason: int(count) for reason, count in left.items() if count}, exact,
        )  # fmt: skip

    def bound(self, place: Place, known: Known, peak: Array, growth: float = STRANGER) -> Array:
        """eps * growth * scale, and what underflows; eps of the dtype itself, for each operation may round to it."""
        with np.errstate(all="ignore"):
            scale = np.maximum(known.scale, np.abs(known.high))
            return place.finfo.eps * growth * scale + self.underflow(place, peak)

    def underflow(self, place: Place, peak: Array) -> Array:
        """What may vanish on the way, times the largest factor that may follow; kernels flush subnormals.

        Half types round to their own subnormals after each operation, and compute each in float32.
        """
        compute = torch.finfo(torch.promote_types(place.dtype, torch.float32))
        least = place.finfo.smallest_normal * place.finfo.eps + compute.smallest_normal
        return UNDERFLOWS * least * (1 + np.minimum(np.nan_to_num(peak, nan=0.0), 1 / place.finfo.eps))

    def near_zero(self, outcome: Outcome) -> Outcome:
        """The same values near 0 by the relative error alone, for an F with F(0) = 0: |F| + |x F'| is its scale."""
        inside = (outcome.at != 0) & (np.abs(outcome.at) <= tolerances.NEAR_ZERO)
        part = outcome[inside]
        truth = self.truth(part.at, self.used(outcome.place), exact=outcome.exact)
        size = np.abs(part.known.high) + np.abs(part.at * truth.slope.high)
        bound = outcome.place.finfo.eps * STRANGER * size + self.underflow(outcome.place, truth.peak)
        decided = np.isfinite(size) & (np.abs(part.known.high) > 0)
        if not outcome.exact:  # doubles know no better where the declared formula cancels
            decided &= tolerances.DOUBLES * part.known.scale < outcome.place.finfo.eps * size
        numbers = (part.at[decided], part.known[decided], part.found[decided], part.error[decided], bound[decided])
        return Outcome("F", outcome.place, *numbers)

    def gradients(self, place: Place, at: Array, size: int | None = None) -> Iterator[Outcome]:
        """dF/dparameter at every point by itself, then summed over many with weights; (N,) points of the dtype.

        Compiled code is asked for both by the gradients that come in.
        """
        if not self.match.judged:
            return
        truth = self.truth(at, self.used(place), exact=True)
        scales = np.array([g.scale + np.abs(g.high) for g in (*truth.gradients, truth.value, truth.slope)])
        at_kink = np.isin(at, place.points(self.kinks_at(self.used(place))))
        good = (np.isfinite(scales) & (scales < OVERFLOW * place.finfo.max / CHUNK)).all(axis=0)
        good &= (truth.kink > UNDECIDED * place.finfo.eps) & ~at_kink
        if self.bends:
            good &= np.abs(at) >= place.finfo.smallest_normal
        at, truth = at[good], truth[good]
        at, truth = at[:CHUNK], truth[:CHUNK]
        if not at.size:
            return
        names = [v.name for v in self.activation.parameters for _ in v.symbols]
        symbols = [
            (k, self.activation.symbols[k].name) for n in self.match.judged for k, m in enumerate(names) if m == n
        ]
        weights = place.rounded(points.rng(300).choice([-1.0, -0.5, 0.5, 1.0], size=len(at)))
        rows = [weights, *np.eye(len(at))] if place.compiled else [weights]
        x = np.resize(at, size) if size else at
        padded = [np.pad(row, (0, len(x) - len(at))).tolist() for row in rows]
        answer = self.ask(place, x, cotangents=padded, each=not place.compiled)
        alone = np.array(answer["sums"][1:]) if place.compiled else np.array(answer["each"])[:, 1:]
        for column, (k, name) in enumerate(symbols):
            known, found = truth.gradients[k], alone[:, column]
            bound = self.bound(place, known, truth.peak)
            yield Outcome(f"dF/d{name}", place, at, known, found, known.error(found), bound)
            total = Known.stacked([known.times(weights).summed()])
            added = np.array([answer["sums"][0][column]])
            limit = self.bound(place, total, np.array([truth.peak.max()]), growth=STRANGER + STRANGER_SUM)
            yield Outcome(f"sum of dF/d{name}", place, at[-1:], total, added, total.error(added), limit)

    def at_kinks(self, place: Place) -> Iterator[Outcome]:
        """Value and slope exactly at kinks: any number between the one-sided ones, or the stated one."""
        values = self.used(place)
        exact = np.array(self.kinks_at(values))
        at = place.rounded(exact) if exact.size else exact
        at = np.unique(at[at == exact])
        if not at.size:
            return
        answer = self.ask(place, at)
        here = self.truth(at, values, exact=True)
        step = KINK_STEP * (1 + np.abs(at))
        sides = [[self.oracle(at + s * k * step, values, exact=True) for k in (1.0, 2.0)] for s in (-1.0, 1.0)]
        for kind, part in (("F", "value"), ("dF/dx", "slope")):
            found, stated = np.array(answer[part]), getattr(here, part)
            ends = [getattr(pair[0], part).high for pair in sides]
            with np.errstate(all="ignore"):
                slack = [
                    self.bound(place, getattr(near, part), near.peak)
                    + 2 * np.abs(getattr(near, part).high - getattr(beyond, part).high)
                    for near, beyond in sides
                ]
                low, high = np.minimum(*ends), np.maximum(*ends)
                outside = np.maximum(np.maximum(low - found, found - high), 0.0)
                outside = np.fmin(outside, np.abs(found - stated.high))
            number = np.isfinite(low) & np.isfinite(high)
            error = np.where(np.isfinite(found), outside, np.inf)
            shown = np.where(np.isfinite(stated.high), stated.high, (low + high) / 2)
            known = Known(shown, np.zeros_like(shown), np.abs(shown))
            yield Outcome(kind, place, at, known, found, error, slack[0] + slack[1])[number]
