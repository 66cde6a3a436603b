"""F = offset + sum_k a_k cos(w_k x - phi_k)/k!, a Fourier series whose frequencies w_k learn too."""

import sympy as sp

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.spec import Family, Start
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.compiler.families.fourier import polar


def balanced(n, law):
    """Frequencies k/sigma, amplitudes gain, phases pi/4."""
    return {
        "offset": gain * shift,
        "coefficients": [gain] * n,
        "frequencies": [k / law.sigma for k in range(1, n + 1)],
        "phases": [sp.pi / 4] * n,
    }


def published(n, law):
    """Frequencies k whatever the law, amplitudes gain, phases pi/4."""
    return {**balanced(n, law), "frequencies": list(range(1, n + 1))}


def fit_frequencies(n, law):
    """w_k = k pi/(8 sigma): period 16 sigma, so that the jump at its ends lies where the law has no mass."""
    return [k * sp.pi / (8 * law.sigma) for k in range(1, n + 1)]


def from_solution(n, law, solution):
    """The least-squares weights of 1, the cosines, then the sines, as parameter values."""
    coefficients, phases = polar(solution[1 : n + 1], solution[n + 1 :])
    return {
        "offset": solution[0],
        "coefficients": coefficients,
        "frequencies": fit_frequencies(n, law),
        "phases": phases,
    }


fourier_free = Family(
    name="fourier_free",
    title="Fourier series with learnable frequencies",
    formula="offset + sum_{k=1..n} coefficients_k cos(frequencies_k x - phases_k)/k!",
    parameters={"offset": 1, "coefficients": lambda n: n, "frequencies": lambda n: n, "phases": lambda n: n},
    function=lambda p, n: (
        p.offset
        + sum(
            a * sp.cos(w * x - phi) / sp.factorial(k)
            for k, (a, w, phi) in enumerate(zip(p.coefficients, p.frequencies, p.phases, strict=True), start=1)
        )
    ),
    starts={
        "balanced": Start(balanced, note="frequencies k/sigma, equal amplitudes, phases pi/4"),
        "paper": Start(published, root="plus", note="published: frequencies k, equal amplitudes, offset > 0"),
    },
    fit=LinearFit(
        features=lambda n, law: [sp.S.One, *(f(w * x) for f in (sp.cos, sp.sin) for w in fit_frequencies(n, law))],
        values=from_solution,
    ),
    domain="all x; bounded",
    reference="Khalfaoui-Hassani & Kesselheim 2025, arXiv:2502.01247 (with the frequencies free)",
)
