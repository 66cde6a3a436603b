"""The product of one stage, as text or data: spec, derivation, program or source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from learnact.compiler import api
from learnact.compiler.declare.spec import Activation
from learnact.compiler.explain import formats
from learnact.compiler.resolve.declaration import Declaration


def text(declaration: Declaration, stage: str) -> str:
    """The stage as text: `stage` is spec, derivation, program or source."""
    if stage == "spec":
        return _spec_text(declaration.activation())
    if stage == "derivation":
        return formats.plain(api.derive(declaration.activation()))
    if stage == "program":
        return f"{str(api.lower(declaration.activation())).rstrip()}\n"
    return api.emit(declaration).text


def data(declaration: Declaration, stage: str) -> Any:
    """The stage as data that JSON can hold; `stage` as in `text`."""
    if stage == "spec":
        return _spec(declaration.activation())
    if stage == "derivation":
        return formats.data(api.derive(declaration.activation()))
    if stage == "program":
        program = api.lower(declaration.activation())
        return {"spec": program.activation.names.spec} | {
            f.name: plain_data(getattr(program, f.name)) for f in fields(program) if f.name != "activation"
        }
    return plain_data(api.emit(declaration))


def plain_data(value: Any) -> Any:
    """Turn frozen dataclasses, mappings, sequences and SymPy objects into what JSON can hold."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value):
        return {f.name: plain_data(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_data(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(entry) for entry in value]
    return str(value)


def _spec(activation: Activation) -> dict[str, Any]:
    family = activation.family
    starts = {
        name: {
            "root": start.root,
            "values": _values(activation, name),
        }
        for name, start in family.starts.items()
    }
    return {
        "spec": activation.names.spec,
        "class": activation.names.cls,
        "title": family.title,
        "formula": activation.formula,
        "law": str(family.law),
        "domain": family.domain,
        "reference": family.reference,
        "parameters": {v.name: [s.name for s in v.symbols] for v in activation.parameters},
        "function": str(activation.function),
        "features": [
            {"symbol": str(f.symbol), "value": str(f.value), "slope": str(f.slope)} for f in activation.features
        ],
        "weights": [str(w) for w in activation.weights],
        "starts": starts,
        "digest": activation.digest,
    }


def _values(activation: Activation, start: str) -> dict[str, str | list[str]]:
    texts = {symbol: str(value) for symbol, value in activation.start_values(start).items()}
    return {
        v.name: texts[v.symbols[0]] if v.scalar else [texts[symbol] for symbol in v.symbols]
        for v in activation.parameters
    }


def _spec_text(activation: Activation) -> str:
    facts = _spec(activation)
    lines = []
    for key, value in facts.items():
        if isinstance(value, str):
            lines.append(f"{key:<11}{value}")
        elif isinstance(value, dict):
            lines += [key, *(f"  {name:<22}{_words(entry)}" for name, entry in value.items())]
        elif value:
            lines += [key, *(f"  {_words(entry)}" for entry in value)]
    return "\n".join(lines) + "\n"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k} = {_words(v)}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
