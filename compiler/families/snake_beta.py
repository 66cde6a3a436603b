"""F = x + sin(frequency x)^2/damping: Snake with a damping of its own, both stored as logarithms."""

import sympy as sp

from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

snake_beta = Family(
    name="snake_beta",
    title="SnakeBeta",
    formula="x + sin(frequency x)^2/damping",
    degrees=None,
    parameters={"frequency": Positive(), "damping": Positive()},
    function=lambda p, _: x + sp.sin(p.frequency * x) ** 2 / p.damping,
    starts={
        "paper": Start(
            lambda _, law: {"frequency": sp.S.One, "damping": sp.S.One}, note="published: both 1, their logarithms 0"
        )
    },
    domain="all x; periodic signals, one parameter a channel",
    reference="Lee et al. 2022, arXiv:2206.04658",
)
