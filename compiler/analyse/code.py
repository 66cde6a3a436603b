"""Gains of code that can only be called: a torch function or module, looked at in double precision by quadrature."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from learnact.compiler.analyse.double import Array
from learnact.compiler.analyse.gains import Gains
from learnact.compiler.analyse.rule import integrals, midpoints
from learnact.compiler.declare.laws import Law
from learnact.compiler.derive.quantity import Quantity
from learnact.errors import BadTarget, Contradiction, one_line

PROBES = (0.5, -0.25, 2.0, 0.0, -3.0, 1.0, -0.75, 0.125)
"""What the code is first called with: a pointwise function gives the same in any order and beside any others."""

OTHERS = -1.625
"""What replaces all probes but one."""

WOBBLE = 64
"""eps by which results of one entry may differ between calls: vectorized and scalar loops round differently."""

CONVERGED = 1e-6
"""Relative error, as the rule bounds it, up to which an integral counts as existing."""

AGREEMENT = 2e-3
"""Relative difference up to which the midpoint rule agrees: it misplaces a jump of F or F' by half a cell, which moves
an integral under N(0, 1) by 2e-4."""

FUNDAMENTAL = 1e-3
"""Relative difference up to which F(b) - F(a) is the integral of F', likewise."""

SECONDS = 20.0
"""For all of it: ordinary functions take under one."""

LOOKS = 4
"""Rounds in which the steepest place is looked at, each a hundred times closer."""

ROUTE = "the code's values, by quadrature"


def gains_of_code(code: Callable[[Tensor], Tensor], law: Law, seconds: float = SECONDS) -> Gains:
    """Gains of `code`, which takes a tensor and returns one of its shape, entry by entry.

    A module is copied, in the mode that it is in; slopes are those of its own backward. It is waited for `seconds`.
    Raises BadTarget for code that fails, takes longer, is random, returns another shape, or is not pointwise;
    Divergent where it is not finite; Contradiction where two quadratures differ.
    """
    found: list[Gains] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(_gains(_Code(code), law))
        except BaseException as err:  # goes on in the thread that asked
            failed.append(err)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise BadTarget(f"{_name(code)} takes longer than {seconds:g} s; gains are for fast pointwise functions")
    if failed:
        raise failed[0]
    return found[0]


class _Code:
    """A callable that has shown to be a pointwise function."""

    def __init__(self, code: Callable[[Tensor], Tensor]) -> None:
        self.name = _name(code)
        if isinstance(code, type) or not callable(code):
            raise BadTarget(f"{self.name} is no function of a tensor; pass a function or a module: torch.nn.GELU()")
        self.code = _copied(code) if isinstance(code, nn.Module) else code
        probes = torch.tensor(PROBES, dtype=torch.float64)
        with torch.no_grad():
            first = self.call(probes)
            self.eps = torch.finfo(first.dtype).eps
            self._alike(first, self.call(probes), "is random: two calls with one input differ (dropout? call .eval())")
            turned = self.call(probes.flip(0)).flip(0)
            self._alike(first, turned, "is not pointwise: reordering the input does more than reorder the output")
            for k in range(len(PROBES)):
                alone = torch.full_like(probes, OTHERS)
                alone[k] = probes[k]
                why = "is not pointwise: an entry of the output depends on other entries of the input"
                self._alike(first[k], self.call(alone)[k], why)
            square = self.call(probes.reshape(2, -1)).reshape(-1)
            self._alike(first, square, "is not pointwise: it treats a matrix otherwise than a vector")

    def call(self, at: Tensor) -> Tensor:
        """The code's result for a fresh copy of the points."""
        try:
            out = self.code(at.clone())
        except Exception as err:
            raise BadTarget(f"{self.name} cannot be called with a float64 tensor of shape {tuple(at.shape)}: "
                            f"{one_line(err)[:200]}") from err  # fmt: skip
        if not isinstance(out, Tensor) or not out.is_floating_point():
            kind = str(out.dtype) if isinstance(out, Tensor) else type(out).__name__
            raise BadTarget(f"{self.name} returns {kind} for a float64 tensor; an activation returns real numbers")
        if out.shape != at.shape:
            found, due = tuple(out.shape), tuple(at.shape)
            raise BadTarget(f"{self.name} returns shape {found} for shape {due}; a pointwise function keeps the shape")
        return out

    def _alike(self, a: Tensor, b: Tensor, why: str) -> None:
        same = torch.isclose(a.double(), b.double(), rtol=WOBBLE * self.eps, atol=WOBBLE * self.eps, equal_nan=True)
        if not bool(same.all()):
            raise BadTarget(f"{self.name} {why}; gains are of one function of x")

    def __call__(self, points: Array) -> tuple[Array, Array | None]:
        """Values and slopes at points of shape (N,); no slopes where no gradient reaches the input."""
        leaf = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            out = self.call(leaf * 1)  # no leaf: code may work in place
            slope = None
            if out.requires_grad:
                try:
                    (slope,) = torch.autograd.grad(out.sum(), leaf, allow_unused=True)
                except Exception as err:
                    raise BadTarget(f"the backward of {self.name} fails: {one_line(err)[:200]}") from err
        values = np.asarray(out.detach().double().numpy())
        return values, None if slope is None else np.asarray(slope.numpy())


def _gains(code: _Code, law: Law) -> Gains:
    slopeless = _without_slopes(code, law)

    def rows(points: Array) -> Array:
        f, s = code(points)
        s = np.zeros_like(f) if s is None else s
        with np.errstate(over="ignore"):
            return np.array([f, f**2, s**2, points * f * s, np.abs(f)])

    values, errors = integrals(law, rows)
    second_way = midpoints(law, rows)
    size = np.array([values[4], values[1], values[2], np.sqrt(abs(values[1] * values[2])), values[4]])
    rounding = 4 * code.eps * np.where(np.isfinite(size), size, 0.0)
    missing: dict[str, str] = {}
    found: dict[str, Quantity | None] = {}
    checked: dict[str, float] = {}
    for k, name in enumerate(("mean", "second", "slope_second", "product")):
        found[name] = None
        if k > 1 and slopeless:
            missing[name] = slopeless
        elif not np.isfinite(values[k]) or errors[k] > CONVERGED * size[k] + rounding[k]:
            missing[name] = f"its integral under {law} does not converge"
        else:
            found[name] = Quantity(sp.Float(values[k], 17), False, float(errors[k] + rounding[k]), ROUTE)
            checked[name] = abs(second_way[k] - values[k]) / size[k] if size[k] > 0 else 0.0
            if checked[name] > AGREEMENT:
                raise Contradiction(
                    f"two quadratures of {code.name} under {law} give {values[k]:.10g} and {second_way[k]:.10g}; it "
                    "changes too fast for either"
                )
    second, product = found["second"], found.pop("product")
    if second is None or product is None or float(second) == 0:
        missing["q_slope"] = missing.pop("product", "E[F^2] does not exist or is 0")
        checked.pop("product", None)
        q_slope = None
    else:
        ratio = float(product) / float(second)
        error = (product.error + abs(ratio) * second.error) / float(second)
        q_slope = Quantity(sp.Float(ratio, 17), False, error, ROUTE)
        checked["q_slope"] = checked.pop("product")
    lipschitz = None if slopeless else _steepest(code, law, missing)
    if slopeless:
        missing["lipschitz"] = slopeless
    formula = "code, called in double precision"
    return Gains(
        code.name, formula, law, **found, q_slope=q_slope, lipschitz=lipschitz, missing=missing, checked=checked
    )


def _steepest(code: _Code, law: Law, missing: dict[str, str]) -> Quantity | None:
    """Largest |F'| found on a grid over all that the law reaches and 8 either way, and closer around it."""
    reach = max(8.0, 14 * float(law.sigma))
    low, high = -reach, reach
    tallest = 0.0
    for k in range(LOOKS):
        points = np.linspace(low, high, 20001)
        slope = code(points)[1]
        if slope is None or not np.isfinite(slope).all():
            missing["lipschitz"] = "F' is not finite everywhere"
            return None
        best = int(np.argmax(np.abs(slope)))
        before, tallest = tallest, float(abs(slope[best]))
        if k == 0 and best in (0, 20000) and tallest > (1 + CONVERGED) * float(np.abs(slope[2000:-2000]).max()):
            missing["lipschitz"] = f"|F'| still grows at x = {points[best]:g}"
            return None
        width = (high - low) / 200
        low, high = points[best] - width, points[best] + width
    error = abs(tallest - before) + 4 * code.eps * tallest
    return Quantity(sp.Float(tallest, 17), False, error, "largest slope found")


def _without_slopes(code: _Code, law: Law) -> str:
    """Why slopes are not to be had, or are not those of F; empty where they are."""
    reach = min(4 * float(law.sigma), 16.0)
    edges = np.linspace(-reach, 1.0003 * reach, 40001)  # unsymmetric: kinks at round numbers lie inside cells
    value, slope = code(edges)
    if slope is None:
        return "no gradient reaches the input"
    if not (np.isfinite(value).all() and np.isfinite(slope).all()):
        return ""  # the integrals say whether that matters
    left = _unexplained(edges, value, slope)
    worst = int(np.argmax(np.abs(left)))
    within = np.linspace(edges[worst], edges[worst + 1], 1001)
    inner_value, inner_slope = code(within)
    if inner_slope is not None:
        inner = np.abs(_unexplained(within, inner_value, inner_slope))
        noise = WOBBLE * code.eps * (1 + float(np.abs(value).max()))
        if inner.max() > max(abs(left[worst]) / 2, noise):  # a kink would have shrunk with the cell
            return f"F jumps at x = {within[int(np.argmax(inner))]:.4g}"
    total, travelled = abs(float(left.sum())), float((np.abs(slope[1:]) * np.diff(edges)).sum())
    if total > FUNDAMENTAL * (travelled + float(np.abs(np.diff(value)).sum())):
        return "the gradients of its backward are not the slopes of its values"
    return ""


def _unexplained(at: Array, value: Array, slope: Array) -> Array:
    """F(b) - F(a) less the integral of F' between neighbours."""
    return np.asarray(np.diff(value) - (slope[1:] + slope[:-1]) / 2 * np.diff(at))


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module).double().cpu()
    except Exception as err:
        raise BadTarget(f"{_name(module)} cannot be copied to double precision: {one_line(err)[:200]}") from err


def _name(code: Any) -> str:
    if isinstance(code, nn.Module):
        return " ".join(repr(code).split())[:60]
    return str(getattr(code, "__name__", None) or repr(code)[:60])
