"""One exact number from whatever holds one: 0.55, "11/20", a Fraction, a numpy scalar or a tensor of one element."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np
import sympy as sp

from learnact.compiler.resolve.language import parse_constant
from learnact.errors import BadLaw

if TYPE_CHECKING:
    from typing import TypeAlias

Number: TypeAlias = "str | Fraction | Decimal | SupportsFloat | sp.Expr"
"""What a sigma may be; SupportsFloat are int, float, numpy's scalars and torch's tensors."""


def exact(value: Number, what: str) -> sp.Expr:
    """The number that the shortest text of `value` writes, exactly: 0.55 is 11/20 in every floating dtype.

    Raises BadLaw for what is no single real number, BadExpression for text that is none. `what` names it in errors.
    """
    if isinstance(value, Fraction):
        return sp.Rational(value.numerator, value.denominator)
    if isinstance(value, sp.Expr):
        return value
    if isinstance(value, str):
        return parse_constant(value, what)
    number = _scalar(value, what)
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, float, Decimal, np.integer, np.floating)):
        raise BadLaw(f"{what} must be a number such as 0.55, '11/20' or Fraction(11, 20), found {_shown(value)}")
    if not np.isfinite(float(number)):
        raise BadLaw(f"{what} must be finite, found {number}")
    return parse_constant(str(number), what)


def _scalar(value: Any, what: str) -> Any:
    """The Python or numpy scalar in a tensor or an array, in a dtype that prints the text it was written as."""
    if not hasattr(value, "item") or not hasattr(value, "dtype"):
        return value
    try:
        number = value.item()
    except (ValueError, RuntimeError) as err:
        shape = tuple(getattr(value, "shape", ()))
        raise BadLaw(f"{what} must be one number, found {type(value).__name__} of shape {shape}") from err
    narrow = {"float16": np.float16, "float32": np.float32}.get(str(value.dtype).removeprefix("torch."))
    return narrow(number) if narrow else number


def _shown(value: object) -> str:
    return f"{' '.join(repr(value).split())[:60]} of type {type(value).__name__}"
