"""F = max(0, x) + negative_slope min(0, x): ReLU with a learned slope below 0."""

import sympy as sp

from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

prelu = Family(
    name="prelu",
    title="PReLU",
    formula="max(0, x) + negative_slope * min(0, x)",
    degrees=None,
    parameters={"negative_slope": 1},
    function=lambda p, _: sp.Piecewise((x, x > 0), (p.negative_slope * x, True)),
    starts={"paper": Start(lambda _, law: {"negative_slope": sp.Rational(1, 4)}, note="published: slope 1/4")},
    domain="all x; piecewise linear",
    reference="He et al. 2015, arXiv:1502.01852",
)
