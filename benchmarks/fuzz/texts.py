"""Texts: whatever is written, the answer is an activation or one line, soon, in bounded memory, without a warning."""

from __future__ import annotations

import contextlib
import io
import random
import re
import resource
import time
import warnings
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass

import sympy as sp

from benchmarks.fuzz.grammar import Grammar
from benchmarks.fuzz.report import Findings, alarm
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import derive
from learnact.compiler.resolve.expression import from_expression, parse_law, parse_params
from learnact.compiler.resolve.language import parse
from learnact.compiler.resolve.registry import resolve
from learnact.errors import LearnactError

SLOW = 5.0
"""Seconds of processor time that a text may take."""

GIVEN_UP = 60
"""Seconds after which a text is interrupted."""

MOST_MEMORY = 1 << 20
"""KiB by which one text may raise the peak memory of the process: 1 GiB."""

CHECKED, DERIVED = 8, 100
"""One text of so many becomes an activation with parameters; one of so many is derived."""


@dataclass(frozen=True)
class Case:
    """A text, how it is read, and a line of Python that reads it again."""

    kind: str
    run: Callable[[], object]
    again: str


NAMES = {"x": x, **{name: sp.Symbol(name, real=True) for name in "abc"}}


def case(rng: random.Random, k: int) -> Case:
    """The k-th text."""
    grammar = Grammar(rng)
    way = rng.random()
    if way < 0.04:
        spec = grammar.spec() if rng.random() < 0.6 else grammar.damaged(grammar.spec())
        return Case("spec", lambda: resolve(spec), f"resolve({spec!r})")
    if way < 0.08:
        law = grammar.law() if rng.random() < 0.7 else grammar.damaged(grammar.law())
        return Case("law", lambda: parse_law(law), f"parse_law({law!r})")
    text = grammar.hostile() if rng.random() < 0.1 else grammar.expression(16)
    if rng.random() < 0.3:
        text = grammar.damaged(text)
    if way < 0.14:
        pairs = [grammar.parameter() for _ in range(rng.randint(0, 3))]
        pairs = [grammar.damaged(p) if rng.random() < 0.2 else p for p in pairs]
        name = rng.choice(("Trial", "Trial", "trial", "class", "Tri al", "Math", grammar.damaged("Trial")))
        body = (
            text
            if rng.random() < 0.3
            else "+".join(["x", *(f"{n}*x" for n in sorted({m for p in pairs for m in re.findall(r"[^\W\d]\w*", p)}))])
        )
        line = f"from_expression({body!r}, parse_params({pairs!r}), {name!r})"
        return Case("parameters", lambda: from_expression(body, parse_params(pairs), name), line)
    if k % CHECKED:
        return Case("parsed", lambda: parse(text, NAMES), f"parse({text!r}, NAMES)")
    values = [f"{n}={rng.choice(('1', '0.5', '-1.3', '2', '0'))}" for n in "abc" if re.search(rf"\b{n}\b", text)]
    law = grammar.law() if rng.random() < 0.3 else "normal"

    def checked() -> object:
        return from_expression(text, parse_params(values), "Trial", parse_law(law))

    line = f"from_expression({text!r}, parse_params({values!r}), 'Trial', parse_law({law!r}))"
    if k % DERIVED:
        return Case("checked", checked, line)
    return Case("derived", lambda: derive(checked()), f"derive({line})")


def judged(one: Case) -> tuple[str, str]:
    """(answer or refusal; what is wrong with that, "" if nothing)."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    said = io.StringIO()
    fault, outcome = "", "accepted"
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stderr(said), alarm(GIVEN_UP):
        warnings.simplefilter("always")
        try:
            one.run()
        except LearnactError as err:
            outcome = "refused"
            if "\n" in str(err):
                fault = f"a refusal of several lines: {str(err)!r}"
            elif not str(err).strip():
                fault = "a refusal without a word"
        except TooLate:
            fault = f"no answer in {GIVEN_UP} s"
        except BaseException as err:
            if isinstance(err, KeyboardInterrupt):
                raise
            fault = f"{type(err).__name__}: {str(err)[:200]}"
    taken = time.process_time() - begun
    if not fault and warned:
        fault = f"a warning: {warned[0].message}"
    if not fault and said.getvalue():
        fault = f"printed to stderr: {said.getvalue()[:200]!r}"
    if not fault and taken > SLOW:
        fault = f"takes {taken:.1f} s"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if not fault and grown > MOST_MEMORY:
        fault = f"takes {grown >> 10} MiB"
    return outcome, fault


def texts(seed: int, seconds: float, count: int | None = None, first: int = 0) -> Findings:
    """Read texts until the time is up, or so many."""
    found = Findings("texts", seed, first)
    for k in found.until(seconds, count):
        one = case(random.Random(f"texts {seed} {k}"), k)
        outcome, fault = judged(one)
        found.count(f"{one.kind}, {outcome}")
        if fault:
            found.add(k, fault, one.again)
    return found
