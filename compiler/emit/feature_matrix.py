"""What feature_matrix.py.jinja prints: eager code of a declared basis, one operation a feature."""

from __future__ import annotations

from typing import Any

from learnact.compiler.declare.symbols import x
from learnact.compiler.emit.layout import wrapped
from learnact.compiler.emit.printer import number
from learnact.compiler.emit.torch_printer import CALLS, TorchPrinter
from learnact.compiler.lower import Program
from learnact.compiler.lower.program import FeatureRow


def feature_matrix_context(program: Program) -> dict[str, Any] | None:
    """What feature_matrix.py.jinja prints, or None for a Program without one."""
    matrix = program.feature_matrix
    if matrix is None:
        return None
    weights, targets, factors = zip(*matrix.slopes, strict=True) if matrix.slopes else ((), (), ())
    return {
        "rate": program.activation.argument != x,
        "signature": wrapped("def _features(", ["x", *(s.name for s in matrix.order)], "):"),
        "steps": [_line(row) for row in matrix.steps],
        "scales": wrapped("SCALES = (", [*map(number, matrix.scales)], ",)" if len(matrix.order) == 1 else ")"),
        "slopes": wrapped(
            "SLOPES = (",
            [f"({w}, {t}, {number(f)})" for w, t, f in zip(weights, targets, factors, strict=True)],
            ",)" if len(weights) == 1 else ")",
        ),
    }


def _line(row: FeatureRow) -> str:
    name = row.symbol.name
    if row.function == 1:
        return f"{name}.fill_(1.0)"
    if row.function is not None:
        call = CALLS.get(type(row.function), "")
        written = call.startswith("torch.")  # others take no `out`
        return f"{call}(x, out={name})" if written else f"{name}.copy_({TorchPrinter(())(row.function)})"
    operands = f"{row.left.name}, {row.right.name}"
    if row.addend is None:
        return f"torch.mul({operands}, out={name})"
    return f"torch.addcmul({row.addend.name}, {operands}, value={number(row.factor)}, out={name})"
