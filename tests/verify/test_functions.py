"""Functions of the expression language: files with a planted fault in one of them, which the referee must reject."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit import emit, write
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.verify import verify

FAULTS: dict[str, tuple[str, str, str, str]] = {
    "no digits of exp(u) - 1 near 0": (
        "x if x > 0 else a*(exp(x) - 1)",
        "_expm1(x)",
        "(torch.exp(x) - 1.0)",
        "value_fp64",
    ),
    "none in what is compiled": (
        "x if x > 0 else a*(exp(x) - 1)",
        "near = u + u * u * _polynomial(EXPM1, u)",
        "near = torch.exp(u) - 1.0",
        "traced",
    ),
    "no digits of log(1 + u) near 0": ("a*log(1 + b*x**2)", "torch.log1p(", "torch.log(1.0 + ", "value_fp32"),
    "no digits of erfc far out": ("a*x*erfc(b*x)", "torch.erfc(", "1.0 - torch.erf(", "value_fp64"),
    "nearest in place of lower integer": ("a*(x - 1)*floor(x) + b*x", "torch.floor(x)", "torch.round(x)", "value_fp32"),
    "the step from the right": ("a*(x - 1)*floor(x) + b*x", "-1.0 - torch.floor(-x)", "torch.floor(x)", "ties"),
    "one of two conditions": ("a*x if 0 < x <= 2 else b*x", " & (0.0 < x)", "", "value_fp64"),
    "sign of a slope": ("a*atan(b*x)", "slope = b * part1", "slope = -b * part1", "slope_fp64"),
    "no limit of 0 log(0)": ("a*Max(x, 0)**b", "part1 & part4", "part1 & (b < 0.0)", "parameter_gradients_fp64"),
    "no word of a moment that exists": ("a*atan(x)", '"declared": (', '"declared": (float("nan") + ', "moments"),
}
"""Expression, text, what is planted for it, and the check that must see it."""


def declared(text: str) -> Activation:
    given = {k: v for k, v in (("a", "0.75"), ("b", "2")) if re.search(rf"\b{k}\b", text)}
    return from_expression(text, given, "Probe")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_a_function_is_rejected(name: str, tmp_path: Path) -> None:
    text, old, new, check = FAULTS[name]
    activation = declared(text)
    path = write(emit(activation), tmp_path)
    sound = verify(activation, path, quick=True, only=[check])
    assert sound.ok, sound.table()
    source = path.read_text()
    assert old in source
    source = source.replace(old, new)
    body = "".join(line for line in source.splitlines(keepends=True) if not line.startswith("#"))
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    path.write_text(re.sub(r"(body\s+sha256:)[0-9a-f]{16}", rf"\g<1>{digest}", source, count=1))
    report = verify(activation, path, quick=True, only=[check])
    assert check in report.failed, report.table()
