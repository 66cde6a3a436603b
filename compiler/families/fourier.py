"""F = offset + sum_k a_k cos(kx - phi_k)/k!, a Fourier series: offset, amplitudes and phases learn."""

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x


def harmonics(n: int) -> tuple[Feature, ...]:
    """cos(kx) and sin(kx), k = 1..n, from one cosine and one sine: cos(a + b) = cos(a - b) - 2 sin a sin b.

    With a = b or a = b + 1 the recursion has depth log2 k, which bounds the growth of rounding errors.
    """
    c = [sp.S.One, *(sp.Symbol(f"cos{k}", real=True) for k in range(1, n + 1))]
    s = [sp.S.Zero, *(sp.Symbol(f"sin{k}", real=True) for k in range(1, n + 1))]
    one = Feature(sp.Symbol("one", real=True), sp.S.One, sp.S.Zero)
    steps = [one, Feature(c[1], sp.cos(x), -s[1]), Feature(s[1], sp.sin(x), c[1])]
    for k in range(2, n + 1):
        b = k // 2
        a = k - b
        twice = sp.Symbol(f"twice{b}", real=True)
        if k % 2 == 0:
            steps.append(Feature(twice, 2 * s[b], 2 * b * c[b], weighted=False))
        steps.append(Feature(c[k], c[a - b] - twice * s[a], -k * s[k]))
        steps.append(Feature(s[k], s[a - b] + twice * c[a], k * c[k]))
    return tuple(steps)


def weights(p, n):
    """a cos(kx - phi)/k! = (a cos phi / k!) cos(kx) + (a sin phi / k!) sin(kx)."""
    pairs = [
        (a * sp.cos(phi) / sp.factorial(k), a * sp.sin(phi) / sp.factorial(k))
        for k, (a, phi) in enumerate(zip(p.coefficients, p.phases, strict=True), start=1)
    ]
    return [p.offset, *(w for pair in pairs for w in pair)]


def start(n, law):
    """Amplitudes gain, phases pi/4: cosines and sines then have equal weights."""
    return {"offset": gain * shift, "coefficients": [gain] * n, "phases": [sp.pi / 4] * n}


def polar(amplitude_cos: list[sp.Expr], amplitude_sin: list[sp.Expr]) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """c, p with A_k cos(u) + B_k sin(u) = c_k cos(u - p_k)/k!, k = 1, 2, ...; p_k = 0 where A_k = B_k = 0."""
    pairs = list(zip(amplitude_cos, amplitude_sin, strict=True))
    coefficients = [sp.sqrt(a**2 + b**2) * sp.factorial(k) for k, (a, b) in enumerate(pairs, start=1)]
    return coefficients, [sp.S.Zero if a == b == 0 else sp.atan2(b, a) for a, b in pairs]


def from_solution(n, law, solution):
    """The least-squares weights of 1, cos x, ..., cos nx, sin x, ..., sin nx as parameter values."""
    coefficients, phases = polar(solution[1 : n + 1], solution[n + 1 :])
    return {"offset": solution[0], "coefficients": coefficients, "phases": phases}


fourier = Family(
    name="fourier",
    title="Fourier series",
    formula="offset + sum_{k=1..n} coefficients_k cos(k x - phases_k)/k!",
    parameters={"offset": 1, "coefficients": lambda n: n, "phases": lambda n: n},
    function=lambda p, n: (
        p.offset
        + sum(
            a * sp.cos(k * x - phi) / sp.factorial(k)
            for k, (a, phi) in enumerate(zip(p.coefficients, p.phases, strict=True), start=1)
        )
    ),
    basis=Basis(harmonics, weights),
    starts={
        "balanced": Start(start, note="equal amplitudes, phases pi/4"),
        "paper": Start(start, root="plus", note="published signs, offset > 0"),
    },
    fit=LinearFit(
        features=lambda n, law: [sp.S.One, *(f(k * x) for f in (sp.cos, sp.sin) for k in range(1, n + 1))],
        values=from_solution,
    ),
    domain="all x; bounded, period 2 pi",
    reference="Khalfaoui-Hassani & Kesselheim 2025, arXiv:2502.01247",
)
