"""The referee: its own differentiation, kinks, quadrature and reports, and that it accepts what the compiler emits."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
from thorough import thinned

from learnact.compiler.declare import laws
from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import x
from learnact.compiler.emit import emit as emit_source
from learnact.compiler.emit import write
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify import CHECKS, SLOW, STATIC, points, quadrature, tolerances, verify
from learnact.compiler.verify.ledger import Broken, Ledger
from learnact.compiler.verify.oracle import Oracle, Truth
from learnact.compiler.verify.report import Check, Report, Skipped
from learnact.compiler.verify.tolerances import FP64
from learnact.errors import UnknownName, UnsupportedNode

FORBIDDEN = ("learnact.compiler.lower", "learnact.compiler.emit", "learnact.compiler.derive")
DIFFERENCE_STEP = mpmath.mpf("1e-9")
DIFFERENCE_ERROR = 1e-12
"""Central differences at 40 digits: the error is step^2 times a third derivative of order 1, 1e-18, and rounding
1e-40/1e-9; the bound is far above both and far below any wrong rule."""

RELEVANT = np.array([-2.3, -0.8, -0.1, 0.4, 1.7])


def declare(expr: sp.Expr, *names: str) -> Activation:
    """An activation of this expression, whose parameters all begin at 1."""
    start = Start(lambda n, law: {name: sp.S.One for name in names})
    family = Family("probe", "Probe", dict.fromkeys(names, 1), lambda p, n: expr, {"ones": start}, degrees=None)
    return family.at()


a, b = sp.symbols("a b", real=True)
SMOOTH = {
    "polynomial": a * x**3 - b * x + 2,
    "rational": (a + x) / (b**2 + x**2 + 1),
    "sqrt": sp.sqrt(1 + a**2 * x**2) * b,
    "symbolic power": (1 + x**2) ** (a + b / 2),
    "trigonometric": a * sp.sin(b * x + 1) - sp.cos(x / a),
    "exponential": a * sp.exp(-b * x**2 / 3),
    "log": sp.log(1 + a**2 * x**2 + b**2),
    "tanh": a * sp.tanh(b * x - 1),
    "gelu": a * x * (1 + sp.erf(b * x / sp.sqrt(2))) / 2,
    "silu": a * x * sigmoid(b * x),
    "softplus": softplus(a * x + b),
    "max": a * sp.Max(x, b * x**2 - 1, 1 - x, evaluate=False),
    "min": sp.Min(a * x, b + x / 2, evaluate=False),
    "abs": sp.Abs(a * x - b),
    "step": b * x * sp.Heaviside(x - a) + sp.sign(x) * a,
    "piecewise": sp.Piecewise((a * x, x < -1), (b * x**2, sp.And(x >= -1, x < 1)), (sp.exp(a * x), True)),
}


def truth_at(activation: Activation, at: list[float], values: list[float]) -> Truth:
    return Oracle(activation)(np.array(at), values, exact=True)


@pytest.mark.parametrize("name", SMOOTH)
def test_jets_are_the_derivatives_of_the_declaration(name: str) -> None:
    """Value and all derivatives against SymPy's value and central differences of it, to 40 digits."""
    values = [0.7, -1.3]
    truth = truth_at(declare(SMOOTH[name], "a", "b"), RELEVANT.tolist(), values)
    with mpmath.workdps(40):

        def f(*args: mpmath.mpf) -> mpmath.mpf:
            return mpmath.mpf(sp.N(SMOOTH[name].subs(dict(zip((x, a, b), map(sp.Float, args), strict=True))), 40))

        for k, point in enumerate(RELEVANT):
            at = [mpmath.mpf(float(v)) for v in (point, *values)]
            assert abs(f(*at) - truth.value.high[k] - truth.value.low[k]) < DIFFERENCE_ERROR
            for i, known in enumerate((truth.slope, *truth.gradients)):
                up, down = (f(*[v + s * DIFFERENCE_STEP * (i == j) for j, v in enumerate(at)]) for s in (1, -1))
                assert abs((up - down) / (2 * DIFFERENCE_STEP) - known.high[k]) < DIFFERENCE_ERROR * (1 + abs(up))


def test_where_no_derivative_exists_it_is_the_limit_from_the_left() -> None:
    assert truth_at(declare(sp.Abs(x)), [0.0], []).slope.high == [-1]
    assert truth_at(declare(sp.sign(x) + x), [0.0], []).slope.high == [1]
    assert truth_at(declare(sp.Heaviside(x) + x), [0.0], []).value.high == [0.5]
    assert truth_at(declare(sp.Max(0, x, evaluate=False)), [0.0], []).slope.high == [0]
    tied = truth_at(declare(sp.Max(b + 2 * x, a + x, evaluate=False), "b", "a"), [0.0], [1.0, 1.0])
    assert tied.slope.high == [1]  # a + x leads to the left of 0
    assert [g.high.tolist() for g in tied.gradients] == [[0], [1]]
    lower = truth_at(declare(sp.Min(b + 2 * x, a + x, evaluate=False), "a", "b"), [0.0], [1.0, 1.0])
    assert lower.slope.high == [2]
    assert truth_at(declare(sp.Max(0, x) + a * sp.Min(0, x), "a"), [0.0], [0.25]).slope.high == [0.25]
    assert truth_at(declare(sp.sign(x) * sp.log(1 + sp.Abs(x))), [0.0], []).slope.high == [1]
    stepped = truth_at(declare(sp.Piecewise((a * x, x > 0), (b * x, True)), "a", "b"), [0.0], [2.0, 3.0])
    assert stepped.slope.high == [3]


def test_an_unknown_node_is_an_error() -> None:
    with pytest.raises(UnsupportedNode, match="Mod"):
        truth_at(declare(sp.Mod(x, 2)), [0.5], [])


@pytest.mark.parametrize("spec", ["hermite:12", "fourier:6", "tropical_rational:4"])
def test_doubles_agree_with_thirty_digits_within_their_own_bound(spec: str) -> None:
    """The scale is a bound for a plain evaluation in doubles, and not a loose one."""
    activation = resolve(spec)
    oracle, at = Oracle(activation), points.rng(1).uniform(-8, 8, size=50)
    values = points.perturbed((1.0,) * len(activation.symbols), 2)
    exact, plain = oracle(at, values, exact=True), oracle(at, values, exact=False)
    errors = exact.value.error(plain.value.high)
    assert (errors <= FP64.eps * tolerances.GROWTH * exact.value.scale).all()
    assert errors.max() >= FP64.eps * exact.value.scale[errors.argmax()] / 1000


def test_kinks_are_found_where_they_are() -> None:
    expr = sp.Max(0, x - a, evaluate=False) + sp.Abs(x + b) + sp.Heaviside(x - 3)
    found = points.find_kinks(Oracle(declare(expr, "a", "b")), (1 / 3, 2.0))
    assert found == pytest.approx((-2.0, 1 / 3, 3.0), abs=1e-12)
    assert points.find_kinks(Oracle(declare(a * x, "a")), (1.0,)) == ()
    assert points.find_kinks(Oracle(declare(sp.Abs(x))), ()) == (0.0,)


@pytest.mark.parametrize("law", [laws.Normal(), laws.Uniform(), laws.Arcsine(), laws.Exponential()])
def test_quadrature_and_sample_know_the_law(law: laws.Law) -> None:
    """Total probability, variance, and a kinked mean: E|x - m| by the split rule against a plain sample."""
    sigma, center = float(law.sigma), 0.3
    rule = quadrature.rule(law, [center])
    nodes, weights = rule.nodes, rule.weights
    mean = np.sum(weights * nodes)
    assert np.sum(weights) == pytest.approx(1, rel=tolerances.MOMENT)
    assert np.sum(weights * (nodes - mean) ** 2) == pytest.approx(sigma**2, rel=tolerances.MOMENT)
    kinked, drawn = np.abs(nodes - center), np.abs(quadrature.sample(law) - center)
    error = np.sqrt(np.sum(weights * kinked**2) / drawn.size)
    assert abs(drawn.mean() - np.sum(weights * kinked)) < tolerances.SIGMAS * error


def test_the_referee_sees_only_the_declaration() -> None:
    """No file of verify/ imports the stages it judges, nor does anything that it imports."""
    folder = Path(points.__file__).parent
    assert len(list(folder.glob("*.py"))) > 10
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            assert not [n for n in names if n.startswith(FORBIDDEN)], file
    code = "import sys, learnact.compiler.verify; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "learnact.compiler.verify.oracle" in loaded
    assert not [name for name in loaded if name.startswith(FORBIDDEN)]


def test_a_report_never_counts_what_was_not_checked() -> None:
    good, bad = Check("value", True, 1e-17, 1e-16, "", 0.1), Check("slope", False, float("inf"), 0.0, "", 0.1)
    skipped = (Skipped("compile", "quick"),)
    assert not Report("x", "x.py", (), skipped).ok
    assert Report("x", "x.py", (good,), skipped).ok
    failed = Report("x", "x.py", (good, bad), skipped)
    assert not failed.ok
    assert failed.failed == ("slope",)
    data = json.loads(json.dumps(failed.as_dict(), allow_nan=False))
    assert [c["passed"] for c in data["checks"]] == [True, False]
    assert data["skipped"] == [{"name": "compile", "reason": "quick"}]
    table = failed.table().splitlines()
    assert [line.split()[:2] for line in table[2:-1]] == [["ok", "value"], ["FAIL", "slope"], ["skip", "compile"]]
    assert table[-1].startswith("FAIL")


def test_a_ledger_takes_no_number_for_an_answer() -> None:
    ledger = Ledger()
    ledger.compare(np.array([0.0, np.nan]), np.array([1.0, 1.0]), "here")
    assert not ledger.finding("things").passed
    with pytest.raises(Broken):
        Ledger().finding("things")


SPECS = ["hermite:5", "hermite:12", "chebyshev:6", "fourier:4", "fourier_free:3", "sinusoid", "tropical_rational:3"]


@pytest.mark.parametrize("spec", thinned(SPECS, ("hermite:5", "chebyshev:6", "fourier:4", "sinusoid")))
def test_the_referee_accepts_what_the_compiler_emits(spec: str, emitted_file: Callable[[str], Path]) -> None:
    report = verify(resolve(spec), emitted_file(spec), quick=True)
    assert report.ok, report.table()
    made = {c.name for c in report.checks}
    left_out = {s.name for s in report.skipped}
    assert made | left_out == {*STATIC, "loads", *CHECKS, *SLOW}
    assert not made & left_out
    smooth = {"kinks", "ties"} if "tropical" not in spec else set()
    assert left_out == {"compile"} | smooth


@pytest.mark.parametrize("spec", ["fourier_free:4", "fourier_free:7", "fourier_free:12"])
def test_the_referee_grants_a_fit_the_ridge_that_it_needs(spec: str, emitted_file: Callable[[str], Path]) -> None:
    assert "ridge" in emitted_file(spec).read_text()
    report = verify(resolve(spec), emitted_file(spec), quick=True, only=["starts"])
    assert report.ok, report.table()


@pytest.mark.parametrize("expr", ["1/(1 + exp(-a*x))", "x/(1 + exp(-a*x))", "log(1 + exp(a*x))"])
def test_the_referee_accepts_a_logistic_written_out(expr: str, tmp_path: Path) -> None:
    """Emitted in one piece, whose slope loses more digits far out than the quotient's would."""
    activation = from_expression(expr, {"a": 1}, "Logistic")
    report = verify(activation, write(emit_source(activation), tmp_path), quick=True)
    assert report.ok, report.table()


def test_a_loser_far_from_the_tie_adds_no_rounding_error() -> None:
    """Else the slope 1.5 Max(x, 0)^0.5 at x = -1 would have an infinite one, and nothing could be compared."""
    truth = truth_at(from_expression("a*Max(x, 0)**1.5", {"a": 1}, "Ramp"), [-1.0, 0.0, 2.0], [1.0])
    assert truth.finite[[0, 2]].all()
    assert truth.slope.scale[0] == 0


@pytest.mark.parametrize("name", ["gelu", "silu", "abs", "step", "min", "log"])
def test_the_referee_accepts_expressions(name: str, tmp_path: Path) -> None:
    """Functions that no shipped family has, with two parameters each."""
    activation = declare(SMOOTH[name], "a", "b")
    report = verify(activation, write(emit_source(activation), tmp_path), quick=True)
    assert report.ok, report.table()


def test_the_whole_verification_with_a_compiler(emitted_file: Callable[[str], Path]) -> None:
    report = verify(resolve("tropical:2"), emitted_file("tropical:2"))
    assert report.ok, report.table()
    assert not report.skipped


def test_what_is_left_out_is_listed(emitted_file: Callable[[str], Path]) -> None:
    report = verify(resolve("hermite:3"), emitted_file("hermite:3"), quick=True, only=["deepcopy"])
    assert [c.name for c in report.checks] == [*STATIC, "loads", "deepcopy"]
    assert {s.name for s in report.skipped} == {*CHECKS, *SLOW} - {"deepcopy"}
    with pytest.raises(UnknownName, match="gradcheck"):
        verify(resolve("hermite:3"), emitted_file("hermite:3"), only=["grad_check"])


def test_an_unreadable_file_is_an_error_not_a_report(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        verify(resolve("hermite:3"), tmp_path / "absent.py")
