"""Emitted files: random expressions with ranges, forms of classical functions, families; against the interpreter.

F, dF/dx and every parameter's gradient of the emitted module, eager, in float64 and float32, at points that are clear
of kinks. One file of EACH_VERIFIED goes through the quick referee, one of EACH_PROVED through the proofs.
"""

from __future__ import annotations

import random
import tempfile
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path

import mpmath as mp
import torch

from benchmarks.fuzz.grammar import Grammar
from benchmarks.fuzz.interpreter import Precise, Unclear
from benchmarks.fuzz.report import Findings, alarm
from learnact import classical_names
from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation, Moments, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.emit.render import render
from learnact.compiler.lower import lower
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.verify import verify
from learnact.compiler.verify.prove import proofs
from learnact.errors import LearnactError

POINTS = (-5.3, -2.61, -1.13, -0.37, -0.021, 0.29, 0.83, 1.71, 3.07, 7.9)
GIVEN_UP = 120
LARGE = mp.mpf(10) ** 4
TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-3}
"""Of 1 + the largest number met: an ill-conditioned expression loses half of the digits; a wrong rule, the first."""

EACH_VERIFIED, EACH_PROVED = 40, 60
FORMS = classical_names()
"""What has a scaled and a residual form."""


def drawn(rng: random.Random) -> tuple[str, dict[str, str], dict[str, str]]:
    """(text, --param keys and values, name -> value)."""
    if rng.random() < 0.2:  # scale f(stretch x) + offset and f(x) + a polynomial, as the forms are
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
    keys = {n: rng.choice((n, n, f"{n}>0", f"0<{n}<3")) for n in "abc"}
    return text, {keys[n]: v for n, v in values.items()}, values


def module_of(activation: Activation) -> tuple[str, type[torch.nn.Module]]:
    """The emitted text and class; the start is the declared one, and moments are left out."""
    unknown = Quantity(activation.function * 0)
    values = activation.start_values("declared", activation.family.law)
    tensors = {p.name: tuple(values[s] for s in p.symbols) for p in activation.parameters}
    start = StartDerivation("declared", "as declared", tensors, True, Moments(unknown, unknown, unknown, unknown))
    source = render(lower(activation), Derivation(activation, activation.family.law, (start,)), "a random expression")
    namespace: dict[str, object] = {}
    exec(compile(source.text, source.filename, "exec"), namespace)
    return source.text, namespace[source.names.cls]  # type: ignore[return-value]


def stored_slope(key: str, value: mp.mpf) -> mp.mpf:
    """d parameter/d stored tensor: of exp(stored), of 3 sigmoid(stored), or 1."""
    if ">" in key:
        return value
    return value * (3 - value) / 3 if "<" in key else mp.mpf(1)


def disagreements(
    cls: type[torch.nn.Module], text: str, keys: dict[str, str], values: dict[str, str]
) -> tuple[list[str], int]:
    """What differs, and how many numbers were compared."""
    names, wrong, count = list(values), [], 0
    chain = [mp.mpf(1), *(stored_slope(k, mp.mpf(v)) for k, v in keys.items())]
    for point in POINTS:
        try:
            with mp.workdps(40):
                at = Precise({"x": mp.mpf(float(torch.tensor(point))), **values}, ["x", *names])(text)
                known = [at.value, *(s * c for s, c in zip(at.slopes, chain, strict=True))]
                if any(not mp.isfinite(v) or abs(v) > LARGE or isinstance(v, mp.mpc) for v in known):
                    continue
        except (Unclear, OverflowError, ZeroDivisionError, ValueError, TypeError):
            continue
        for dtype, tolerance in TOLERANCE.items():
            module = cls(dtype=dtype)
            x = torch.tensor([float(torch.tensor(point))], dtype=dtype, requires_grad=True)
            y = module(x)
            found = [y.detach(), *torch.autograd.grad(y, [x, *module.parameters()])]
            scale = 1 + max(abs(float(v)) for v in known)
            for what, number, right in zip(["F", "dF/dx", *(f"dF/d{n}" for n in names)], found, known, strict=True):
                count += 1
                if not abs(float(number) - float(right)) <= tolerance * scale:
                    wrong.append(f"{what} at x = {point} in {dtype}: {float(number):.9g} for {float(right):.9g}")
    return wrong, count


def checked(found: Findings, k: int, text: str, keys: dict[str, str], values: dict[str, str]) -> None:
    """Emit and compare; verify and prove a sample."""
    again = f"from_expression({text!r}, {keys!r}, 'Trial')"
    try:
        with alarm(GIVEN_UP):
            activation = from_expression(text, keys, "Trial")
            source, cls = module_of(activation)
            wrong, count = disagreements(cls, text, keys, values)
            found.count("files")
            found.count("numbers compared", count)
            if wrong:
                found.add(k, "; ".join(wrong[:3]), again)
            if k % EACH_PROVED == 0:
                for identity in proofs(activation, source, seconds=10.0):
                    found.count(f"identities {identity.verdict}")
                    if identity.verdict == "failed":
                        found.add(k, f"proof of {identity.what} fails: {identity.detail}", again)
            if k % EACH_VERIFIED == 0:
                _verified(found, k, activation, again)
    except LearnactError as err:
        found.count(f"refused ({type(err).__name__})")
    except TooLate:
        found.add(k, f"no answer in {GIVEN_UP} s", again)
    except Exception as err:
        found.add(k, f"{type(err).__name__}: {str(err)[:200]}", again)


def _verified(found: Findings, k: int, activation: Activation, again: str) -> None:
    from learnact.compiler.emit import emit  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        source = emit(activation)
        path = Path(folder) / source.filename
        path.write_text(source.text)
        report = verify(activation, path, quick=True)
        found.count("files verified")
        failed = [name for name in report.failed if name != "header"]  # which names no declaration
        if failed:
            found.add(k, f"the referee rejects {', '.join(failed)}", again)


def families(seed: int, seconds: float, count: int | None = None, first: int = 0) -> Findings:
    """Emit random expressions until the time is up, or so many."""
    found = Findings("families", seed, first)
    for k in found.until(seconds, count):
        checked(found, k, *drawn(random.Random(f"families {seed} {k}")))
    return found
