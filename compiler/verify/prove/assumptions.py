"""Helpers that are taken for what they stand for, tested with numbers: each identity here is checked, never proved."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy as sp

from learnact.compiler.verify.prove.library import Situation
from learnact.compiler.verify.prove.points import Point
from learnact.compiler.verify.prove.trace import Tracer
from learnact.compiler.verify.report import Identity

COUNT = 24
"""Numbers that a helper is tested with."""

EAGER, COMPILED = Situation("eager"), Situation("compiled", compiling=True)
KERNEL = Situation("Triton", cuda=True)
BOTH = (COMPILED, EAGER)
REDUCTION = 2e-7
"""Of sine and cosine by range reduction, in exact arithmetic: half an ulp of float32 at 1 is 6e-8."""

FITTED = 6e-8
"""Of tanh, softplus and erf by polynomials with float32 coefficients, relative: an ulp of float32 is 6e-8 to 1.2e-7."""

EXACT = 1e-25
"""Of what is only written in another way."""

WRITTEN = 1e-15
"""Of what has a constant in it that is written as a double."""


@dataclass(frozen=True)
class Helper:
    """What a helper stands for, in each place where it runs, and how near it must be in exact arithmetic."""

    situations: tuple[Situation, ...]
    meaning: Callable[[Any], Sequence[Any]]  # number -> what the results are
    reach: float
    bound: float  # relative to the larger of 1 and the value, or to the value if `relative`
    relative: bool = False


def _sigmoid(u: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-u))


def _gelu(u: mpmath.mpf) -> tuple[mpmath.mpf, ...]:
    return (u * mpmath.ncdf(u),)


def _gelu_slope(u: mpmath.mpf) -> tuple[mpmath.mpf, ...]:
    return (mpmath.ncdf(u) + u * mpmath.npdf(u),)


HELPERS: dict[str, Helper] = {
    "_sin_and_cos": Helper(BOTH, lambda u: (mpmath.sin(u), mpmath.cos(u)), 25000.0, REDUCTION),
    "_sin_and_cos_tile": Helper((KERNEL,), lambda u: (mpmath.sin(u), mpmath.cos(u)), 25000.0, REDUCTION),
    "_tanh": Helper(BOTH, lambda u: (mpmath.tanh(u),), 12.0, FITTED, relative=True),
    "_sech2": Helper(BOTH, lambda u: (mpmath.sech(u) ** 2,), 44.0, WRITTEN, relative=True),
    "_sech2_tile": Helper((KERNEL,), lambda u: (mpmath.sech(u) ** 2,), 40.0, EXACT, relative=True),
    "_logistic": Helper(BOTH, lambda u: (_sigmoid(u) * _sigmoid(-u),), 60.0, EXACT, relative=True),
    "_logistic_tile": Helper((KERNEL,), lambda u: (_sigmoid(u) * _sigmoid(-u),), 60.0, EXACT, relative=True),
    "_softplus": Helper(BOTH, lambda u: (mpmath.log1p(mpmath.exp(u)),), 60.0, FITTED, relative=True),
    "_softplus_tile": Helper((KERNEL,), lambda u: (mpmath.log1p(mpmath.exp(u)),), 60.0, EXACT, relative=True),
    "_erf": Helper(BOTH, lambda u: (mpmath.erf(u),), 6.0, FITTED, relative=True),
    "_sigmoid": Helper(BOTH, lambda u: (_sigmoid(u),), 60.0, EXACT, relative=True),
    "_raised_erf": Helper(BOTH, lambda u: (mpmath.erfc(-u),), 8.0, EXACT, relative=True),
    "_raised_erf_tile": Helper((KERNEL,), lambda u: (mpmath.erfc(-u),), 8.0, EXACT, relative=True),
    "_gelu": Helper(BOTH, _gelu, 14.0, FITTED, relative=True),
    "_gelu_tile": Helper((KERNEL,), _gelu, 14.0, EXACT, relative=True),
    "_gelu_slope": Helper(BOTH, _gelu_slope, 14.0, FITTED, relative=True),
    "_gelu_slope_tile": Helper((KERNEL,), _gelu_slope, 14.0, EXACT, relative=True),
    "_expm1": Helper(BOTH, lambda u: (mpmath.expm1(u),), 30.0, FITTED, relative=True),
}
"""Helper -> what it stands for; `trace.stand_ins` has the same names."""


def assumptions(tracer: Tracer) -> Iterator[Identity]:
    """A line for every such helper that the file has."""
    plain = Tracer(tracer.activation, tracer.text, tracer.literals)
    for name, helper in HELPERS.items():
        if f"def {name}(" in tracer.text:
            yield _tested(name, helper.situations, lambda h=helper, n=name: _near(plain, n, h))  # type: ignore[misc]
    if "def _ascending(" in tracer.text:
        yield _tested("_ascending", (COMPILED,), lambda: _sorts(plain))


def _tested(name: str, situations: Sequence[Situation], test: Callable[[], tuple[bool, str]]) -> Identity:
    begin = time.perf_counter()
    try:
        holds, detail = test()
    except Exception as err:
        holds, detail = False, " ".join(f"{type(err).__name__}: {err}".split())
    seconds = time.perf_counter() - begin
    return Identity(name, tuple(s.name for s in situations), "checked" if holds else "failed", detail, seconds)


def _near(tracer: Tracer, name: str, helper: Helper) -> tuple[bool, str]:
    draw = random.Random(name)
    scales = (helper.reach, 1.0, 0.1)
    numbers = [sp.Rational(int(draw.uniform(-1, 1) * scales[k % 3] * 4096), 4096) for k in range(COUNT)]
    spaces = [tracer.namespace(s) for s in helper.situations]
    worst = max(_error(space, name, helper, u) for space in spaces for u in numbers)
    return bool(worst <= helper.bound), f"within {mpmath.nstr(worst, 2)} at {COUNT} numbers, bound {helper.bound:g}"


def _error(space: Mapping[str, Any], name: str, helper: Helper, u: sp.Rational) -> mpmath.mpf:
    """The largest error of the helper's results at a number."""
    found = space[name](space["torch"].Tensor([u]))
    results = found if isinstance(found, tuple) else (found,)
    with mpmath.workdps(40):
        due = helper.meaning(mpmath.mpf(int(u.p)) / int(u.q))
    errors = [abs(Point({})(result.cells[0]) - value) for result, value in zip(results, due, strict=True)]
    scales = [abs(value) if helper.relative else 1 for value in due]
    return max(e / scale if e else e for e, scale in zip(errors, scales, strict=True))


def _sorts(tracer: Tracer) -> tuple[bool, str]:
    """Keys in ascending order, equal ones in their own, and the others moved alike: on numbers with ties."""
    space = tracer.namespace(COMPILED)
    kind = space["torch"].Tensor
    draw = random.Random("ascending")
    for count in range(COUNT):
        keys = [sp.Integer(draw.randint(0, 1 + count % 5)) for _ in range(2 + count % 6)]
        places = [sp.Integer(k) for k in range(len(keys))]
        found = [t.cells.tolist() for t in space["_ascending"](kind(keys), kind(places))]
        order = sorted(range(len(keys)), key=lambda k: keys[k])
        if found != [[keys[k] for k in order], order]:
            return False, f"{keys} are sorted as {found}"
    return True, f"a stable sort of {COUNT} lists; F does not depend on the order of its lines"
