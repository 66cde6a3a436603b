"""F = x Phi((x - location)/width), Phi the normal distribution function: x where it exceeds a learned threshold.

A narrow width makes a JumpReLU of it. The step stays smooth, so that the location's gradient is that of F itself: a
straight-through backward would be the derivative of another function.
"""

import sympy as sp

from learnact.compiler.declare.constraints import Positive
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import x

threshold = Family(
    name="threshold",
    title="Smooth threshold",
    formula="x * Phi((x - location)/width)",
    degrees=None,
    parameters={"location": 1, "width": Positive()},
    function=lambda p, _: x * (1 + sp.erf((x - p.location) / (sp.sqrt(2) * p.width))) / 2,
    starts={
        "paper": Start(lambda _, law: {"location": sp.S.Zero, "width": sp.S.One}, note="published: 0 and 1, the GELU"),
        "sparse": Start(
            lambda _, law: {"location": law.sigma, "width": law.sigma / 4},
            note="location sigma, width sigma/4: passes about one normal input in six, as a JumpReLU does",
        ),
    },
    domain="all x; like x above the threshold, 0 below",
    reference="Hendrycks & Gimpel 2016, arXiv:1606.08415, with its mean and deviation learned",
)
