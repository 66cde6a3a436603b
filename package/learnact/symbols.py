"""The symbols in which declarations are written: the input `x`, and `gain` and `shift`, the unknowns of a start."""

from learnact.compiler.declare.symbols import gain, shift, x

__all__ = ["gain", "shift", "x"]
