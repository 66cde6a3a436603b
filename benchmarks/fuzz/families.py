"""Emitted files: of random family files, of random expressions with ranges, of forms; against the interpreter.

F, dF/dx and every parameter's gradient of the emitted module at points that are clear of kinks: one point alone in
float64; all in one tensor, in both precisions, in memory's order and not; per channel; and traced as torch.compile does
it, but run as it is, in rows of few numbers and of many. One file of EACH_VERIFIED goes through the whole referee,
compiler included, one of EACH_QUICK through the quick one, one of EACH_PROVED through the proofs.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import torch
from torch import Tensor

from benchmarks.fuzz.files import ANY, INSIDE, POSITIVE, Range, family_file
from benchmarks.fuzz.grammar import Grammar
from benchmarks.fuzz.interpreter import Fast, Precise, Unclear
from benchmarks.fuzz.report import Findings, alarm
from learnact import classical_names
from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation, Moments, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.emit import emit
from learnact.compiler.emit.render import render
from learnact.compiler.lower import lower
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify import verify
from learnact.compiler.verify.prove import proofs
from learnact.errors import LearnactError

POINTS = (-5.3, -2.61, -1.13, -0.37, -0.021, 0.29, 0.83, 1.71, 3.07, 7.9)
GIVEN_UP = 120
VERIFIED = 600
"""Seconds of processor time for a file that is compiled too."""

LARGE = mp.mpf(10) ** 4
TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-3}
"""Of 1 + the largest number met: an ill-conditioned expression loses half of the digits; a wrong rule, the first."""

FAR_OUT, REACHED = {"large_x", "traced", "compile"}, (10.0, 30.0, 100.0, 1e4)
"""Checks of the referee that look at large x, and at which."""

LONG = 300
"""Numbers of a long row: compiled code sums the gradients of such rows in another way, and has sines of its own."""

EACH_LEAN, EACH_QUICK, EACH_PROVED, EACH_VERIFIED = 4, 25, 60, 100
FORMS = classical_names()
"""What has a scaled and a residual form."""


@dataclass(frozen=True)
class Trial:
    """A declaration, and what it says in the interpreter's words."""

    text: str
    values: dict[str, str]  # entry -> value, in the order of the module's parameters
    ranges: dict[str, Range]
    declare: Callable[[], Activation]
    again: str  # how to see it again


def drawn(rng: random.Random) -> Trial:
    """A random family file, expression or form."""
    way = rng.random()
    if way < 0.5:
        return of_file(rng)
    if way < 0.6:  # scale f(stretch x) + offset and f(x) + a polynomial, as the forms are
        f = rng.choice(FORMS)
        text = rng.choice((f"a*{f}(b*x) + c", f"{f}(x) + a + b*x + c*(x**2 - 1)/2"))
    else:
        body = Grammar(rng, wild=False, names=("b", "c"), depth=5).expression(14)
        for old in ("sin(", "tanh(", "abs("):
            if rng.random() < 0.4:
                body = body.replace(old, rng.choice(("expm1(", "floor(", "atan(", "log1p(1+softplus(", "ceil(")), 1)
        body += ")" * (body.count("(") - body.count(")"))
        text = f"a*{body} + b*x + c"
    values = {n: rng.choice(("0.77", "1.31", "0.4")) for n in "abc"}
    return of_expression(text, values, {n: rng.choice((ANY, ANY, POSITIVE, INSIDE)) for n in "abc"})


def of_expression(text: str, values: dict[str, str], ranges: dict[str, Range]) -> Trial:
    """What --expr and --param declare."""
    keys = {ranges[n].key.format(name=n): v for n, v in values.items()}
    again = f"from_expression({text!r}, {keys!r}, 'Trial')"
    return Trial(text, values, ranges, lambda: from_expression(text, keys, "Trial"), again)


def of_file(rng: random.Random) -> Trial:
    """What a family file declares."""
    file = family_file(rng)

    def declare() -> Activation:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "random_family.py"
            path.write_text(file.python)
            return resolve(f"{path}:trial:{file.degree}")

    return Trial(file.text, file.values, file.ranges, declare, f"degree {file.degree} of\n{file.python}")


def module_of(activation: Activation, *, lean: bool = False) -> tuple[str, type[torch.nn.Module]]:
    """The emitted text and class; the start is the declared one, and moments are left out."""
    unknown = Quantity(activation.function * 0)
    values = activation.start_values("declared", activation.family.law)
    tensors = {p.name: tuple(values[s] for s in p.symbols) for p in activation.parameters}
    start = StartDerivation("declared", "as declared", tensors, True, Moments(unknown, unknown, unknown, unknown))
    derivation = Derivation(activation, activation.family.law, (start,))
    source = render(lower(activation), derivation, "a random declaration", lean=lean)
    namespace: dict[str, object] = {}
    exec(compile(source.text, source.filename, "exec"), namespace)
    return source.text, namespace[source.names.cls]  # type: ignore[return-value]


Known = tuple[float, list[float]]
"""A point, and F, dF/dx and the derivative by every stored entry there."""


def known(trial: Trial) -> list[Known]:
    """At every point that is clear of kinks, where nothing is large."""
    found = []
    chain = [mp.mpf(1)] * 2 + [trial.ranges[n].slope(mp.mpf(v)) for n, v in trial.values.items()]
    for point in (float(torch.tensor(p)) for p in POINTS):
        try:
            with mp.workdps(40):
                at = Precise({"x": mp.mpf(point), **trial.values}, ["x", *trial.values])(trial.text)
                numbers = [v * c for v, c in zip([at.value, *at.slopes], chain, strict=True)]
                if any(isinstance(v, mp.mpc) or not mp.isfinite(v) or abs(v) > LARGE for v in numbers):
                    continue
        except (Unclear, OverflowError, ZeroDivisionError, ValueError, TypeError):
            continue
        found.append((point, [float(v) for v in numbers]))
    return found


def disagreements(cls: type[torch.nn.Module], trial: Trial, *, rows: bool = False) -> tuple[list[str], int]:
    """What differs, and how many numbers were compared; `rows`: traced in float32 and in long rows."""
    truth = known(trial)
    wrong: list[str] = []
    count = 0
    names = ["F", "dF/dx", *(f"dF/d{n}" for n in trial.values)]
    for way, dtype, numbers in _computed(cls, [point for point, _ in truth], rows):
        for (point, right), found in zip(truth, numbers, strict=True):
            scale = 1 + max(map(abs, right))
            count += len(right)
            wrong += [
                f"{what} at x = {point:g}, {way}: {number:.9g} for {due:.9g}"
                for what, number, due in zip(names, found, right, strict=True)
                if not abs(number - due) <= TOLERANCE[dtype] * scale
            ]
    return wrong, count


Ways = list[tuple[str, torch.dtype, list[list[float]]]]


def _computed(cls: type[torch.nn.Module], points: Sequence[float], rows: bool) -> Ways:
    """Way of calling, dtype, and at each point F, dF/dx and the gradients of the parameters' entries."""
    if not points:
        return []
    at = torch.tensor(points, dtype=torch.float64)
    places, twice = range(len(at)), torch.stack([at, at], 1)
    double, single = cls(dtype=torch.float64), cls(dtype=torch.float32)
    channels = cls(2, channel_dim=1, dtype=torch.float64)
    found: Ways = [
        ("float64", torch.float64, [_numbers(double, double, p.reshape(1), [0])[0] for p in at]),
        ("float32", torch.float32, _numbers(single, single, at.to(torch.float32), places)),
        ("all at once", torch.float64, _numbers(double, double, at, places)),
        ("strided", torch.float64, _numbers(double, double, twice[:, 0], places)),
        ("per channel", torch.float64, _numbers(channels, channels, twice, [2 * k + 1 for k in places], channel=1)),
    ]
    torch._dynamo.reset()
    module = single if rows else double
    traced = torch.compile(module, backend="eager", fullgraph=True)
    x = at.to(torch.float32).repeat(2 * LONG)[: 2 * LONG].reshape(2, LONG) if rows else at
    found.append((f"traced, {x.dtype}", x.dtype, _numbers(traced, module, x, places)))
    return found


def _numbers(
    call: Any, module: torch.nn.Module, x: Tensor, places: Sequence[int], channel: int | None = None
) -> list[list[float]]:
    """At places in the flat x F, dF/dx and the gradients of the parameters' entries, by one call on all of x."""
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = call(leaf)
    found = []
    for place in places:
        cotangent = torch.zeros(y.numel(), dtype=y.dtype)
        cotangent[place] = 1.0
        slope, *gradients = torch.autograd.grad(
            y, [leaf, *module.parameters()], cotangent.reshape(y.shape), retain_graph=True
        )
        entries = [g if channel is None else g[..., channel] for g in gradients]
        parts = [y.reshape(-1)[place], slope.reshape(-1)[place], *entries]
        found.append(torch.cat([t.detach().reshape(-1) for t in parts]).tolist())
    return found


def checked(found: Findings, k: int, trial: Trial) -> None:
    """Emit and compare; verify and prove a sample."""
    try:
        with alarm(VERIFIED if k % EACH_VERIFIED == 0 else GIVEN_UP):
            activation = trial.declare()
            source, cls = module_of(activation, lean=k % EACH_LEAN == 0)
            wrong, count = disagreements(cls, trial, rows=k % 2 == 1)
            found.count("files")
            found.count("numbers compared", count)
            if wrong:
                found.add(k, "; ".join(wrong[:3]), trial.again)
            if k % EACH_PROVED == 0:
                for identity in proofs(activation, source, seconds=10.0):
                    found.count(f"identities {identity.verdict}")
                    if identity.verdict == "failed":
                        found.add(k, f"proof of {identity.what} fails: {identity.detail}", trial.again)
            if k % EACH_VERIFIED == 0 or k % EACH_QUICK == 0:
                _verified(found, k, activation, trial, quick=k % EACH_VERIFIED != 0)
    except LearnactError as err:
        found.count(f"refused ({type(err).__name__})")
    except TooLate:
        found.add(k, f"no answer in {GIVEN_UP} s", trial.again)
    except Exception as err:
        found.add(k, f"{type(err).__name__}: {str(err)[:200]}", trial.again)


def _verified(found: Findings, k: int, activation: Activation, trial: Trial, *, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = emit(activation)
        path = Path(folder) / source.filename
        path.write_text(source.text)
        report = verify(activation, path, quick=quick)
        found.count("files verified quickly" if quick else "files verified and compiled")
        failed = {*report.failed} - {"header"}  # which names no declaration
        if failed and failed <= FAR_OUT and overflows(trial):
            found.count("rejected far out, where a part of F is infinite")
        elif failed:
            found.add(k, f"the referee rejects {', '.join(sorted(failed))}", trial.again)


def overflows(trial: Trial) -> bool:
    """Whether float32 makes of F or F' as written infinity times 0, exp(x) exp(-x^2) say, where the referee looks."""
    with np.errstate(all="ignore"):
        found = Fast(
            np.float32([s * p for p in REACHED for s in (-1, 1)]), {n: float(v) for n, v in trial.values.items()}
        )
        whole = found(trial.text)
    return not all(np.isfinite(v).all() for v in (whole.value, whole.slopes[0]))


def families(seed: int, seconds: float, count: int | None = None, first: int = 0) -> Findings:
    """Emit random declarations until the time is up, or so many."""
    found = Findings("families", seed, first)
    for k in found.until(seconds, count):
        checked(found, k, drawn(random.Random(f"families {seed} {k}")))
    return found
