"""The named starts and the moments they claim: by the declared form, by quadrature and by sampling."""

from __future__ import annotations

import numpy as np
import sympy as sp

from learnact.compiler.declare.symbols import PLAIN, gain, input_scale, shift, tilt
from learnact.compiler.verify import quadrature, tolerances
from learnact.compiler.verify.checks_fits import check_fit
from learnact.compiler.verify.checks_shaped import check_shape
from learnact.compiler.verify.ledger import Finding, Ledger
from learnact.compiler.verify.measured import Array
from learnact.compiler.verify.moments import UNCONVERGED, emitted, evaluated
from learnact.compiler.verify.subject import Subject

MOMENTS = ("E[F^2]", "E[F'^2]", "q-slope")
GUESSES = [
    {gain: g, shift: s, tilt: t, input_scale: z}
    for t, z in ((0.0, 1.0), (3.0, 0.2), (-0.5, 3.0))
    for g in (1.0, 0.3, 3.0)
    for s in (0.0, 0.7, -0.7, 2.5, -2.5)
]
"""From which the unknowns of a start are looked for; those that it does not have are left out."""


def check_moments(subject: Subject) -> Finding:
    """E[F^2], E[F'^2] and the q-slope that the class claims, for every start."""
    ledger = Ledger()
    for start, claim in subject.cls.moments.items():
        f = emitted(subject, subject.printed(start))
        found = (f.mean(f.value**2), f.mean(f.slope**2), f.q_slope())
        for what, claimed, integrated, converged in zip(MOMENTS, claim, found, f.converged, strict=True):
            if not converged:
                ledger.leave(1, UNCONVERGED)
                continue
            bound = tolerances.MOMENT * (1 + abs(integrated))
            ledger.compare(
                abs(claimed - integrated), bound, f"{start} {what}: claimed {claimed:.9g}, found {integrated:.9g}"
            )
    return ledger.finding("claims")


def check_monte_carlo(subject: Subject) -> Finding:
    """The same claims against Monte Carlo means, which need no kinks, densities or nodes."""
    ledger, at = Ledger(), quadrature.sample(subject.law)
    for start, (second, slope_second, q_slope) in subject.cls.moments.items():
        values = subject.printed(start)
        f, (value, slope) = emitted(subject, values), evaluated(subject, values, at)
        claims = {
            "E[F^2]": (second, f.value**2, value**2),
            "E[F'^2]": (slope_second, f.slope**2, slope**2),
            "E[x F F']": (q_slope * second, f.nodes * f.value * f.slope, at * value * slope),
        }
        for (what, (claimed, integrand, drawn)), converged in zip(claims.items(), f.converged, strict=True):
            if not converged:
                ledger.leave(1, UNCONVERGED)
                continue
            variance = f.mean(integrand**2) - f.mean(integrand) ** 2
            error = np.sqrt(max(variance, 0.0) / drawn.size)
            bound = tolerances.SIGMAS * error + tolerances.MOMENT * (1 + abs(claimed))
            ledger.compare(abs(claimed - drawn.mean()), bound, f"{start} {what}")
    return ledger.finding(f"claims with {at.size} draws")


def check_starts(subject: Subject) -> Finding:
    """Printed values: the declared ones; of the declared form and balanced; or the least-squares fit."""
    subject.require_parameters()
    ledger = Ledger()
    for start in subject.starts:
        if start in subject.activation.family.starts:
            _declared(subject, start, ledger)
        else:
            check_fit(subject, start, ledger)
    return ledger.finding("statements on starts")


def _declared(subject: Subject, start: str, ledger: Ledger) -> None:
    activation = subject.activation
    pairs = activation.start_values(start, subject.law)
    exprs = [pairs[s] for s in activation.symbols]
    found = np.array(subject.printed(start))
    unknowns = [u for u in PLAIN if any(e.has(u) for e in exprs)]
    if not unknowns:
        truth = np.array([float(sp.N(e, 20)) for e in exprs])
        ledger.compare(np.abs(found - truth), tolerances.START * (1 + np.abs(truth)), f"{start}, as declared")
        return
    residual = fit_form(exprs, unknowns, found)
    ledger.compare(residual, tolerances.FORM * (1 + np.abs(found).max()), f"{start}, declared form")
    if (shape := activation.start(start).shape) is not None:
        check_shape(subject, start, shape, ledger)
    elif gain in unknowns:
        _balanced(subject, start, unknowns, ledger)


def _balanced(subject: Subject, start: str, unknowns: list[sp.Symbol], ledger: Ledger) -> None:
    """A start with a gain has E[F^2] = 1; with a shift also E[F'^2] = 1, where the balance theorem has a solution."""
    f = emitted(subject, subject.printed(start))
    mean, second, slope_second = f.mean(f.value), f.mean(f.value**2), f.mean(f.slope**2)
    claimed_second, claimed_slope, _ = subject.cls.moments[start]
    ledger.compare(abs(claimed_second - 1), tolerances.BALANCE, f"{start}, claims E[F^2] = {claimed_second!r}")
    if not f.converged[0]:
        ledger.leave(1, UNCONVERGED)
        return
    ledger.compare(abs(second - 1), tolerances.MOMENT, f"{start}, E[F^2] = {second:.12g}")
    if shift not in unknowns:
        return  # E[F^2] alone is claimed
    if not all(f.converged):
        ledger.leave(1, UNCONVERGED)
        return
    solvable = second - mean**2 <= slope_second * (1 + tolerances.MOMENT)  # variance of F against E[F'^2]
    if not solvable:
        return
    ledger.compare(abs(claimed_slope - 1), tolerances.BALANCE, f"{start}, claims E[F'^2] = {claimed_slope!r}")
    ledger.compare(abs(slope_second - 1), tolerances.MOMENT, f"{start}, E[F'^2] = {slope_second:.12g}")
    if subject.activation.start(start).root == "plus":
        ledger.compare(max(0.0, -mean), tolerances.MOMENT, f"{start}, the larger of both shifts")
    else:  # the other shift gives F - 2 E[F]
        excess = abs(f.q_slope()) - abs(f.q_slope(-2 * mean))
        ledger.compare(max(0.0, excess), tolerances.MOMENT, f"{start}, the shift with the smaller q-slope")


def fit_form(exprs: list[sp.Expr], unknowns: list[sp.Symbol], found: Array) -> float:
    """Largest residual of the declared values at the unknowns, gain > 0, that fit the printed values best."""
    numbers = [sp.N(e, 20) for e in exprs]  # quantiles and the like are numbers before numpy sees them
    declared = sp.lambdify(unknowns, numbers, modules="numpy")
    slopes = sp.lambdify(unknowns, [[e.diff(u) for u in unknowns] for e in numbers], modules="numpy")
    best = np.inf
    for begin in dict.fromkeys(tuple(guess[u] for u in unknowns) for guess in GUESSES):
        at = np.array(begin)
        for _ in range(60):
            residual = found - np.array(declared(*at), dtype=float)
            matrix = np.array(slopes(*at), dtype=float)
            if not (np.isfinite(matrix).all() and np.isfinite(residual).all()):
                break
            step, *_ = np.linalg.lstsq(matrix, residual, rcond=None)
            at = at + step
        positive = all(at[unknowns.index(u)] > 0 for u in (gain, input_scale) if u in unknowns)
        residual = np.abs(found - np.array(declared(*at), dtype=float)).max()
        if positive and np.isfinite(residual):
            best = min(best, float(residual))
    return best
