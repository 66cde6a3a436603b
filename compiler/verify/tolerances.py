"""Every tolerance of the referee, each with its reason.

A rounding bound reads `eps * GROWTH * scale`, and what underflows besides. Scale is the running error magnitude of the
declared expression (see measured.py), so a sum that must cancel may lose what it must lose, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from learnact.compiler.verify.measured import Array


@dataclass(frozen=True)
class Precision:
    """Error bounds of a module for inputs of one dtype."""

    dtype: torch.dtype
    compute: torch.dtype  # what it must compute in

    @property
    def eps(self) -> float:
        """Spacing of the computing dtype at 1."""
        return torch.finfo(self.compute).eps

    @property
    def unit(self) -> float:
        """Relative error of rounding the answer to its dtype; 0 where that is the computing dtype."""
        return 0.0 if self.dtype == self.compute else torch.finfo(self.dtype).eps / 2

    def bound(
        self, scale: Array, peak: Array | float, *, rounded: Array | float = 0.0, growth: float | None = None
    ) -> Array:
        """eps * growth * scale + unit * rounded + underflow: the error bound of numbers of this rounding scale.

        `peak` is the largest magnitude met on the way: it multiplies what underflows. `rounded` is the magnitude of
        the answers if they are rounded to the dtype at the end; `growth` replaces GROWTH.
        """
        answer, compute = torch.finfo(self.dtype), torch.finfo(self.compute)
        underflow = answer.smallest_normal * answer.eps + UNDERFLOWS * compute.smallest_normal * (1 + peak)
        with np.errstate(invalid="ignore"):  # where there is no number
            return self.eps * (GROWTH if growth is None else growth) * scale + self.unit * rounded + underflow

    @property
    def largest(self) -> float:
        """Beyond this answers may round to infinity."""
        return OVERFLOW * torch.finfo(self.dtype).max

    @property
    def range(self) -> float:
        """Beyond this intermediate results may overflow."""
        return OVERFLOW * torch.finfo(self.compute).max

    @property
    def roomy(self) -> float:
        """Below this an answer is due though a plain evaluation overflows."""
        return ROOM * torch.finfo(self.compute).max

    @property
    def label(self) -> str:
        """fp64, fp32, bf16, fp16: the ending of check names."""
        return LABELS[self.dtype]


LABELS = {torch.float64: "fp64", torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
PRECISIONS = tuple(Precision(d, torch.promote_types(d, torch.float32)) for d in LABELS)
FP64, FP32, BF16, FP16 = PRECISIONS

GROWTH = 4.0
"""Roundings of a straight-line program, in units of eps * scale. Scale counts one eps, twice the unit roundoff, for
every operation of the declared expression; recurrences, which do other operations, were measured to stay below 0.5
up to degree 12, in every dtype. Single-precision constants in double precision miss this by a factor of 1e8."""

UNDERFLOWS = 8.0
"""Intermediate results that may underflow on the way to one answer, each to 0 from below the smallest normal number,
for compiled code flushes subnormals."""

SUMMATION = 4.0
"""Further roundings of a gradient summed over a few dozen points, in units of eps * sum |terms|: torch sums in
chunks, so the depth of the additions, not the number of terms, counts."""

LONG_SUMMATION = 1024.0
"""The same for a sum over 1e5 points: a BLAS may add long rows one by one, and the square root of their number counts.
A chunk that is forgotten is a fraction of all terms, 1e12 times this."""

STRANGER = 8.0
"""The same of code that somebody else wrote, in eps of the dtype itself: it may round after each operation, compute by
another formula than the declared one, and call functions of up to four units in the last place. torch's own
activations stay below 3.5 (its GELU, in a tail; the others below 1)."""

STRANGER_SUM = 8.0
"""What its sum of 32 parameter gradients may add: log2(32) roundings pairwise, and one for each weight."""

NEAR_ZERO = 0.0625
"""Where F(0) = 0, values at |x| up to this are judged by their relative error, whatever the formula cancels."""

DOUBLES = 2.0**-49
"""Error of the oracle in doubles, relative to scale: eight roundings; a millionth of what float32 may lose."""

UNDECIDED = 64.0
"""Nearer than eps * this * scale to a kink, rounding decides the branch: slopes are not compared there."""

COVERAGE = 0.25
"""Share of the points at which values must be comparable, or nothing was verified; log(x) has half of them."""

OVERFLOW = 0.25
"""Share of the largest number that the scale may reach before overflow on the way to the answer is excused."""

ROOM = 1e-9
"""Share of the largest number that F and all its derivatives may reach for a program to owe them where a plain
evaluation overflows: a recurrence may carry its terms without their factor 1/k!, 1/12! = 2e-9."""

SAME = 4.0
"""Roundings, in units of eps * scale, by which two orders of the same sum may differ, beside the GROWTH of each."""

MOMENT = 1e-9
"""Claimed against integrated moments, relative. Composite Gauss-Legendre split at the kinks reaches 1e-12 for
degree 12; a claim of 16 digits adds 1e-15; a wrong start or a forgotten term shows at 1e-2 or more."""

HALVED = 1e-13
"""What halving a panel may move in an integral, relative to its size: a thousand panels stay far below MOMENT, and
above the rounding of a panel's sum, 1e-16."""

BALANCE = 1e-12
"""Claimed E[F^2] and E[F'^2] of a balanced start against 1: both are solved exactly and printed as doubles."""

STEEPNESS = 1e-5
"""kappa from slopes a KINK_STEP to either side of each kink, relative: F'' times that step, in a jump of order 1."""

SIGMAS = 6.0
"""Monte Carlo against integrated moments, in standard errors whose variance is integrated, not sampled, because
the fourth moments of a polynomial of degree 12 are not seen by a sample. One in 5e8 for a normal mean."""

START = 1e-14
"""Printed start values against the declaration's, relative: both are correctly rounded doubles, so a few eps."""

FORM = 1e-10
"""Residual of gain and shift fitted to the printed start values, relative: least squares in doubles."""

FIT = 1e-9
"""Largest correlation, in value and slope together, between a linear fit's residual and a feature: least squares
leaves none but rounding and the fit's own quadrature."""

RIDGE = 1e-2
"""The strongest ridge that a linear fit may have, the features scaled to norm 1."""

RIDGED = 5.0
"""Sum of the terms' norms, in units of the target's, below which a linear fit has no cause for a ridge: fits are
regularised from 50 on, to less than that by a ridge ten times too strong at most."""

FIT_STEP = 1e-3
"""Relative size of the moves from a fit that is not linear: large against its solver's last step, small against the
distance to another minimum."""

FIT_GAIN = 1e-4
"""What such a move may gain of the squared distance, relative to the target's own size; a solver that stopped
early gains that little, a wrong entry gains as much as it is wrong."""

DEGREE = 1e-6
"""The probe that tells degrees apart, relative to scale: neighbouring degrees differ by 1e-3 and more."""

GRADCHECK: dict[str, Any] = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-4}
"""Central differences in fp64: error eps^2 F''' + 1e-16 |F| / eps = 1e-10 of the function's size; a wrong sign or a
dropped term is of order 1. atol and rtol leave room for parameters whose sums are large."""

SECOND_STEP = 2.0**-17
"""Step of central differences of first derivatives in doubles: 1e-10 times a fourth derivative, and 1e-11 of the scale
of the first ones, which are rounded."""

SECOND = 1e-7
"""Second derivatives, relative to 1 + the scale of the first ones: far above both; a forgotten one is of order 1."""

KINK_MARGIN = 1e-2
"""Distance from a kink, in x, that finite differences and their 1e-6 steps need, with room for moved parameters."""

KINK_STEP = {torch.float64: 1e-7, torch.float32: 1e-2}
"""Steps to either side of a kink, relative to 1 + |kink|: decided in the dtype, near enough for one-sided limits."""
