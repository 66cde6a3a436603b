"""The smallest input at which code is wrong, and what it should have found there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from learnact.compiler.verify.trial import Outcome, Place

DIGITS = {"fp64": 17, "fp32": 9, "bf16": 4, "fp16": 5}  # that tell neighbours of the dtype apart
NAMES = {"fp64": "float64", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
SIMPLE = tuple(
    sign * digit * 10.0**k for k in range(-7, 3) for digit in (1, 2, 5, 3, 4, 6, 7, 8, 9) for sign in (1, -1)
)
"""Inputs of one digit, which are tried besides those that failed."""

CLEAR = 4.0  # errors above so many bounds are preferred to simpler inputs that are barely wrong


@dataclass(frozen=True)
class Counterexample:
    """One number that is wrong."""

    kind: str  # F, dF/dx, dF/da
    x: float  # the input
    dtype: str  # of the input and the parameters
    compiled: bool  # by torch.compile
    parameters: dict[str, list[float]]  # the values by name
    expected: float  # to the digits of a double
    found: float  # what the code returned
    ulps: float  # |found - expected| in units in the last place of what was expected
    allowed: float  # the bound, in the same units

    def text(self) -> str:
        """Four lines: the input, expected, found, the error."""
        digits = DIGITS[next(k for k, v in NAMES.items() if v == self.dtype)]
        values = "".join(
            f", {name} = {' '.join(f'{v:.{digits}g}' for v in entries)}" for name, entries in self.parameters.items()
        )
        where = f"{self.dtype}, torch.compile" if self.compiled else self.dtype
        lines = (
            f"counterexample: {self.kind} at x = {shortest(self.x, self.dtype)} ({where}){values}",
            f"  expected  {self.expected:.{digits}g}",
            f"  found     {self.found:.{digits}g}",
            f"  error     {_ulps(self.ulps)} ulps, allowed {_ulps(self.allowed)}"
            if math.isfinite(self.ulps)
            else "  error     a finite number is due",
        )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same as strings and numbers; those that are not finite are strings."""
        return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def smallest(
    misses: Sequence[Outcome],
    compare: Callable[[Place, Sequence[float]], Sequence[Outcome]],
    named: Callable[[Place], dict[str, list[float]]],
) -> Counterexample | None:
    """The wrong number with the shortest input among the `misses` and inputs of one digit; None without misses.

    F comes before slopes, those before gradients; the declared values before others, float32 before other dtypes, eager
    before compiled. `compare` gives the outcomes at more inputs, `named` the parameters of a place.
    """
    if not misses:
        return None
    first = min(misses, key=_order)
    found = [first]
    if not first.kind.startswith("sum"):
        found += [o for o in compare(first.place, SIMPLE) if o.kind == first.kind]
    wrong = [(o, int(k)) for o in found for k in np.flatnonzero(o.missed)]
    dtype = NAMES[first.place.label]
    outcome, k = min(wrong, key=lambda pair: _length(pair[0], pair[1], dtype))
    expected, got = float(outcome.known.high[k]), float(outcome.found[k])
    unit = ulp(expected if expected or not math.isfinite(got) else got, first.place)
    return Counterexample(
        outcome.kind,
        float(outcome.at[k]),
        dtype,
        first.place.compiled,
        named(first.place),
        expected,
        got,
        float(outcome.error[k]) / unit,
        float(outcome.bound[k]) / unit,
    )


def _order(outcome: Outcome) -> tuple[bool, int, int, int, int]:
    place = outcome.place
    kind = ["F", "dF/dx"].index(outcome.kind) if outcome.kind in ("F", "dF/dx") else 2 + outcome.kind.startswith("sum")
    labels = ("fp32", "fp64", "bf16", "fp16")
    return (place.compiled, kind, 0 if place.name == "declared" else 1, labels.index(place.label), len(outcome.kind))


def _length(outcome: Outcome, k: int, dtype: str) -> tuple[bool, int, float, bool]:
    """What is clearly wrong comes first, then the fewest decimal digits, then the exponent nearest to 0."""
    x, clear = float(outcome.at[k]), bool(outcome.error[k] > CLEAR * outcome.bound[k])
    digits = shortest(x, dtype).lstrip("-").split("e")[0].replace(".", "").strip("0")
    return not clear, len(digits), abs(math.log10(abs(x))) if x else 0.0, x < 0


def shortest(x: float, dtype: str) -> str:
    """The shortest decimal that `dtype` reads as `x`."""
    label = next(k for k, v in NAMES.items() if v == dtype)
    place = Place(label, False, "", ())
    texts = (f"{x:.{digits}g}" for digits in range(1, DIGITS[label] + 1))
    text = next((t for t in texts if place.rounded([float(t)])[0] == x), f"{x:.17g}")
    return repr(float(text)).removesuffix(".0")


def ulp(value: float, place: Place) -> float:
    """The spacing of the place's dtype at `value`."""
    info = place.finfo
    if not math.isfinite(value) or abs(value) < info.smallest_normal:
        return info.smallest_normal * info.eps
    return info.eps * 2.0 ** math.floor(math.log2(abs(value)))


def _ulps(count: float) -> str:
    return f"{count:.3g}" if count < 1e5 or not math.isfinite(count) else f"{count:.2g}"
