"""Where the coefficients of the polynomials in templates/ come from, and how near they are: the Remez exchange.

    python -m benchmarks.coefficients            # derives them again, compares, prints the bounds; 1 if one differs

Each polynomial is the one of its degree whose largest weighted error on its interval is smallest; its coefficients are
then rounded to float32, in which they are used, and written with as few digits as float32 needs. All is computed with
mpmath at 30 digits on a fixed grid, so the numbers are the same everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import mpmath
import numpy as np

from benchmarks.tables import table
from learnact.compiler.emit import coefficients as committed

GRID = 600
EXCHANGES = 8
Real = Callable[[mpmath.mpf], mpmath.mpf]


@dataclass(frozen=True)
class Polynomial:
    """What is approximated: `target` by a polynomial of this degree, errors multiplied by `weight`."""

    target: Real
    weight: Real
    low: float
    high: float
    degree: int
    meaning: str


def _per_square(f: Real, linear: mpmath.mpf) -> Real:
    """s -> (f(u)/u - linear)/s or, where linear is 0, f(u)/u: what is left of an odd function, in s = u^2."""
    return lambda s: (f(mpmath.sqrt(s)) / mpmath.sqrt(s) - linear) / s


BEND = mpmath.mpf("2.5")
REACH = mpmath.mpf("14.5")
"""Beyond, exp(-a^2/2) is 0 in float32."""


def _mills(a: mpmath.mpf) -> mpmath.mpf:
    """Phi(-a) exp(a^2/2)."""
    return mpmath.erfc(a / mpmath.sqrt(2)) * mpmath.exp(a * a / 2) / 2


@cache
def gelu_root() -> mpmath.mpf:
    """a with Phi(-a) = a phi(a): the slope of GELU is 0 at -a."""
    with mpmath.workdps(30):
        return mpmath.findroot(lambda a: _mills(a) - a / mpmath.sqrt(2 * mpmath.pi), 0.75)


def _gelu_part(q: mpmath.mpf) -> mpmath.mpf:
    a = BEND * q / (1 - q)
    return _mills(a) * (a + BEND)


def _gelu_slope_part(q: mpmath.mpf) -> mpmath.mpf:
    a = BEND * q / (1 - q)
    return (_mills(a) - a / mpmath.sqrt(2 * mpmath.pi)) / (gelu_root() - a)


POLYNOMIALS: dict[str, Polynomial] = {
    "TANH": Polynomial(
        _per_square(mpmath.tanh, mpmath.mpf(1)), lambda s: s * mpmath.sqrt(s) / mpmath.tanh(mpmath.sqrt(s)),
        1e-8, 0.4, 4, "tanh(u) = u + u s P(s), s = u^2 < 2/5; relative error",
    ),
    "ERF": Polynomial(
        lambda s: mpmath.erf(mpmath.sqrt(s)) / mpmath.sqrt(s) - 1,
        lambda s: mpmath.sqrt(s) / mpmath.erf(mpmath.sqrt(s)),
        1e-8, 0.72, 5, "erf(u) = u + u P(s), s = u^2 < 18/25; relative error",
    ),
    "ERFC": Polynomial(
        lambda a: -mpmath.log(mpmath.erfc(a)), mpmath.erfc,
        0.84, 4.0, 5, "erf(u) = 1 - exp(-P(a)), 0.84 < a = abs(u) < 4; absolute error",
    ),
    "GELU": Polynomial(
        _gelu_part, lambda q: 1 / _gelu_part(q), 1e-8, float(REACH / (REACH + BEND)), 9,
        "Phi(-a) = exp(-a^2/2) P(q)/(a + 5/2), q = a/(a + 5/2), 0 <= a <= 14.5; relative error",
    ),
    "GELU_SLOPE": Polynomial(
        _gelu_slope_part, lambda q: 1 / _gelu_slope_part(q), 1e-8, float(REACH / (REACH + BEND)), 8,
        "Phi(-a) - a phi(a) = exp(-a^2/2) (root - a) P(q), q as above, 0 <= a <= 14.5; relative error",
    ),
    "ATANH": Polynomial(
        lambda s: 2 * (mpmath.atanh(mpmath.sqrt(s)) / mpmath.sqrt(s) - 1) / s,
        lambda s: s * mpmath.sqrt(s) / mpmath.atanh(mpmath.sqrt(s)) / 2,
        1e-8, 1 / 9, 3, "log(1 + z) = 2 v + v s P(s), v = z/(2 + z) <= 1/3, s = v^2; relative error",
    ),
    "EXPM1": Polynomial(
        lambda u: (mpmath.expm1(u) - u) / u**2 if u else mpmath.mpf("0.5"), lambda u: u**2 / mpmath.expm1(u),
        -0.5, 0.5, 5, "exp(u) - 1 = u + u^2 P(u), -1/2 <= u <= 1/2; relative error",
    ),
}  # fmt: skip


def derive(p: Polynomial) -> tuple[tuple[float, ...], float]:
    """Coefficients, of the highest power first, and the largest weighted error of the polynomial that has them."""
    with mpmath.workdps(30):
        grid = [p.low + (p.high - p.low) * (1 - mpmath.cos(mpmath.pi * k / GRID)) / 2 for k in range(GRID + 1)]
        target, weight = [p.target(t) for t in grid], [p.weight(t) for t in grid]
        count = p.degree + 2
        chosen = [round(k * GRID / (count - 1)) for k in range(count)]
        for _ in range(EXCHANGES):
            rows = [[*(grid[i] ** k for k in range(p.degree + 1)), (-1) ** j / weight[i]] for j, i in enumerate(chosen)]
            *powers, _level = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([target[i] for i in chosen]))
            errors = [w * (mpmath.polyval(powers[::-1], t) - y) for t, y, w in zip(grid, target, weight, strict=True)]
            exchanged = _extrema(errors, count)
            if exchanged == chosen:
                break
            chosen = exchanged
        rounded = [mpmath.mpf(float(str(np.float32(float(c))))) for c in powers[::-1]]
        worst = max(abs(w * (mpmath.polyval(rounded, t) - y)) for t, y, w in zip(grid, target, weight, strict=True))
        return tuple(float(c) for c in rounded), float(worst)


def _extrema(errors: Sequence[mpmath.mpf], count: int) -> list[int]:
    """Places of the largest error in each run of one sign: as many neighbouring ones as are wanted, the largest."""
    runs: list[list[int]] = []
    for i, e in enumerate(errors):
        if runs and (e > 0) == (errors[runs[-1][0]] > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    peaks = [max(run, key=lambda i: abs(errors[i])) for run in runs]
    while len(peaks) > count:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    if len(peaks) < count:
        raise ArithmeticError(f"{len(peaks)} extrema for a polynomial that needs {count}: take another degree")
    return peaks


def main() -> int:
    """Derive all of them again."""
    rows, wrong = [], []
    for name, p in POLYNOMIALS.items():
        found, bound = derive(p)
        same = found == getattr(committed, name, None)
        rows.append([name, p.meaning, p.degree, f"{bound:.1e}", "yes" if same else "NO"])
        if not same:
            wrong.append(f"{name} = {found}")
    root, rest = committed.GELU_ROOT
    left = float(gelu_root() - mpmath.mpf(rest) - mpmath.mpf(float(np.float32(root))))
    rows.append(
        [
            "GELU_ROOT",
            "Phi(-root) = root phi(root), in two parts",
            "",
            f"{left:.1e}",
            "yes" if abs(left) < 1e-15 else "NO",
        ]
    )
    if abs(left) >= 1e-15:
        wrong.append(f"GELU_ROOT = {mpmath.nstr(gelu_root(), 20)}")
    print(table(["name", "what", "degree", "largest error", "as committed"], rows))
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
