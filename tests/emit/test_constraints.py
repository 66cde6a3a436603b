"""Parameters with a range: what is stored, what F sees, what starts may do, and that the referee looks at it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sympy as sp
import torch
from modules import module_of

from learnact.compiler.declare.basis import LinearFit
from learnact.compiler.declare.constraints import Between, Constraint, Positive
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import gain, shift, x
from learnact.compiler.derive import derive
from learnact.compiler.derive.fit.fitted import fitted_start
from learnact.compiler.emit import emit
from learnact.compiler.resolve.expression import from_expression, parse_params
from learnact.compiler.resolve.sound import check
from learnact.compiler.verify import verify
from learnact.errors import BadDeclaration, BadExpression, NoStart

KINDS = {
    "exp": (Positive(), lambda stored: stored.exp()),
    "softplus": (Positive(through="softplus"), torch.nn.functional.softplus),
    "above": (Positive(above=sp.Rational(1, 4)), lambda stored: 0.25 + stored.exp()),
    "between": (Between(-1, 2), lambda stored: -1 + 3 * stored.sigmoid()),
}


def waves(constraint: Constraint, value: sp.Expr) -> Activation:
    """x + sin(rate x)/3 with a rate in a range."""
    family = Family(
        name="waves",
        title="Waves",
        parameters={"rate": constraint},
        function=lambda p, _: x + sp.sin(p.rate * x) / 3,
        starts={"given": Start(lambda _n, _law: {"rate": value})},
        degrees=None,
    )
    return check(family.at())


def bumps(constraint: Constraint, values) -> Activation:
    """sum_k heights_k exp(-x^2/k) with heights in a range."""
    family = Family(
        name="bumps",
        title="Bumps",
        parameters={"heights": constraint, "offset": 1},
        function=lambda p, n: p.offset + sum(a * sp.exp(-(x**2) / (k + 1)) for k, a in enumerate(p.heights)),
        starts={"given": Start(values)},
        fit=LinearFit(
            features=lambda n, _: [1, *(sp.exp(-(x**2) / (k + 1)) for k in range(n))],
            values=lambda n, _, solution: {"offset": solution[0], "heights": solution[1:]},
        ),
    )
    return check(family.at(2))


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_stores_what_stands_for_the_value(tmp_path: Path, kind: str) -> None:
    """F and the gradient of what is stored are those of autograd through the same map."""
    constraint, by_hand = KINDS[kind]
    path = tmp_path / "waves.py"
    path.write_text(emit(waves(constraint, sp.Rational(3, 5))).text)
    act = module_of(path).Waves(dtype=torch.float64)
    ((name, stored),) = act.named_parameters()
    assert name == ("log_rate" if kind == "exp" else "raw_rate")
    assert math.isclose(by_hand(stored).item(), 0.6, rel_tol=1e-15)
    points = torch.linspace(-5, 5, 41, dtype=torch.float64)
    wanted = points + torch.sin(by_hand(stored) * points) / 3
    torch.testing.assert_close(act(points), wanted, rtol=1e-14, atol=1e-14)
    found, expected = (torch.autograd.grad(y.sum(), stored)[0] for y in (act(points), wanted))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_moments_are_those_of_the_value() -> None:
    """E[F^2] of x + sin(x)/3 is 1 + (2/3) exp(-1/2) + (1 - exp(-2))/18, in closed form for every range."""
    wanted = 1 + sp.Rational(2, 3) * sp.exp(-sp.Rational(1, 2)) + (1 - sp.exp(-2)) / 18
    for constraint, _ in KINDS.values():
        (start,) = derive(waves(constraint, sp.S.One)).starts
        assert start.exact
        assert sp.simplify(start.moments.second.value - wanted) == 0


def test_a_gain_scales_a_positive_parameter_exactly() -> None:
    """Of heights and offset together: E[F^2] = 1, and what is stored is log(gain height)."""
    activation = bumps(Positive(lambda n: n), lambda n, _: {"heights": [gain, 2 * gain], "offset": gain})
    (start,) = derive(activation).starts
    logs = start.values["log_heights"]
    assert start.moments.second.value == 1
    assert sp.simplify(sp.exp(logs[0]) - start.values["offset"][0]) == 0
    assert sp.simplify(logs[1] - logs[0] - sp.log(2)) == 0


def test_what_may_leave_the_range_is_refused() -> None:
    with pytest.raises(BadDeclaration, match="rate is declared above 0, found the value -1"):
        waves(Positive(), sp.S.NegativeOne)
    with pytest.raises(BadDeclaration, match="rate is declared between -1 and 2, found the value 2"):
        waves(Between(-1, 2), sp.S(2))
    for constraint, heights in (
        (Positive(lambda n: n), [gain * shift, gain]),
        (Between(0, 2, lambda n: n), [gain, gain]),
        (Positive(lambda n: n, above=1), [gain * 2, gain * 2]),
    ):
        with pytest.raises(BadDeclaration, match="may leave"):
            bumps(constraint, lambda n, _, heights=heights: {"heights": heights, "offset": gain})
    for make in (lambda: Positive(through="square"), lambda: Between(1, 1), lambda: Positive(above=sp.oo)):
        with pytest.raises(BadDeclaration):
            make()
    for name in ("twice", "log_rate"):  # log_rate: the function that is emitted, and what is stored for rate
        with pytest.raises(BadDeclaration, match="log_rate names two things"):
            Family(
                name=name,
                title="Twice",
                parameters={"rate": Positive(), ("log_rate" if name == "twice" else "level"): 1},
                function=lambda p, _: p.rate * x,
                starts={"given": Start(lambda _n, _law: {})},
                degrees=None,
            ).at()


def test_a_fit_outside_the_range_is_no_start() -> None:
    def ones(n, _):
        return {"heights": [sp.S.One] * n, "offset": sp.S.Zero}

    law = bumps(Between(-9, 9, lambda n: n), ones).family.law
    found = fitted_start(bumps(Between(-90, 90, lambda n: n), ones), "gelu", law)
    assert found.errors is not None
    assert set(found.values) == {"raw_heights", "offset"}
    with pytest.raises(NoStart, match="declared above 0"):
        fitted_start(bumps(Positive(lambda n: n), ones), "gelu", law)


def test_the_referee_sees_a_wrong_map_and_a_wrong_stored_value(tmp_path: Path) -> None:
    activation = waves(Positive(), sp.Rational(5, 3))
    path = tmp_path / "waves.py"
    text = emit(activation).text
    checks = ["value_fp64", "starts", "parameter_gradients_fp64"]

    def failed(text: str) -> tuple[str, ...]:
        path.write_text(text)
        return tuple(name for name in verify(activation, path, quick=True, only=checks).failed if name != "header")

    assert failed(text) == ()
    for old, new, seen in (
        ("torch.exp(log_rate)", "log_rate.square()", {"value_fp64", "parameter_gradients_fp64"}),
        ("(0.5108256237659907", "(0.6", {"starts"}),
    ):
        assert old in text
        assert set(failed(text.replace(old, new))) == seen


def test_ranges_in_an_expression() -> None:
    def declared(*params: str) -> Activation:
        return from_expression("x + b*sin(x) + c", parse_params(params), "Trial")

    assert [v.name for v in declared("b>0=1", "c=0").parameters] == ["log_b", "c"]
    assert [v.name for v in declared("0 < b < 2 = 1", "c=0").parameters] == ["raw_b", "c"]
    assert declared("b>1/2=1", "c=0").start_values("declared")[sp.Symbol("raw_b", real=True)] == -sp.log(2)
    for given, message in (
        ("b>=0=1", "not of the form b>0 or 0<b<1"),
        ("b<0=-1", "not of the form"),
        ("b>0=-1", "not in its range"),
        ("2<b<1=1.5", "two numbers in order"),
        ("b>c=1", "unknown name"),
    ):
        with pytest.raises(BadExpression, match=message):
            declared(given, "c=0")


def test_an_expression_scales_only_what_stays_in_its_range() -> None:
    def starts(*params: str) -> list[str]:
        return list(from_expression("b*x + c*sin(x) + d", parse_params(params), "Trial").family.starts)

    assert starts("b>0=1", "c=1", "d=0") == ["balanced", "declared"]
    assert starts("b>0=1", "c=1", "d>-1=0") == ["declared"]
    assert starts("b>1/2=1", "c=1", "d=0") == ["declared"]
