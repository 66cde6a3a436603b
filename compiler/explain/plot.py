"""Pictures: F and F' of every start on one axis, over the density of the law. Needs the extra `learnact[plot]`."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from learnact.compiler import api
from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.doubles import with_doubles
from learnact.compiler.declare.laws import Law
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive.derivation import Derivation
from learnact.compiler.derive.expectation.expect import derivative
from learnact.errors import LearnactError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
POINTS = 801
REACH = 4  # standard deviations shown of a law without bounds
MARGIN = 0.25  # of the central range, left free above and below
PANEL = (6.4, 4.0)  # inches
METADATA = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Metadata that is left out, so that equal activations give equal files."""

Values = np.ndarray
NUMPY = {
    "erf": np.vectorize(math.erf, otypes=[float]),
    "sigmoid": lambda u: 0.5 * (1 + np.tanh(np.asarray(u) / 2)),
    "softplus": lambda u: np.logaddexp(0, u),
    "Heaviside": lambda u, at_zero=0.5: np.heaviside(u, at_zero),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
}


def picture(activations: Sequence[Activation], suffix: str) -> bytes:
    """One panel per activation, as bytes of a file; `suffix` is .png, .svg or .pdf.

    Raises LearnactError for another suffix, and where matplotlib is not installed.
    """
    if suffix not in FORMATS:
        raise LearnactError(f"cannot draw a {suffix or 'file without suffix'}; use one of {', '.join(FORMATS)}")
    figure = figure_of(activations)
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "learnact"}):
        stream = io.BytesIO()
        figure.savefig(stream, format=suffix[1:], metadata=METADATA[suffix])
    return stream.getvalue()


def figure_of(activations: Sequence[Activation]) -> Figure:
    """Draw one panel per activation: F (solid) and F' (dashed) of every start. Raises LearnactError."""
    figure = empty_figure(len(activations))
    panels = figure.subplots(len(activations), squeeze=False)[:, 0]
    for panel, activation in zip(panels, activations, strict=True):
        _draw(panel, api.derive(activation))
    return figure


def empty_figure(panels: int) -> Figure:
    """Make room for so many panels. Raises LearnactError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401, PLC0415
    except ImportError as err:
        raise LearnactError("plot needs matplotlib, which is not installed; pip install 'learnact[plot]'") from err
    from learnact.compiler.explain.picture import Picture  # noqa: PLC0415

    return Picture(figsize=(PANEL[0], PANEL[1] * panels), layout="constrained")


def curves(derivation: Derivation) -> dict[str, tuple[Values, Values, Values]]:
    """Sample every start: name -> (x, F, F'), each of shape (POINTS,)."""
    points = np.linspace(*_window(derivation.law), POINTS)
    sampled = {}
    for start in derivation.starts:
        numbers = {name: [evaluate(v) for v in values] for name, values in start.values.items()}
        shape = derivation.activation.function.xreplace(derivation.activation.assign(numbers))
        sampled[start.name] = (points, _sampled(shape, points), _sampled(derivative(shape), points))
    return sampled


def _draw(panel: Any, derivation: Derivation) -> None:
    low, high = np.inf, -np.inf
    for color, (name, (points, value, slope)) in enumerate(curves(derivation).items()):
        panel.plot(points, value, color=f"C{color}", label=name)
        panel.plot(points, slope, color=f"C{color}", linestyle="--", linewidth=1)
        central = np.stack([value, slope])[:, POINTS // 4 : -POINTS // 4]  # polynomials leave the picture in the tails
        low, high = min(low, np.nanmin(central)), max(high, np.nanmax(central))
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    points = np.linspace(*_window(derivation.law), POINTS + 2)[1:-1]  # the arcsine density is infinite at its ends
    density = _sampled(derivation.law.density(x), points)
    panel.fill_between(points, low, low + density / density.max() * (high - low) / 4, color="0.9", zorder=0)
    panel.set_ylim(low, high)
    panel.set_title(f"{derivation.activation.names.spec}, x ~ {derivation.law}: F solid, F' dashed")
    panel.set_xlabel("x")
    panel.legend(frameon=False)


def _window(law: Law) -> tuple[float, float]:
    low, high = law.support
    reach = REACH * law.sigma
    return float(low if low.is_finite else -reach), float(high if high.is_finite else reach)


def _sampled(expr: sp.Expr, points: Values) -> Values:
    compiled: Callable[[Values], Values] = sp.lambdify(x, with_doubles(expr), [NUMPY, "numpy"])
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(compiled(points), dtype=float), points.shape)
