"""The referee of code that somebody else wrote: a function or nn.Module, by hand, against a declaration.

The numbers that are due come from the oracle; the code runs in a process of its own (`stranger.py`), or in this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from learnact.compiler.declare.spec import Activation
from learnact.compiler.verify import points
from learnact.compiler.verify.counterexample import Counterexample, smallest
from learnact.compiler.verify.dialogue import Dialogue, Here, Match, Message, NoAnswer, Process
from learnact.compiler.verify.ledger import Ledger
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.report import Check, Report, Skipped
from learnact.compiler.verify.stranger import DTYPES, Wrong
from learnact.compiler.verify.trial import Outcome, Place, Trial, by_name
from learnact.errors import BadTarget

DECLARED = "declared"
MOVED = ((1.25, 0.75, 1.5, 0.625), (0.5, 1.375, 0.875, 1.625))
"""Factors by which parameters are moved, in turn: away from 0 and from each other, never across 0."""

SMALL = tuple(2.0**-k for k in (40, 30, 24, 20, 14, 10, 7, 4))
PLAIN = (0.125, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0)
FAR = (10.0, 12.0, 16.0, 20.0, 22.0, 30.0, 50.0, 90.0, 100.0, 300.0, 1024.0, 9984.0)
DECIMAL = (1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)
DENSE = np.concatenate([np.linspace(-10, 10, 2001), *(s * np.geomspace(1e-12, 10, 300) for s in (1, -1))])
LARGE = 8.5  # beyond this |x|, numbers belong to the check `large_x`
CELLS = 512  # between which edges of the domain are looked for
COMPILE_SECONDS = 60.0  # for the C++ compiler, on a busy machine
PATIENCE = 4.0  # seconds from the first question that compiled code is waited for where eager code is wrong
NO_COMPILER = ("InvalidCxxCompiler", "No working C++ compiler", "CppCompileError")


@dataclass(frozen=True)
class Judgement(Report):
    """The report on code that somebody else wrote."""

    matched: Mapping[str, str] = field(default_factory=dict)  # parameter -> the argument or attribute that it is
    not_judged: Mapping[str, str] = field(default_factory=dict)  # parameter -> why its gradient was not judged
    notes: tuple[str, ...] = ()  # what is no fault, and worth knowing
    counterexample: Counterexample | None = None  # the smallest that was found, if a number is wrong

    def table(self) -> str:
        """The checks, what was matched, and the counterexample at the end."""
        *lines, verdict = super().table().split("\n")
        lines += [f"matched: {name} is {what}" for name, what in self.matched.items()]
        lines += [f"not judged: the gradient of {name}; {why}" for name, why in self.not_judged.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines.append(verdict)
        if self.counterexample is not None:
            lines.append(self.counterexample.text())
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The report as dictionaries, lists, strings and numbers."""
        found = self.counterexample
        return super().as_dict() | {
            "matched": dict(self.matched),
            "not_judged": dict(self.not_judged),
            "notes": list(self.notes),
            "counterexample": None if found is None else found.as_dict(),
        }


def verify_against(
    activation: Activation,
    code: Any,
    *,
    values: Sequence[float] | None = None,
    declared: str = "",
    quick: bool = False,
    seconds: float = 10.0,
) -> Judgement:
    """Judge `code` against the declaration `activation`, at parameter `values`, flat in declared order.

    `code` is `FILE.py:callable` or `package.module:callable`, run in a process of its own in which each answer has so
    many `seconds`; or a live function, module or class, which runs here and is waited for. Without `values` those of
    the code itself are taken. `declared` is what the report calls the declaration; `quick` leaves torch.compile out.
    Raises BadTarget for code that cannot be judged: not there, not callable, without answer, or raising at once.
    """
    named = isinstance(code, str)
    eager: Dialogue = Process(code, compiled=False) if named else Here(code)
    second: Dialogue = Process(code, compiled=True) if named and not quick else eager
    title = code if isinstance(code, str) else eager.name  # type: ignore[attr-defined]  # Here has a name
    try:
        return _Judge(activation, eager, second, title, declared or activation.names.spec, seconds).judge(values, quick)
    finally:
        eager.close()
        second.close()


@dataclass
class _Judge:
    """One run: the checks in order, and every number that is wrong."""

    activation: Activation
    eager: Dialogue
    second: Dialogue  # compiles, while the other answers
    title: str
    declared: str
    seconds: float
    checks: list[Check] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    misses: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: str = ""  # why nothing more can be asked
    begin: float = field(default_factory=time.perf_counter)

    def judge(self, values: Sequence[float] | None, quick: bool) -> Judgement:
        vectors = self.activation.parameters
        scalars = [v.name for v in vectors if v.scalar]
        flat = tuple(values) if values is not None else (1.0,) * len(self.activation.symbols)
        named = by_name(self.activation, flat)
        match = self.eager.meet(named, scalars, self.seconds)
        if values is None:
            flat = tuple(v for name in named for v in match.own.get(name, _own(match, name, named[name])))
        self.trial = Trial(self.activation, self.eager, match, self.seconds)
        self.base = flat
        moved = [self._moved(flat, factors) for factors in MOVED] if len(match.fixed) < len(vectors) else []
        self.settings = {DECLARED: flat, **{f"moved {k}": m for k, m in enumerate(moved)}}
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                pending = None if quick else self._begin_compiling(pool, named, scalars)
                self._eager()
                if quick:
                    self.skipped.append(Skipped("compiled_fp32", "left out of a quick verification"))
                else:
                    self._make("compiled_fp32", lambda: self._compiled(pending))
            finally:
                if self.second is not self.eager:
                    self.second.close()  # the pool waits for its answer
        found = smallest(self.misses, self._again, lambda place: self.trial.named(self.trial.used(place)))
        return Judgement(
            self.declared,
            self.title,
            tuple(self.checks),
            tuple(self.skipped),
            match.matched,
            match.unjudged,
            tuple(self.notes),
            found,
        )

    def _moved(self, flat: Sequence[float], factors: Sequence[float]) -> tuple[float, ...]:
        """The values moved, except those that cannot be set; few digits, so that every dtype holds them."""
        names = [v.name for v in self.activation.parameters for _ in v.symbols]
        bf16 = Place("bf16", False, "", ())
        moved = [v * factors[k % len(factors)] if v else factors[k % len(factors)] / 2 for k, v in enumerate(flat)]
        fixed = self.trial.match.fixed
        return tuple(v if n in fixed else float(m) for n, v, m in zip(names, flat, bf16.rounded(moved), strict=True))

    def _place(self, label: str, setting: str = DECLARED, compiled: bool = False) -> Place:
        return Place(label, compiled, setting, self.settings[setting])

    def _again(self, place: Place, at: Sequence[float]) -> list[Outcome]:
        """Outcomes at more points, of the process that is still there."""
        if self.stopped or place.compiled:
            return []
        try:
            here = place.points(at)
            outcomes = self.trial.compare(place, here)
            if self._vanishes:
                outcomes.append(self.trial.near_zero(outcomes[0]))
            return outcomes + list(self.trial.gradients(place, here))
        except (Wrong, NoAnswer):
            return []

    def _make(self, name: str, outcomes: Callable[[], Iterator[Outcome]]) -> None:
        """One check: all outcomes in one ledger. Code that raises fails it, code that is silent ends the run."""
        if self.stopped:
            self.skipped.append(Skipped(name, self.stopped))
            return
        begin, ledger = time.perf_counter(), Ledger()
        worst, bound, passed = 1.0, 0.0, False
        try:
            for outcome in outcomes():
                where = f"{outcome.kind} with {outcome.place.name} values"
                ledger.compare(outcome.error, outcome.bound, where, outcome.at)
                for reason, count in outcome.left.items():
                    ledger.leave(count, reason)
                if outcome.missed.any():
                    self.misses.append(outcome)
        except Wrong as err:
            detail = str(err)
        except NoAnswer as err:
            detail = self.stopped = str(err)
        except Skip as err:
            self.skipped.append(Skipped(name, str(err)))
            return
        else:
            if not ledger.count:
                self.skipped.append(Skipped(name, f"nothing to compare{_left(ledger)}"))
                return
            finding = ledger.finding("numbers")
            worst, bound, passed, detail = finding.worst, finding.bound, finding.passed, finding.detail
        self.checks.append(Check(name, passed, worst, bound, detail, time.perf_counter() - begin))

    def _promise(self, name: str, promise: Callable[[], str]) -> None:
        """One check that holds or does not; the promise raises Wrong, or says what held."""
        if self.stopped:
            self.skipped.append(Skipped(name, self.stopped))
            return
        begin, passed = time.perf_counter(), False
        try:
            detail = promise()
            passed = True
        except Wrong as err:
            detail = str(err)
        except NoAnswer as err:
            detail = self.stopped = str(err)
        self.checks.append(Check(name, passed, float(not passed), 0.0, detail, time.perf_counter() - begin))

    def _eager(self) -> None:
        wanted = self._wanted()
        places = [self._place(label, name) for name in self.settings for label in DTYPES]
        self.trial.learn(places, wanted)
        self._promise("pointwise", self._pointwise)
        if not self.checks[-1].passed:
            self.stopped = self.stopped or "there is no F(x) to compare"
        self._promise("layouts", self._layouts)
        for label in ("fp32", "fp64", "bf16", "fp16"):
            self._numbers_in(label, [place for place in places if place.label == label], wanted)
        self._make("kinks", lambda: (o for p in places for o in self.trial.at_kinks(p)))
        self._note_tails()

    def _numbers_in(self, label: str, places: Sequence[Place], wanted: Array) -> None:
        """Values, slopes and parameter gradients in one dtype."""
        parts: dict[str, list[Outcome]] = {"value": [], "slope": [], "near_zero": [], "large_x": []}

        def values() -> Iterator[Outcome]:
            for outcome in (o for place in places for o in self._outcomes(place, wanted)):
                if outcome.kind == "F" and self._vanishes:
                    parts["near_zero"].append(self.trial.near_zero(outcome))
                far = np.abs(outcome.at) > LARGE
                parts["large_x"].append(outcome[far])
                parts["value" if outcome.kind == "F" else "slope"].append(replace(outcome[~far], left=outcome.left))
            yield from parts["value"]

        self._make(f"value_{label}", values)
        for kind in ("slope", "near_zero", "large_x"):
            if parts[kind]:
                self._make(f"{kind}_{label}", partial(iter, parts[kind]))
        if self.trial.match.judged:
            near = _moderate(wanted)
            gradients = (o for place in places for o in self.trial.gradients(place, place.points(near)))
            self._make(f"parameter_gradients_{label}", lambda: gradients)

    def _outcomes(self, place: Place, wanted: Array) -> Iterator[Outcome]:
        yield from self.trial.compare(place, place.points(wanted))
        if place.label == "fp32":
            yield from self.trial.compare(place, place.points(DENSE), exact=False)

    def _wanted(self) -> Array:
        """Points for the exact oracle; most of them every dtype holds."""
        both = [s * v for v in (*SMALL, *PLAIN, *FAR, *DECIMAL) for s in (1.0, -1.0)]
        kinks = {k for values in self.settings.values() for k in self.trial.kinks_at(values)}
        kinks |= {e for values in self.settings.values() for e in self._edges(values)}
        near = [k + s * d * (1 + abs(k)) for k in sorted(kinks)[:24] for d in (1e-6, 1e-3, 2.0**-5) for s in (1, -1)]
        random = points.rng(100).normal(scale=2.0, size=24)
        single = Place("fp32", False, "", ())
        return np.concatenate([[0.0], both, sorted(kinks), single.rounded([*near, *random])])

    def _edges(self, values: tuple[float, ...]) -> list[float]:
        """Where F begins or ends to be a number, by bisection."""
        grid = np.linspace(-points.REACH, points.REACH, CELLS + 1)
        finite = self.trial.oracle(grid, values, exact=False).finite
        cells = np.flatnonzero(finite[1:] != finite[:-1])[:8]
        left, right, there = grid[cells], grid[cells + 1], finite[cells]
        for _ in range(points.BISECTIONS if len(cells) else 0):
            middle = (left + right) / 2
            same = self.trial.oracle(middle, values, exact=False).finite == there
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        return [float(e) for e in left]

    @property
    def _vanishes(self) -> bool:
        """Whether F(0) = 0 whatever the parameters: then values near 0 are due to their relative accuracy."""
        zero = np.zeros(1)
        return all(abs(self.trial.truth(zero, v, exact=True).value.high[0]) == 0 for v in self.settings.values())

    def _pointwise(self) -> str:
        """Each element's value must not depend on its place, nor on its neighbours; asked twice, it is the same."""
        place = self._place("fp32")
        x = np.array(PLAIN[:6] + tuple(-v for v in PLAIN[3:9])).reshape(3, 4)
        first = np.array(self.trial.ask(place, x)["value"])
        if not np.array_equal(first, np.array(self.trial.ask(place, x)["value"]), equal_nan=True):
            raise Wrong("not deterministic: asked twice for the same input, it gives two answers")
        truth = self.trial.truth(x.flatten(), self.trial.used(place), exact=True)
        room = 2 * self.trial.bound(place, truth.value, truth.peak)
        order = points.rng(101).permutation(x.size)
        moved = np.empty_like(first)
        moved[order] = np.array(self.trial.ask(place, x.flatten()[order].reshape(x.shape))["value"])
        for k in np.flatnonzero(_differ(moved, first, room))[:1]:
            raise Wrong(f"not pointwise: x = {x.flat[k]:g} gives {first[k]:.6g}, and {moved[k]:.6g} at another place")
        for keep in (0, 1):
            kept = np.arange(x.size) % 2 == keep
            others = np.where(kept, x.flatten(), 3 - 2 * x.flatten()).reshape(x.shape)
            found = np.array(self.trial.ask(place, others)["value"])
            for k in np.flatnonzero(kept & _differ(found, first, room))[:1]:
                raise Wrong(
                    f"not pointwise: x = {x.flat[k]:g} gives {first[k]:.6g}, and {found[k]:.6g} beside other inputs"
                )
        return "the same at every place, beside any other input, and twice"

    def _layouts(self) -> str:
        """Strided and transposed tensors, of 3 and of no dimensions, and empty ones."""
        place = self._place("fp32")
        line = np.array(PLAIN[:6] + tuple(-v for v in PLAIN[:6]))
        cases: dict[str, tuple[Array, str]] = {
            "of stride 2": (line, "strided"),
            "transposed": (line.reshape(3, 4), "transposed"),
            "of 3 dimensions": (line.reshape(2, 3, 2), "contiguous"),
            "of no dimensions": (np.array(0.75), "contiguous"),
            "of shape (0,)": (np.zeros(0), "contiguous"),
            "of shape (0, 3)": (np.zeros((0, 3)), "contiguous"),
        }
        plain = dict(zip(line.tolist(), zip(*self._plain(place, line, "contiguous"), strict=True), strict=True))
        truth = self.trial.truth(line, self.trial.used(place), exact=True)
        rooms = dict(
            zip(
                line.tolist(),
                zip(*(2 * self.trial.bound(place, k, truth.peak) for k in (truth.value, truth.slope)), strict=True),
                strict=True,
            )
        )
        for what, (x, layout) in cases.items():
            try:
                found = self._plain(place, x, layout)
            except Wrong as err:
                raise Wrong(f"a tensor {what}: {err}") from err
            for kind, numbers, k in (("F", found[0], 0), ("dF/dx", found[1], 1)):
                for at, number in zip(x.flatten().tolist(), numbers, strict=True):
                    due = plain[at][k]
                    same = number == due or (np.isnan(number) and np.isnan(due))
                    if not (same or abs(number - due) <= rooms[at][k]):
                        raise Wrong(f"a tensor {what}: {kind} at x = {at:g} is {number:.6g}, in others {due:.6g}")
        return f"tensors {', '.join(cases)}"

    def _plain(self, place: Place, x: Array, layout: str) -> tuple[list[float], list[float]]:
        answer = self.trial.ask(place, x, layout=layout)
        return answer["value"], answer["slope"]

    def _note_tails(self) -> None:
        """Where float32 keeps no digit although its rounding is excused, for the declared formula cancels there."""
        if self.stopped or any(o.kind == "F" for o in self.misses):
            return
        place = self._place("fp32")
        try:
            outcome = self.trial.compare(place, place.points([s * v for v in PLAIN for s in (1.0, -1.0)]))[0]
        except (Wrong, NoAnswer):
            return
        lost = outcome.error > 0.5 * np.abs(outcome.known.high)
        for k in np.flatnonzero(lost & (outcome.known.high != 0))[:1]:
            self.notes.append(
                f"F loses its relative accuracy in float32 at x = {outcome.at[k]:g}: {outcome.known.high[k]:.3g} is "
                f"due, {outcome.found[k]:.3g} found; no fault, for the terms of the declared formula cancel there"
            )

    def _begin_compiling(
        self, pool: ThreadPoolExecutor, named: Mapping[str, Sequence[float]], scalars: Sequence[str]
    ) -> Future[Message] | None:
        """Ask the second process the first compiled question, while the first one is judged eagerly."""
        if isinstance(self.second, Here):
            return None
        place, second = self._place("fp32", compiled=True), self.second
        trial = Trial(self.activation, second, self.trial.match, COMPILE_SECONDS)
        x = place.points(DENSE)

        def first() -> Message:
            second.meet(named, scalars, self.seconds)
            return trial.ask(place, x)

        return pool.submit(first)

    def _compiled(self, pending: Future[Message] | None) -> Iterator[Outcome]:
        """The same questions to compiled code, all in tensors of one size."""
        trial = Trial(self.activation, self.second, self.trial.match, COMPILE_SECONDS)
        trial.truths, trial.kinks = self.trial.truths, self.trial.kinks
        dense = self._place("fp32").points(DENSE)
        first = self._place("fp32", compiled=True)
        patience = max(0.0, PATIENCE - (time.perf_counter() - self.begin)) if self.misses else None
        try:
            answer = trial.ask(first, dense) if pending is None else pending.result(timeout=patience)
        except FutureTimeout as err:
            self.second.close()
            raise Skip("not waited for, eager code is wrong already") from err
        except Wrong as err:
            if any(word in str(err) for word in NO_COMPILER):
                raise Skip(f"torch.compile found no C++ compiler: {err}") from err
            raise
        except NoAnswer as err:
            raise Skip(f"torch.compile: {err}") from err
        except BadTarget as err:
            raise Wrong(str(err)) from err
        yield from trial.compare(first, dense, exact=False, answer=answer)
        wanted = self._wanted()
        for name in self.settings:
            place = self._place("fp32", name, compiled=True)
            at = place.points([w for w in wanted if abs(w) <= FAR[-1]])
            outcomes = trial.compare(place, at, size=len(dense))
            yield from outcomes
            if self._vanishes:
                yield trial.near_zero(outcomes[0])
            yield from trial.gradients(place, place.points(_moderate(wanted)), size=len(dense))


class Skip(Exception):
    """A check that cannot be made; the message says why."""


def _differ(found: Array, due: Array, room: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return (np.abs(found - due) > room) | (np.isnan(found) != np.isnan(due))


def _moderate(wanted: Array) -> Array:
    return wanted[np.abs(wanted) <= LARGE]


def _own(match: Match, name: str, default: Sequence[float]) -> Sequence[float]:
    """Values of a parameter that brings none of its own: an argument takes any. Raises BadTarget."""
    if name in match.fixed:
        raise BadTarget(f"the values of {name} are not known: {match.unjudged[name]}; pass it as an argument")
    return [v * (0.5 + 0.375 * k) * (-1) ** (k // 2) for k, v in enumerate(default)]


def _left(ledger: Ledger) -> str:
    return "".join(f"; {count} {reason}" for reason, count in ledger.left.items())
