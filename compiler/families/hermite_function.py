"""F = offset + exp(-u^2/4) sum_k a_k He_k(u)/sqrt(k!), u = stretch x: Hermite functions, bounded at every degree."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def functions(n, u):
    """exp(-u^2/4) He_k(u)/sqrt(k!) for k = 0..n: orthonormal over the line but for (2 pi)^(1/4)."""
    envelope = sp.exp(-(u**2) / 4)
    return [envelope * sp.polys.orthopolys.hermite_prob_poly(k, u) / sp.sqrt(sp.factorial(k)) for k in range(n + 1)]


def alternating(n, law):
    """Signs + + - - ..., as the balanced Hermite start has."""
    coefficients = [gain * (1, 1, -1, -1)[k % 4] for k in range(n + 1)]
    return {"stretch": 1 / law.sigma, "offset": gain * shift, "coefficients": coefficients}


hermite_function = Family(
    name="hermite_function",
    title="Hermite function",
    formula="offset + exp(-u^2/4) sum_{k=0..n} coefficients_k He_k(u)/sqrt(k!), u = stretch x",
    degrees=range(1, 9),
    parameters={"stretch": 1, "offset": 1, "coefficients": lambda n: n + 1},
    function=lambda p, n: (
        p.offset + sum(a * f for a, f in zip(p.coefficients, functions(n, p.stretch * x), strict=True))
    ),
    starts={"balanced": Start(alternating, note="signs + + - - of the Hermite polynomials' balanced start")},
    fit=LinearFit(
        features=lambda n, law: [sp.S.One, *functions(n, x / law.sigma)],
        values=lambda n, law, solution: {
            "stretch": 1 / law.sigma,
            "offset": solution[0],
            "coefficients": list(solution[1:]),
        },
    ),
    domain="all x; bounded, constant far out",
    reference="Szego 1939, chapter 5",
)
