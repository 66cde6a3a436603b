"""What would give an expression a better start than the values as given."""

from __future__ import annotations

from learnact.compiler.declare.spec import Activation


def missing_factor(activation: Activation) -> str:
    """How to write an expression whose only start is `declared` so that it has a balanced one; "" for all others.

    An expression without parameters is a function as it is: nothing is advised.
    """
    names = [v.name for v in activation.parameters]
    if not names or list(activation.family.starts) != ["declared"]:
        return ""
    scale, offset = (
        next(n for n in (short, long) if n not in names) for short, long in (("s", "scale"), ("d", "lift"))
    )
    return (
        f"no set of parameters is a common factor of the expression, so its one start is 'declared'; "
        f'--expr "{scale}*({activation.family.formula}) + {offset}" --param {scale}=1 --param {offset}=0 '
        "would have a balanced one"
    )
