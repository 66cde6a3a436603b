"""The page that compares: every classical function, and every family at one or two degrees, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from learnact.compiler import api
from learnact.compiler.analyse.gains import Gains, gains_of
from learnact.compiler.analyse.maps import curvature
from learnact.compiler.analyse.properties import Properties
from learnact.compiler.analyse.subject import Subject, subject_of
from learnact.compiler.declare.laws import Normal
from learnact.compiler.derive import start as derive_start
from learnact.compiler.derive import start_names
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.resolve import registry
from learnact.compiler.resolve.classical import classical_names
from learnact.compiler.resolve.shaped import NAMES, Wanted
from learnact.errors import NoStart

DEGREES = (3,)
"""Of families that have degrees; two are shown at a higher one too."""

FORMS = (
    "hermite:5", "fourier:6", "scaled_gelu", "residual_gelu:3", "hermite:3@shaped,curvature=0.05",
    "hermite:3@curved,curvature=2",
)  # fmt: skip
"""Higher degrees, and examples of forms and of starts with conditions."""

LONGEST = 60
"""Characters of a formula."""

TARGET = "gelu"
"""Whose fit is judged."""


@dataclass(frozen=True)
class Row:
    """One function at one start under N(0, 1), as the page prints it."""

    name: str
    cells: tuple[str, ...]

    def __str__(self) -> str:
        return f"| `{self.name}` | " + " | ".join(self.cells) + " |"


COLUMNS = {
    "F(x)": "---",
    "E[F]": "---:",
    "E[F^2]": "---:",
    "E[F'^2]": "---:",
    "1/sqrt(E[F^2])": "---:",
    "1/sqrt(Var F)": "---:",
    "q-slope": "---:",
    "C'(1)": "---:",
    "C''(1)": "---:",
    "kappa": "---:",
    "sup abs F'": "---:",
    "monotone": "---",
    "odd, even": "---",
    "bounded": "---",
    "degree of homogeneity": "---",
    "forward": "---:",
    "backward": "---:",
    "as GELU": "---:",
}
"""Heading -> alignment."""


def functions() -> list[str]:
    """What the page compares, as `learnact-gen maps` takes it: SPECs, with @START where one is not the first."""
    names = list(classical_names())
    for name in registry.shipped_names():
        degrees = registry.family(name).degrees
        names += [name] if degrees is None else [f"{name}:{d}" for d in DEGREES if d in degrees]
    return [*names, *FORMS]


@cache
def row(name: str) -> Row:
    """The row of one function. Raises what `maps` raises for a name."""
    law = Normal()
    subject = subject_of(name, law=law)
    gains = gains_of(subject.name, subject.formula, subject.function, law, subject.moments)
    bend, kappa = curvature(subject.function, law, gains, {})
    slope_at_one = None if gains.slope_second is None or gains.second is None else _ratio(gains)
    held = Properties(subject.function)
    moments = (
        gains.mean, gains.second, gains.slope_second, gains.calculate_gain, gains.nfnet_gamma, gains.q_slope,
        slope_at_one, bend, kappa, gains.lipschitz,
    )  # fmt: skip
    numbers = [_number(q) for q in moments]
    words = [str(answer) for answer in (held.monotone, held.parity, held.bounded, held.homogeneous)]
    return Row(subject.name, (_formula(subject), *numbers, *words, *_cost(name)))


def page() -> str:
    """Write the page."""
    return "\n".join([*introduction(), *map(str, rows())]) + "\n"


def rows() -> Iterator[Row]:
    """Every row, in order."""
    return (row(name) for name in functions())


def introduction() -> list[str]:
    """Everything above the rows, a line each."""
    return [
        "# Compare",
        "",
        "Printed by `learnact-gen docs`, under x ~ N(0, 1): classical functions; families, learnable, at their first",
        "start; higher degrees, forms, and starts with conditions. More of one of them: `learnact-gen gain NAME`,",
        "`learnact-gen maps NAME`.",
        "",
        "- C'(1), C''(1), kappa: of the [correlation map](maps.md); without normalization and skips a deep net keeps",
        "  lengths and gradients where E[F^2] = C'(1) = 1, and angles the longer the smaller C''(1) or kappa is.",
        "- sup abs F': the Lipschitz constant; `none` where F' is unbounded.",
        "- degree of homogeneity: d with F(t x) = t^d F(x) for all t > 0.",
        "- ~ marks what was looked at numerically; every other answer is proved by the formula or a counterexample.",
        "- forward, backward: operations per element of the emitted module, before a compiler merges them.",
        "- as GELU: sqrt(E[(F - GELU)^2]/E[GELU^2]) of the start `gelu`.",
        "",
        "| function | " + " | ".join(COLUMNS) + " |",
        "|---|" + "|".join(COLUMNS.values()) + "|",
    ]


def _ratio(gains: Gains) -> Quantity | None:
    assert gains.slope_second is not None
    assert gains.second is not None
    return Quantity(gains.slope_second.value / gains.second.value)


def _number(q: Quantity | None) -> str:
    return "none" if q is None else f"{round(float(q), 12) + 0.0:.5g}"


def _formula(subject: Subject) -> str:
    text = subject.formula.replace("|", "\\|")
    return f"`{text}`" if len(text) <= LONGEST else f"`{text[: LONGEST - 2]} ..`"


def _cost(name: str) -> tuple[str, str, str]:
    """Operations forward and backward, and the relative error of the fit to GELU."""
    spec, _, start = name.partition("@")
    activation = Wanted.read(start).on(registry.resolve(spec)) if start else registry.resolve(spec)
    program = api.lower(activation)
    fitted = ""
    if TARGET in start_names(activation) and not start.startswith(NAMES):
        try:
            errors = derive_start(activation, TARGET).errors
        except NoStart:
            errors = None
        fitted = f"{errors.value:.2g}" if errors else "none"
    return str(program.forward.operations), str(program.backward.operations), fitted
