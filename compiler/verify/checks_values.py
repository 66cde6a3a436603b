"""Value, slope and parameter gradients against the oracle: in every dtype, at kinks, at ties and at large |x|."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from learnact.compiler.verify import points, tolerances
from learnact.compiler.verify.jets import KINKED
from learnact.compiler.verify.ledger import Finding, Ledger, NotApplicable, expect
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.oracle import Known, Truth
from learnact.compiler.verify.points import Setting
from learnact.compiler.verify.subject import LAYOUTS, Answer, Subject
from learnact.compiler.verify.tolerances import FP32, FP64, GROWTH, SUMMATION, UNDECIDED, Precision

BEYOND = "beyond the dtype's range"
NOWHERE = "where F or a derivative is no number"
NEAR = "where rounding decides the branch"
ADVICE = "the way to it overflows or is 0/0; write F with tanh, sigmoid or softplus, or let a Piecewise fill the gap"

HALF_POINTS = 300  # of the dense sample that the half types are shown
CHUNK = {True: 8, False: 32}  # points whose parameter gradients are summed together: of the few, of the many


@dataclass(frozen=True)
class Met:
    """What the file computed, and the oracle's values at the same rounded inputs."""

    label: str
    answer: Answer
    truth: Truth
    precision: Precision
    parameter_dtype: torch.dtype

    def bound(self, known: Known) -> Array:
        """The error bound of each value or slope."""
        return self.precision.bound(known.scale, self.truth.peak, rounded=np.abs(known.high))

    @property
    def continuous(self) -> Array:
        """Where rounding cannot move the value across a jump."""
        return self.truth.jump > UNDECIDED * self.precision.eps

    @property
    def smooth(self) -> Array:
        """Where rounding cannot decide the branch."""
        return self.truth.kink > UNDECIDED * self.precision.eps

    @property
    def reached(self) -> Array:
        """Where a program need not overflow: a plain one does not, or F and all its derivatives are far from it.

        What rounding may do says nothing here: a number is due even where its bound is beyond the range.
        """
        plain, best = self.truth.peak < self.precision.range, self.truth.size < self.precision.roomy
        return plain | best

    def values(self, ledger: Ledger, where: Array | None = None) -> None:
        """Compare values; by default where no jump is within rounding."""
        self._numbers(ledger, self.truth.value, self.answer.value, self.continuous if where is None else where)

    def slopes(self, ledger: Ledger, where: Array | None = None) -> None:
        """Compare cotangent times slope; by default where the branch is decided."""
        known = self.truth.slope.times(self.answer.cotangent)
        self._numbers(ledger, known, self.answer.slope, self.smooth if where is None else where)

    def _numbers(self, ledger: Ledger, known: Known, found: Array, decided: Array) -> None:
        number = np.isfinite(known.high)
        due = number & self.reached & decided & (np.abs(known.high) < self.precision.largest)
        inside = self.reached & (known.scale < self.precision.largest)
        at = number & inside & decided
        for count, reason in ((~number, NOWHERE), (number & ~inside, BEYOND), (number & inside & ~decided, NEAR)):
            ledger.leave(count.sum(), reason)
        for k in np.flatnonzero(due & ~np.isfinite(found))[:1]:
            where = f"{self.label}, x = {self.answer.points[k]:.6g}"
            expect(False, f"{where}: {found[k]} for {known.high[k]:.6g}; {ADVICE}")
        ledger.compare(known.error(found)[at], self.bound(known)[at], self.label, self.answer.points[at])

    def gradients(self, ledger: Ledger, where: Array | None = None) -> None:
        """Compare the sums of every chunk; by default of chunks whose branches are all decided."""
        decided = self.smooth if where is None else where
        rounded = self.parameter_dtype != self.precision.compute
        largest = tolerances.OVERFLOW * torch.finfo(self.parameter_dtype).max
        for chunk, found in zip(self.answer.chunks, self.answer.sums, strict=True):
            part, cotangent = self.truth[chunk], self.answer.cotangent[chunk]
            reasons = {NOWHERE: part.finite, BEYOND: self.reached[chunk], NEAR: decided[chunk]}
            broken = [reason for reason, holds in reasons.items() if not holds.all()]
            if broken:
                ledger.leave(len(part.gradients), broken[0])
                continue
            known = Known.stacked([gradient.times(cotangent).summed() for gradient in part.gradients])
            at = known.scale < largest
            ledger.leave((~at).sum(), BEYOND)
            size = abs(self.answer.points[chunk.start])
            due = np.abs(known.high) < largest
            for number in found[due & ~np.isfinite(found)][:1]:
                expect(False, f"{self.label}, a sum from |x| = {size:.6g} on: {number}; {ADVICE}")
            bound = self.precision.bound(
                known.scale, part.peak.max(), rounded=rounded * np.abs(known.high), growth=GROWTH + SUMMATION
            )
            ledger.compare(known.error(found)[at], bound[at], f"{self.label}, |x| = {size:.3g}")


def meet(
    subject: Subject,
    setting: Setting,
    at: Array,
    precision: Precision,
    parameter_dtype: torch.dtype | None = None,
    chunk: int | None = None,
) -> list[Met]:
    """Evaluate file and oracle at the same inputs, in every layout of x; float64 is compared with 30 digits."""
    parameter_dtype = parameter_dtype or precision.compute
    met = []
    for layout in LAYOUTS:
        answer = subject.answer(
            setting, at, precision.dtype, parameter_dtype, chunk or CHUNK[precision is FP64], layout
        )
        truth = subject.truth(answer, exact=precision.dtype == torch.float64)
        label = f"{setting.name} in {precision.label}, {layout}"
        if parameter_dtype != precision.compute:
            label += f", parameters in {tolerances.LABELS[parameter_dtype]}"
        met.append(Met(label, answer, truth, precision, parameter_dtype))
    return met


def asked(subject: Subject, setting: Setting, precision: Precision) -> Array:
    """The points at which a dtype is tried; the answer's own points are these, rounded to the dtype."""
    if precision is FP64:
        return points.few(setting, subject.law)
    return points.many(setting, subject.law, count=1200 if precision is FP32 else HALF_POINTS)


def check_value(subject: Subject, precision: Precision) -> Finding:
    """F in this dtype, in (N,) tensors; half types with parameters in fp32 and in their own dtype."""
    ledger, asked_for = Ledger(), 0
    for setting in subject.settings:
        for dtype in dict.fromkeys((precision.compute, precision.dtype)):
            for met in meet(subject, setting, asked(subject, setting, precision), precision, dtype):
                met.values(ledger)
                asked_for += met.answer.points.size
    enough = ledger.count >= tolerances.COVERAGE * asked_for
    expect(enough, f"only {ledger.count} of {asked_for} points have a value to compare with: {ledger.left}")
    return ledger.finding("values")


def check_slope(subject: Subject, precision: Precision) -> Finding:
    """The gradient of the input in this dtype."""
    ledger = Ledger()
    for setting in subject.settings:
        for met in meet(subject, setting, asked(subject, setting, precision), precision):
            met.slopes(ledger)
    return ledger.finding("slopes")


def check_parameter_gradients(subject: Subject, precision: Precision) -> Finding:
    """Sums of cotangent times dF/d(parameter); half types with parameters in fp32 and in their own dtype."""
    subject.require_parameters()
    ledger = Ledger()
    for setting in subject.settings:
        at = asked(subject, setting, precision)
        for dtype in dict.fromkeys((precision.compute, precision.dtype)):
            for met in meet(subject, setting, at, precision, dtype):
                met.gradients(ledger)
    return ledger.finding("gradient sums")


def check_large_x(subject: Subject) -> Finding:
    """F, its slope and its parameter gradients at large |x|, wherever the exact numbers are finite in the dtype."""
    ledger = Ledger()
    for precision in tolerances.PRECISIONS:
        for setting in subject.settings:
            for met in meet(subject, setting, np.array(points.LARGE), precision):
                met.values(ledger)
                met.slopes(ledger)
                met.gradients(ledger)
    return ledger.finding("numbers")


def check_kinks(subject: Subject) -> Finding:
    """Value and slope on both sides of every kink, at it a slope between. Raises NotApplicable without a kink."""
    ledger = Ledger()
    for setting in subject.settings:
        for precision in (FP64, FP32):
            at = points.around(setting.kinks, tolerances.KINK_STEP[precision.dtype])
            for met in meet(subject, setting, at, precision) if at.size else ():
                met.values(ledger)
                met.slopes(ledger)
                met.gradients(ledger)
        if setting.kinks:
            _at_kinks(subject, setting, ledger)
    if not ledger.count:
        raise NotApplicable("the function has no kink at any start")
    return ledger.finding("numbers beside kinks")


def _at_kinks(subject: Subject, setting: Setting, ledger: Ledger) -> None:
    """Values at the kinks, and slopes between the one-sided ones; the left one's where no rounding decides."""
    met = meet(subject, setting, np.array(setting.kinks), FP64)[0]
    met.values(ledger)
    finite = np.isfinite(met.truth.slope.high)
    ledger.leave((~finite).sum(), NOWHERE)
    met.slopes(ledger)
    here, cotangent = met.answer.points, met.answer.cotangent
    step = tolerances.KINK_STEP[torch.float64] * (1 + np.abs(here))
    sides = []
    for side in (-1.0, 1.0):
        near, beyond = (
            subject.oracle(here + side * k * step, met.answer.parameters, exact=True).slope.times(cotangent)
            for k in (1.0, 2.0)
        )
        slack = met.bound(near) + 2 * np.abs(near.high - beyond.high)  # from here to the kink it still moves
        sides.append((near.high, slack))
    (left, left_slack), (right, right_slack) = sides
    low, high = np.minimum(left, right), np.maximum(left, right)
    with np.errstate(invalid="ignore"):
        outside = np.maximum(np.maximum(low - met.answer.slope, met.answer.slope - high), 0.0)
    bound = left_slack + right_slack
    ledger.compare(outside[finite], bound[finite], f"{setting.name} at a kink in fp64", here[finite])


def check_ties(subject: Subject) -> Finding:
    """Exact ties at small integers: the piece just below x has the derivative, of equal slopes the first one.

    Raises NotApplicable where no piece can tie, or ties are not exact at integers.
    """
    if not subject.activation.function.has(*KINKED):
        raise NotApplicable("no piece of the function can tie")
    if not points.decided_exactly(subject.activation):
        raise NotApplicable("what decides the pieces is not exact at integers")
    ledger, at = Ledger(), np.array(points.INTEGERS)
    for values in points.tied_settings(subject.activation):
        setting = Setting(f"integers {' '.join(f'{v:g}' for v in values)}", values, ())
        for precision in (FP64, FP32):
            for met in meet(subject, setting, at, precision, chunk=1):  # no sum hides which piece took the derivative
                everywhere = met.truth.finite & ~met.truth.gap
                met.values(ledger, everywhere)
                met.slopes(ledger, everywhere)
                met.gradients(ledger, everywhere)
    return ledger.finding("numbers, ties among them")
