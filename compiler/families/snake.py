"""F = x + sin(frequency x)^2/frequency with a positive frequency, stored as its logarithm."""

import sympy as sp

from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

snake = Family(
    name="snake",
    title="Snake",
    formula="x + sin(frequency x)^2/frequency",
    degrees=None,
    parameters={"frequency": Positive()},
    function=lambda p, _: x + sp.sin(p.frequency * x) ** 2 / p.frequency,
    starts={"paper": Start(lambda _, law: {"frequency": sp.S.One}, note="published: frequency 1")},
    domain="all x; periodic signals",
    reference="Liu et al. 2020, arXiv:2006.08195",
)
