"""F = x sigmoid(rate x): SiLU at rate 1, ReLU as the rate grows."""

import sympy as sp

from learnact.compiler.declare.functions import sigmoid
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

swish = Family(
    name="swish",
    title="Swish",
    formula="x * sigmoid(rate x)",
    degrees=None,
    parameters={"rate": 1},
    function=lambda p, _: x * sigmoid(p.rate * x),
    starts={"paper": Start(lambda _, law: {"rate": sp.S.One}, note="published: rate 1, the SiLU")},
    domain="all x",
    reference="Ramachandran et al. 2017, arXiv:1710.05941",
)
