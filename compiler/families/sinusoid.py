"""F = amplitude sin(frequency x + phase); sqrt(2) sin(x + pi/4) has E[F^2] = E[F'^2] = 1 under N(0, sigma^2)."""

import sympy as sp

from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, x

sinusoid = Family(
    name="sinusoid",
    title="Sinusoid",
    formula="amplitude * sin(frequency x + phase)",
    degrees=None,
    parameters={"amplitude": 1, "frequency": 1, "phase": 1},
    function=lambda p, _: p.amplitude * sp.sin(p.frequency * x + p.phase),
    starts={
        "balanced": Start(
            lambda _, law: {"amplitude": gain, "frequency": sp.S.One, "phase": sp.pi / 4},
            note="phase pi/4: length 1 forward and backward whatever sigma is; frequency 1, or 1/sigma to preserve",
        ),
        "siren": Start(
            lambda _, law: {"amplitude": gain, "frequency": sp.Integer(30), "phase": sp.pi / 4},
            note="published frequency w = 30: correlation c becomes exp(-w^2 sigma^2 (1 - c)), a kernel of width 1/w",
        ),
    },
    domain="all x; bounded",
    reference="Sitzmann et al. 2020, arXiv:2006.09661, for the start siren",
)
