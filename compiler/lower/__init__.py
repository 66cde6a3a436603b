"""Lower: an Activation becomes a Program of straight-line statements with an analytic backward."""

from __future__ import annotations

from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower.basis import lower_basis, of_argument
from learnact.compiler.lower.feature_matrix import lower_feature_matrix
from learnact.compiler.lower.general import lower_general
from learnact.compiler.lower.grid import lower_grid
from learnact.compiler.lower.program import Block, Input, Program, Statement

__all__ = ["Block", "Input", "Program", "Statement", "lower"]


def lower(activation: Activation) -> Program:
    """Turn a declaration into straight-line code. Raises BadDeclaration."""
    feature_matrix, smooth, grid = None, None, None
    if activation.grid:
        inputs, forward, backward, grid = lower_grid(activation, activation.grid)
        passes = [("grid", forward.operations + backward.operations)]
    elif activation.features:
        inputs, forward, backward = lower_basis(activation)
        feature_matrix = lower_feature_matrix(activation, inputs, backward.results[1:])
        if activation.argument != x:
            inputs, forward, backward = of_argument(activation, inputs, forward, backward)
        passes = [("basis", forward.operations + backward.operations)]
    else:
        inputs, forward, backward, smooth, passes = lower_general(activation)
        passes.append(("share", forward.operations + backward.operations))
    return Program(activation, inputs, forward, backward, tuple(passes), feature_matrix, grid, smooth)
