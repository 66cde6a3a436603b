"""Maps of a function as text, JSON and picture, and the page of maps."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np

from learnact.compiler.analyse.ask import maps
from learnact.compiler.analyse.fixed_points import FixedPoint
from learnact.compiler.analyse.maps import DEPTHS, Maps
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.explain import formats
from learnact.compiler.explain.gains import number
from learnact.compiler.explain.plot import FORMATS, METADATA, empty_figure
from learnact.errors import Divergent, LearnactError, NoClosedForm

LABELS = {
    "at_zero": ("C(0)", "E[F]^2/E[F^2]"),
    "slope_at_one": ("C'(1)", "sigma^2 E[F'^2]/E[F^2]"),
    "bend_at_one": ("C''(1)", "sigma^4 E[F''^2]/E[F^2]"),
    "kappa": ("kappa", "C(1-d) = 1 - C'(1) d + kappa d^(3/2)"),
    "lipschitz": ("sup |F'|", ""),
}
STARTS = (0.0, 0.5)
"""Correlations of the inputs whose way through the depth is printed."""

ROUNDED = 25
"""Decimals of a number of 30 digits: below them a 0 has rounding errors."""

SHOWN = ("relu leaky_relu relu2 gelu silu tanh erf sine selu hermite:3 hermite:3@gelu hermite:5 sinusoid").split()
"""Of the page."""


def plain(m: Maps) -> str:
    """Write maps as plain text."""
    lines = [
        f"{m.name}: F(x) = {m.formula}" if m.formula != m.name else f"F(x) = {m.formula}",
        f"  law  x ~ {m.law}",
        "",
    ]
    closed = str(m.closed) if m.closed is not None else None
    if closed is None:
        lines.append(f"  C(c) = E[F(u) F(v)]/E[F^2], corr(u, v) = c: by quadrature +- {m.error:.1g}")
    elif len(closed) <= formats.LONGEST:
        lines.append(f"  C(c) = E[F(u) F(v)]/E[F^2], corr(u, v) = c: {closed}")
    else:
        lines.append("  C(c) = E[F(u) F(v)]/E[F^2], corr(u, v) = c: a closed form (--format json)")
    for name, (label, meaning) in LABELS.items():
        q: Quantity | None = getattr(m, name)
        shown = f"none: {m.missing[name]}" if q is None else formats.quantity(_tidy(q))
        lines.append(f"  {label:<10}{meaning:<38}{shown}")
    lines += [f"  {'F is':<48}{m.trend if m.trend != 'neither' else 'neither increasing nor decreasing'}", ""]
    lines.append("  correlation by depth")
    lines.append(f"    {'layers':<12}" + "".join(f"{depth:>9}" for depth in DEPTHS))
    for begin in STARTS:
        lines.append(f"    from {begin:<7g}" + "".join(f"{round(m.after(d, begin), 5) + 0.0:>9.5f}" for d in DEPTHS))
    lines += ["", *_tangent_rows(m)]
    lines += ["", "  fixed points of C on [-1, 1]", *_points(m.fixed_points, "every c")]
    lines += ["  fixed points of the length map q -> E[F(x)^2], x ~ N(0, q)", *_points(m.lengths, "every q")]
    lines += ["", "  Hermite coefficients, F(sigma z) = sum_k a_k He_k(z)/sqrt(k!)"]
    lines += [f"    a_{k} {formats.quantity(_tidy(q))}" for k, q in enumerate(m.hermite)]
    return "\n".join(lines) + "\n"


def data(m: Maps) -> dict[str, Any]:
    """Maps as JSON-ready data."""
    return {
        "function": m.name,
        "formula": m.formula,
        "law": str(m.law),
        "second": number(m.second),
        "closed_form": None if m.closed is None else str(m.closed),
        "error": m.error,
        **{name: number(getattr(m, name)) for name in LABELS},
        "trend": m.trend,
        "iterates": {str(depth): c for depth, c in m.iterates.items()},
        "tangent": _tangent_data(m),
        "fixed_points": _point_data(m.fixed_points),
        "length_fixed_points": _point_data(m.lengths),
        "hermite": [number(q) for q in m.hermite],
        "missing": dict(m.missing),
    }


def _tangent_rows(m: Maps) -> list[str]:
    """The neural tangent kernel by depth, or why there is none."""
    head = "  neural tangent kernel by depth, Theta' = Theta C'(c) + C(c), in units of sigma^2"
    try:
        table = {begin: m.tangents(begin) for begin in (1.0, *STARTS)}
    except (Divergent, NoClosedForm) as err:
        return [head, f"    none: {err}"]
    lines = [f"{head}; C' +- {m.tangent_error:.1g}"]
    lines.append(f"    {'layers':<12}" + "".join(f"{depth:>11}" for depth in DEPTHS))
    for begin, kernel in table.items():
        cells = (f"{round(kernel[depth], 10) + 0.0:>11.4g}" for depth in DEPTHS)
        lines.append(f"    from {begin:<7g}" + "".join(cells))
    return lines


def _tangent_data(m: Maps) -> dict[str, Any] | None:
    try:
        table = {f"{begin:g}": m.tangents(begin) for begin in (1.0, *STARTS)}
        finite = {b: {str(d): v if np.isfinite(v) else None for d, v in k.items()} for b, k in table.items()}
        return {"error": m.tangent_error, "from": finite}
    except (Divergent, NoClosedForm):
        return None


def picture(m: Maps, suffix: str) -> bytes:
    """The correlation map and its iterates, and the length map, as a file; `suffix` is .png, .svg or .pdf.

    Raises LearnactError for another suffix, and where matplotlib is not installed.
    """
    if suffix not in FORMATS:
        raise LearnactError(f"cannot draw a {suffix or 'file without suffix'}; use one of {', '.join(FORMATS)}")
    figure = empty_figure(2)
    from matplotlib import rc_context  # noqa: PLC0415

    correlation, length = figure.subplots(2)
    c = np.linspace(-1, 1, 401)
    correlation.plot(c, m.correlation(c), label="C(c)")
    for at in m.fixed_points or ():
        correlation.plot(at.value, at.value, "o", color="C0" if at.stability == "stable" else "0.6")
    correlation.set(title=f"{m.name}, x ~ {m.law}: correlation map", xlabel="c", ylabel="C(c)")
    q = np.geomspace(1e-2, 1e2, 201) * float(m.law.std) ** 2
    length.loglog(q, [m.length(float(v)) for v in q], label="E[F(x)^2], x ~ N(0, q)")
    length.set(title="length map", xlabel="q", ylim=(q[0], q[-1]))
    for panel, line in ((correlation, c), (length, q)):
        panel.plot(line, line, color="0.7", linewidth=1, label="identity")
        panel.legend(frameon=False)
    with rc_context({"svg.hashsalt": "learnact"}):
        stream = io.BytesIO()
        figure.savefig(stream, format=suffix[1:], metadata=METADATA[suffix])
    return stream.getvalue()


@cache
def shown(name: str) -> Maps:
    """The maps of the function that `name` means, under N(0, 1)."""
    return maps(name)


def page() -> str:
    """Write the page of maps: what depth does to angles and lengths, for functions and starts."""
    lines = [
        "# Maps",
        "",
        "Printed by `learnact-gen docs`. What one layer of a wide network with random weights of variance 1/fan_in",
        "does to two inputs: `learnact-gen maps FUNCTION`, in Python `learnact.maps`; `-o maps.svg` draws it.",
        "",
        "- **Correlation map** C(c) = E[F(u) F(v)]/E[F^2] for u, v ~ N(0, sigma^2) of correlation c (Poole et al.",
        "  2016; dual activation: Daniely et al. 2016). C(0) = E[F]^2/E[F^2], C'(1) = sigma^2 E[F'^2]/E[F^2],",
        "  C''(1) = sigma^4 E[F''^2]/E[F^2]; where F' jumps, C(1 - d) = 1 - C'(1) d + kappa d^(3/2) + ... with",
        "  kappa = 2 sigma^2/(3 sqrt(pi)) sum_i w_i^2 phi(t_i/sigma)/E[F^2] over its jumps w_i at t_i.",
        "- **Length map** q -> E[F(x)^2] for x ~ N(0, q).",
        "",
        "Every start with E[F^2] = E[F'^2] = 1 has C(1) = C'(1) = 1: all angles close with depth, at a rate that",
        "C''(1) or kappa sets, 1 - c ~ 2/(C''(1) layers) or (4/(kappa layers))^2.",
        "",
        "Closed forms: polynomials; sums of cosines; erf, GELU and their scaled forms; polynomials of degree 2 on",
        "either side of 0 (arc-cosine kernels). Each is compared with quadrature before it is answered. Everything",
        "else is quadrature with a stated error, 1e-10 and mostly 1e-13.",
        "",
        "| FUNCTION | C | C(0) | C'(1) | C''(1) | kappa | stable c* | c_10 | c_50 | c_200 | stable length |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in SHOWN:
        m = shown(name)
        columns = [_cell(getattr(m, k)) for k in ("at_zero", "slope_at_one", "bend_at_one", "kappa")]
        columns += [
            _stable(m.fixed_points),
            *(f"{m.iterates[depth]:.4f}" for depth in (10, 50, 200)),
            _stable(m.lengths),
        ]
        kind = "closed" if m.closed is not None else "numeric"
        lines.append(f"| `{name}` | {kind} | " + " | ".join(columns) + " |")
    lines += [
        "",
        "c_k: the correlation after k layers of inputs at right angles. Marginal fixed points count as none.",
        "",
        *_tangent_page(),
    ]
    return "\n".join(lines) + "\n"


def _tangent_page() -> list[str]:
    """The neural tangent kernels of the page."""
    lines = [
        "## Neural tangent kernel",
        "",
        "Theta_0 = c_0, Theta_(l+1) = Theta_l C'(c_l) + C(c_l), c_(l+1) = C(c_l) (Jacot et al. 2018, arXiv:1806.07572;",
        "Lee et al. 2019, arXiv:1902.06720), in units of sigma^2: weights are sqrt(sigma^2/(E[F^2] fan_in)) times",
        "parameters of variance 1, so that every length stays sigma^2; there are no biases, all layers learn, and",
        'Theta_l is that of l hidden layers and a linear one. In Python `maps("gelu").tangent(layers, correlation)`.',
        "C' is a closed form where C is one, else quadrature with a stated error. Theta of an input itself is l + 1",
        "where C'(1) = 1, and grows like C'(1)^l above it. Below, after l layers: Theta of an input itself, and in",
        "brackets which share of it inputs at right angles have: near 1 gradient descent hardly tells inputs apart,",
        "near 0 nothing that is learned of one carries over to another.",
        "",
        "| FUNCTION | 1 | 10 | 50 | 200 |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in SHOWN:
        own, across = (shown(name).tangents(begin) for begin in (1.0, 0.0))
        cells = (f"{own[k]:.4g} ({abs(across[k] / own[k]):.3f})" for k in (1, 10, 50, 200))
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def _tidy(q: Quantity) -> Quantity:
    """The quantity, 0 where it is 0 to all digits that are known."""
    small = abs(float(q)) < max(10.0**-ROUNDED, q.error)
    return Quantity(q.value * 0, route=q.route) if small else q


def _points(points: tuple[FixedPoint, ...] | None, every: str) -> list[str]:
    if points is None:
        return [f"    {every}"]
    return [f"    {p.value:.10g}: {p.stability}, slope {p.slope:.6g}" for p in points] or ["    none"]


def _point_data(points: tuple[FixedPoint, ...] | None) -> list[dict[str, Any]] | str:
    if points is None:
        return "every"
    slopes = (p.slope if np.isfinite(p.slope) else None for p in points)
    return [{"value": p.value, "slope": s, "stability": p.stability} for p, s in zip(points, slopes, strict=True)]


def _stable(points: tuple[FixedPoint, ...] | None) -> str:
    if points is None:
        return "every"
    return ", ".join(f"{p.value:.5g}" for p in points if p.stability == "stable") or "none"


def _cell(q: Quantity | None) -> str:
    return "none" if q is None else f"{round(float(q), 15) + 0.0:.6g}"
