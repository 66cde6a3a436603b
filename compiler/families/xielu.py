"""F = rise x^2 + x/2 above 0 and fall (exp(x) - 1 - x) + x/2 below, with rise > 0 and fall > 1/2 through softplus."""

import sympy as sp

from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

LINEAR = sp.Rational(1, 2)
"""The slope at 0, and what `fall` stays above: so F' is 0 somewhere below 0, as in the paper."""

xielu = Family(
    name="xielu",
    title="xIELU",
    formula="rise x^2 + x/2 for x > 0, else fall (exp(x) - 1 - x) + x/2",
    degrees=None,
    parameters={"rise": Positive(through="softplus"), "fall": Positive(through="softplus", above=LINEAR)},
    function=lambda p, _: sp.Piecewise(
        (p.rise * x**2 + LINEAR * x, x > 0), (p.fall * (sp.exp(x) - 1 - x) + LINEAR * x, True)
    ),
    starts={
        "paper": Start(
            lambda _, law: {"rise": sp.Rational(4, 5), "fall": sp.Rational(4, 5)}, note="published: rise and fall 4/5"
        )
    },
    domain="all x; grows like x^2 above 0",
    reference="Huang & Schlag 2024, arXiv:2411.13010",
)
