"""A derivation as text, LaTeX, markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any

import sympy as sp

from learnact.compiler.declare.constants import evaluate
from learnact.compiler.declare.laws import Arcsine, Normal, Uniform
from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive.derivation import Derivation, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.explain.steps import solved

DIGITS = 10  # shown; JSON carries what a double holds
LONGEST = 100  # characters of a closed form that people are shown; JSON carries it whole
LARGEST = 80  # parts of one; more never fit, and putting a huge sum in reading order takes seconds


def plain(derivation: Derivation) -> str:
    """Write the derivation as plain text."""
    activation = derivation.activation
    lines = [
        f"{activation.names.spec}: {activation.family.title}",
        f"  F(x) = {activation.formula}",
        f"  law    x ~ {derivation.law}",
    ]
    for start in derivation.starts:
        lines += ["", f"start {start.name!r}: {start.kind}" + (f" ({start.note})" if start.note else "")]
        lines += [f"  {line}" for line in _steps_text(derivation, start)]
        lines += [f"  {name:<16} {value}" for name, value in entries(start, _text)]
        lines += [f"  {name:<16} {quantity(q)}" for name, q in moments(start)]
        lines += [f"  {start.shape.label:<16} {_text(start.shape.amount, True)}"] if start.shape else []
        lines += [f"  {line}" for line in remarks(start)]
    lines += [line for name, reason in derivation.missing.items() for line in ("", f"start {name!r}: {_none(reason)}")]
    return "\n".join(lines) + "\n"


def latex(derivation: Derivation) -> str:
    """Write the derivation as LaTeX paragraphs and align environments."""
    lines = [f"\\paragraph{{{_escape(derivation.activation.names.spec)}}} $x \\sim {law_latex(derivation)}$,"]
    lines += ["\\[", f"  F(x) = {function_latex(derivation.activation)}", "\\]"]
    for start in derivation.starts:
        lines += [f"\\subparagraph{{{_escape(start.name)}}} {_escape('; '.join([start.kind, *remarks(start)]))}."]
        lines += ["\\begin{align*}", *equations(derivation, start), "\\end{align*}"]
    for name, reason in derivation.missing.items():
        lines.append(f"\\subparagraph{{{_escape(name)}}} {_escape(_none(reason))}.")
    return "\n".join(lines) + "\n"


def markdown(derivation: Derivation) -> str:
    """Write the derivation as markdown, with its formulas in LaTeX."""
    lines = [f"### {derivation.activation.names.spec}", "", f"Under $x \\sim {law_latex(derivation)}$:", ""]
    lines += ["$$", f"F(x) = {function_latex(derivation.activation)}", "$$", ""]
    for start in derivation.starts:
        lines += [f"**{start.name}** ({'; '.join(filter(None, [start.kind, start.note]))})", ""]
        lines += ["$$", "\\begin{aligned}", *equations(derivation, start), "\\end{aligned}", "$$", ""]
        lines += [line for remark in remarks(start) for line in (f"{remark[0].upper()}{remark[1:]}.", "")]
    lines += [line for name, reason in derivation.missing.items() for line in (f"**{name}** ({_none(reason)})", "")]
    return "\n".join(lines)


def data(derivation: Derivation) -> dict[str, Any]:
    """Give the derivation as JSON-ready data: every number with its closed form or its error."""
    activation = derivation.activation
    return {
        "spec": activation.names.spec,
        "law": str(derivation.law),
        "formula": activation.formula,
        "function": str(activation.function),
        "parameters": {v.name: len(v.symbols) for v in activation.parameters},
        "starts": [_start_data(start) for start in derivation.starts],
        "missing": dict(derivation.missing),
    }


def as_json(value: Any) -> str:
    """Format data the one way that every command prints it."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Derivation], str]] = {
    "text": plain,
    "latex": latex,
    "markdown": markdown,
    "json": lambda derivation: as_json(data(derivation)),
}


def moments(start: StartDerivation) -> list[tuple[str, Quantity]]:
    """Pair each of the four moments with its name in text: E[F], E[F^2], E[F'^2], q-slope."""
    m = start.moments
    return [("E[F]", m.mean), ("E[F^2]", m.second), ("E[F'^2]", m.slope_second), ("q-slope", m.q_slope)]


def remarks(start: StartDerivation) -> list[str]:
    """One line each on forward and backward variance factor, stability, an unmet condition, and a fit's errors."""
    m = start.moments
    words = [f"forward variance factor 1/E[F^2] = {_short(1 / m.second.number())}"]
    if m.slope_second.exists and float(m.slope_second):
        words.append(f"backward variance factor 1/E[F'^2] = {_short(1 / m.slope_second.number())}")
    if m.q_slope.exists:
        stable = abs(float(m.q_slope)) < 1
        words.append(
            "stable length, |q-slope| < 1" if stable else "unstable length without normalization, |q-slope| >= 1"
        )
    words += [start.reason] if start.reason else []
    if start.errors:
        e = start.errors
        low, high = e.interval
        words.append(
            f"relative L2 error of the fit {e.value:.3g}, of its slope {e.slope:.3g};"
            f" largest error on [{low:.3g}, {high:.3g}] {e.sup:.3g}"
        )
    return words


def _none(reason: str) -> str:
    return f"none, because {reason}"


def entries(start: StartDerivation, show: Callable[[sp.Expr, bool], str]) -> Iterable[tuple[str, str]]:
    """Pair every parameter entry with its value as `show` prints it."""
    for name, values in start.values.items():
        for k, value in enumerate(values):
            yield (name if len(values) == 1 else f"{name}[{k}]"), show(value, start.exact)


def equations(derivation: Derivation, start: StartDerivation) -> list[str]:
    """Write steps, values and moments as aligned LaTeX lines."""
    lines = []
    if found := solved(derivation, start):
        lines += [f"F &= \\text{{{found.form}}}", f"g &= {_closed_latex(found.shape)}"]
        lines += [f"{step.latex} {_tex(step.value.value, step.value.exact)}" for step in found.steps]
    for name, values in start.values.items():
        for k, value in enumerate(values):
            lines.append(f"{_name_latex(name, k if len(values) > 1 else None)} {_tex(value, start.exact)}")
    labels = ("E[F]", "E[F^2]", "E[F'^2]", "E[x F F'] / E[F^2]")
    lines += [f"{label} {_tex(q.value, q.exact)}" for label, (_, q) in zip(labels, moments(start), strict=True)]
    lines += [f"{start.shape.label} {_tex(start.shape.amount, True)}"] if start.shape else []
    return [f"{line} \\\\" for line in lines]


def function_latex(activation: Activation) -> str:
    """Write F in LaTeX, with the parameters' names upright."""
    names = {
        symbol: _name_latex(vector.name, None if vector.scalar else k)
        for vector in activation.parameters
        for k, symbol in enumerate(vector.symbols)
    }
    return sp.latex(activation.function, symbol_names=names, mul_symbol=" \\, ")


def quantity(q: Quantity) -> str:
    """Write a number with its closed form, or with its error if it has none."""
    if not q.exists:
        return "none"
    if q.exact:
        return _text(q.value, True)
    return f"~ {_short(q.number())} +- {q.error:.1g}  (numeric: {q.route})"


def law_latex(derivation: Derivation) -> str:
    """Write the law in LaTeX: x ~ name(parameters)."""
    law = derivation.law
    if isinstance(law, Normal):
        return f"\\mathcal{{N}}(0, {sp.latex(law.std**2)})"
    arguments = law.support if isinstance(law, (Uniform, Arcsine)) else (law.parameter,)
    return f"\\mathrm{{{type(law).__name__}}}({', '.join(map(sp.latex, arguments))})"


def _start_data(start: StartDerivation) -> dict[str, Any]:
    m = start.moments
    named = {"mean": m.mean, "second": m.second, "slope_second": m.slope_second, "q_slope": m.q_slope}
    return {
        "name": start.name,
        "kind": start.kind,
        "note": start.note,
        "reason": start.reason,
        "exact": start.exact,
        "values": {name: [_number_data(v, start.exact) for v in values] for name, values in start.values.items()},
        "moments": {k: _moment_data(q) for k, q in named.items()},
        "errors": asdict(start.errors) if start.errors else None,
        "shape": {start.shape.measure: _number_data(start.shape.amount, True)} if start.shape else None,
    }


def _moment_data(q: Quantity) -> dict[str, Any]:
    if not q.exists:
        return {"value": None, "exact": None, "error": None, "route": q.route}
    return _number_data(q.value, q.exact) | {"error": q.error, "route": q.route}


def _number_data(value: sp.Expr, exact: bool) -> dict[str, Any]:
    return {"value": float(evaluate(value)), "exact": _whole(value) if exact or value.is_Rational else None}


def _is_large(value: sp.Expr) -> bool:
    return next(islice(sp.preorder_traversal(value), LARGEST, None), None) is not None


def _whole(value: sp.Expr) -> str:
    """All of a closed form; a large one in SymPy's own order of terms."""
    return sp.sstr(value, order="none") if _is_large(value) else str(value)


def _readable(value: sp.Expr) -> str | None:
    """A closed form that is short enough for people."""
    text = None if _is_large(value) else str(value)
    return text if text is not None and len(text) <= LONGEST else None


def _steps_text(derivation: Derivation, start: StartDerivation) -> list[str]:
    found = solved(derivation, start)
    if found is None:
        return []
    shape = _readable(found.shape)
    lines = [f"F = {found.form}" + (f", g(x) = {shape}" if shape else "")]
    return lines + [f"  {step.text} {_text(step.value.value, step.value.exact)}" for step in found.steps]


def _text(value: sp.Expr, exact: bool) -> str:
    if value is sp.nan:
        return "does not exist"
    number = _short(value)
    if not (exact or value.is_Rational):
        return f"~ {number}"
    closed = _readable(value)
    if closed is None:
        return f"~ {number}  (closed form: --format json)"
    return f"= {closed}" if value.is_Integer else f"= {closed} ~ {number}"


def _tex(value: sp.Expr, exact: bool) -> str:
    if value is sp.nan:
        return "&\\text{ does not exist}"
    mantissa, _, exponent = _short(value).partition("e")
    number = f"{mantissa} \\cdot 10^{{{int(exponent)}}}" if exponent else mantissa
    if not (exact or value.is_Rational) or _readable(value) is None:
        return f"&\\approx {number}"
    return f"&= {sp.latex(value)}" + ("" if value.is_Integer else f" \\approx {number}")


def _closed_latex(expr: sp.Expr) -> str:
    return sp.latex(expr) if _readable(expr) else "\\text{as declared, with gain 1 and shift 0}"


def _name_latex(name: str, index: int | None) -> str:
    return f"\\mathrm{{{_escape(name)}}}" + ("" if index is None else f"_{{{index}}}")


def _short(value: sp.Expr) -> str:
    return f"{float(evaluate(value)):.{DIGITS}g}"


def _escape(text: str) -> str:
    return text.replace("_", "\\_").replace("^", "\\^{}").replace("<", "$<$").replace(">", "$>$").replace("|", "$|$")
