"""Lowering: the statements compute the function and its derivatives, at kinks too, once each and freely named."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import mpmath
import pytest
import sympy as sp
from evaluated_programs import DIGITS, assert_equal, program_at, run
from mpmath import mpf

from learnact.compiler.declare.basis import Basis, Feature
from learnact.compiler.declare.names import RESERVED
from learnact.compiler.declare.spec import Activation, Family, Start
from learnact.compiler.declare.symbols import x
from learnact.compiler.lower import Program, lower
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadDeclaration, BadName

a, b = sp.symbols("a b", real=True)


@pytest.fixture(autouse=True)
def _forty_digits() -> Iterator[None]:
    with mpmath.workdps(DIGITS):
        yield


@cache
def lowered(spec: str) -> Program:
    return lower(resolve(spec))


def declare(expr: sp.Expr, *names: str, **more) -> Activation:
    """An activation of this expression in scalar parameters of these names."""
    start = Start(lambda n, law: dict.fromkeys(names, sp.S.One))
    family = Family("probe", "Probe", dict.fromkeys(names, 1), lambda p, n: expr, {"ones": start}, degrees=None, **more)
    return family.at()


SPECS = ["sinusoid"] + [
    f"{name}:{degree}"
    for name in "chebyshev fourier fourier_free hermite legendre tropical tropical_rational".split()
    for degree in (1, 2, 5, 12)
]
EXPRESSIONS = {
    "polynomial": a * x**3 - b * x + 2,
    "rational": (a + x) / (b**2 + x**2 + 1),
    "negative power": a * (1 + x**2) ** sp.Rational(-3, 2) + b,
    "symbolic power": (1 + x**2) ** (a + b / 2),
    "numeric base": a * 2**x + b,
    "waves": a * sp.sin(b * x + 1) - sp.cos(x / a),
    "gauss": a * sp.exp(-b * x**2 / 3),
    "gelu": a * x * (1 + sp.erf(b * x / sp.sqrt(2))) / 2,
    "naive silu": a * x / (1 + sp.exp(-b * x)),
    "naive softplus": a * sp.log(1 + sp.exp(b * x)),
    "relu": a * sp.Max(0, x, evaluate=False) + b,
    "constants": a * sp.Max(x, 0, 1, sp.sqrt(2), evaluate=False) + sp.Min(x, b, 3, sp.pi, evaluate=False),
    "no constant": sp.Max(a, b, evaluate=False) * x,
    "constants and parameters": sp.Max(0, a, evaluate=False) * x + b,
    "twice the same": sp.Max(x, sp.Max(x, a, evaluate=False), b, evaluate=False),
    "nested": a * sp.Max(0, sp.Min(x, 1, evaluate=False), b * x, evaluate=False),
    "max in exp": a * sp.exp(-sp.Max(x, b * x, evaluate=False)),
    "max of waves": sp.Max(a * sp.sin(x), b * sp.cos(x), x / 4, evaluate=False),
    "abs": a * sp.Abs(x - b) + b,
    "abs of max": sp.Abs(sp.Max(a * x, b, evaluate=False)) * x,
    "abs of a logarithm": a * sp.Abs(sp.log(x**2 + b + 2)),
    "sign of a parameter": sp.sign(sp.log(b + 2)) * x + a * b,
    "steps": a * sp.Heaviside(x - 1) + b * sp.sign(x) * x,
    "other step": a * sp.Heaviside(x - 1, 1) + b * x,
    "step in max": sp.Max(a * sp.sign(x), 0, evaluate=False) + b * x,
    "piecewise": sp.Piecewise((a * x, x < -1), (b * x**2, sp.And(x >= -1, x < 1)), (sp.exp(a * x), True)),
    "or": sp.Piecewise((a * x, sp.Or(x < -1, x > b)), (b * x**2, True)),
    "piecewise of constants": sp.Piecewise((a, x < 0), (2, True)) * x + b,
    "piecewise compared": sp.Piecewise((x, sp.Piecewise((x**2, x > 0), (b, True)) > a), (a * b * x, True)),
    "piecewise in max": sp.Max(sp.Piecewise((a, x >= 1), (1, True)), b * x, evaluate=False),
}
POINTS = [mpf(k) / 8 for k in (-21, -9, 3, 14)]


def drawn(count: int) -> list[mpf]:
    """Values of size 1, all different, none at a kink of the points above."""
    return [(-1) ** (k // 2) * (mpf("0.71") + mpf(k % 7) / 9 + mpf(k) / 131) for k in range(count)]


@pytest.mark.parametrize("spec", SPECS)
def test_a_program_computes_its_family(spec: str) -> None:
    program = lowered(spec)
    count = len(program.activation.symbols)
    for point in POINTS[: 2 if count > 30 else None]:
        assert_equal(program, point, drawn(count))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_program_computes_its_expression(name: str) -> None:
    program = lower(declare(EXPRESSIONS[name], "a", "b"))
    for point in POINTS:
        for values in ([mpf("0.7"), mpf("-1.3")], [mpf("1.9"), mpf("0.45")]):
            assert_equal(program, point, values)


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("values", [(1, 1), (2, -1), (0, 0)], ids=str)
def test_at_kinks_the_stated_branch_counts(name: str, values: tuple[int, int]) -> None:
    """Dyadic points and values, where arguments tie and steps are met exactly."""
    program = lower(declare(EXPRESSIONS[name], "a", "b"))
    if name == "waves" and values[0] == 0:
        return  # x / a
    for point in (-1, 0, 1, mpf("0.5")):
        assert_equal(program, mpf(point), [mpf(v) for v in values])


@pytest.mark.parametrize("spec", ["tropical:5", "tropical_rational:2", "tropical_rational:5"])
def test_where_pieces_of_a_family_tie_the_one_to_the_left_counts(spec: str) -> None:
    program = lowered(spec)
    count = len(program.activation.symbols)
    equal, two = [mpf(1)] * count, [mpf(k % 2) for k in range(count)]
    for values in (equal, two, [-v for v in two]):
        for point in (mpf(-1), mpf(0), mpf(1)):
            assert_equal(program, point, values)


def derivatives(expr: sp.Expr, at: int, *names: str, values: Sequence[int] = ()) -> list[mpf]:
    return program_at(lower(declare(expr, *names)), mpf(at), [mpf(v) for v in values])[1:]


def test_conventions_in_numbers() -> None:
    """The rule once without the interpreter's detour, the limit from the left: at 0, and where a + x and b + 2x tie."""
    assert derivatives(sp.Max(0, x, evaluate=False), 0) == [0]
    assert derivatives(sp.Min(0, x, evaluate=False), 0) == [1]
    assert derivatives(sp.Max(0, -x, evaluate=False), 0) == [-1]
    assert derivatives(sp.Abs(x), 0) == [-1]
    assert derivatives(sp.sign(x) + x, 0) == [1]
    assert derivatives(sp.Max(0, x, evaluate=False) + a * sp.Min(0, x, evaluate=False), 0, "a", values=[3]) == [3, 0]
    assert derivatives(sp.sign(x) * sp.log(1 + sp.Abs(x)), 0) == [1]
    assert derivatives(sp.Max(0, sp.sin(x)) + sp.Min(0, sp.sin(x)), 0) == [1]
    assert derivatives(sp.Piecewise((0, x < 0), (x, True)), 0) == [0]
    assert derivatives(sp.Piecewise((a * x, x > 0), (b * x, True)), 0, "a", "b", values=(2, 3)) == [3, 0, 0]
    assert derivatives(x * sp.floor(x), 2) == [1]
    assert derivatives(x * sp.ceiling(-x), 2) == [-1]
    assert derivatives(x * sp.floor(-x) + x * sp.ceiling(x), 2) == [0]
    assert derivatives(x * sp.floor(a * x), 2, "a", values=[-1]) == [-2, 0]
    for size in (-2, 2):
        assert derivatives(sp.Max(x, a * x, evaluate=False), 0, "a", values=[size]) == [min(1, size), 0]
        assert derivatives(b * sp.Abs(a * x), 0, "a", "b", values=[size, 1]) == [-2, 0, 0]
    assert run(lower(declare(sp.Heaviside(x) + x)).forward, {x: mpf(0)}) == [mpf("0.5")]
    assert derivatives(sp.Max(b + 2 * x, a + x, evaluate=False), 0, "a", "b", values=(1, 1)) == [1, 1, 0]
    assert derivatives(sp.Max(b + 2 * x, a + x, evaluate=False), 0, "b", "a", values=(1, 1)) == [1, 0, 1]
    assert derivatives(sp.Min(b + 2 * x, a + x, evaluate=False), 0, "a", "b", values=(1, 1)) == [2, 0, 1]
    assert derivatives(sp.Max(b + x, a + x, evaluate=False), 0, "b", "a", values=(1, 1)) == [1, 1, 0]  # declared first


@pytest.mark.parametrize(("power", "slope", "partial"), [(3, 0, 0), (1, -1, 0), (mpf("0.5"), "-inf", 0)])
def test_a_learned_power_at_0_has_its_limits_from_the_left(power: mpf, slope: mpf, partial: mpf) -> None:
    """Of max(-x, 0)^a and |x|^a, whose slopes just below 0 are negative; 0^a log(0) is 0."""
    for base in (sp.Max(-x, 0, evaluate=False), sp.Abs(x)):
        program = lower(declare(base**a, "a"))
        if slope != "-inf":
            assert program_at(program, mpf(0), [mpf(power)]) == [0, slope, partial]
        assert program_at(program, mpf(1), [mpf(power)]) == ([0, 0, 0] if base != sp.Abs(x) else [1, power, 0])
        with pytest.raises(ZeroDivisionError):  # no number is made up where the limit is infinite
            program_at(program, mpf(0), [mpf(-1)])


def test_cancelling_forms_are_replaced() -> None:
    """exp(u) - 1 and log(1 + u) whatever stands before them; not exp(u) + 1 nor log(2 + u)."""
    for text, calls in (
        ("2*exp(x) - 2 + b*x", ["expm1"]),
        ("a*exp(b*x) - a", ["expm1"]),
        ("log(1 + x**2) + log1p(exp(a*x))", ["log1p", "softplus"]),
        ("exp(x) + 1 + log(2 + x**2)", []),
    ):
        forward = lower(from_expression(text, {k: 1 for k in "ab" if k in text.replace("tanh", "")}, "Trial")).forward
        found = {type(f).__name__ for e in forward.all for f in e.atoms(sp.Function)}
        assert found & {"expm1", "log1p", "softplus"} == set(calls)


def test_a_wrong_program_is_seen() -> None:
    """The interpreter and the truth are no mirror of each other: a program of another degree does not pass."""
    program = lowered("hermite:5")
    planted = Program(program.activation, program.inputs, program.forward, lowered("legendre:5").backward, ())
    with pytest.raises(AssertionError, match="x at"):
        assert_equal(planted, POINTS[0], drawn(6))


def test_naive_forms_that_overflow_are_replaced() -> None:
    for name, call in (("naive silu", "sigmoid"), ("naive softplus", "softplus")):
        program = str(lower(declare(EXPRESSIONS[name], "a", "b")))
        assert call in program
        assert "exp" not in program


# Structure.

PROGRAMS = [*SPECS, *EXPRESSIONS]


def program_of(name: str) -> Program:
    return lower(declare(EXPRESSIONS[name], "a", "b")) if name in EXPRESSIONS else lowered(name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_name_is_free_and_every_statement_is_used(name: str) -> None:
    program = program_of(name)
    for block in (program.forward, program.backward):
        inputs = [e.name for i in program.inputs for e in i.entries]
        targets = [t.name for s in block.statements for t in (s.target, s.best) if t is not None]
        assert len({*inputs, *targets}) == len(inputs) + len(targets)
        assert not {*inputs, *targets} & RESERVED
        assert not {*targets} & {v.name for v in program.activation.parameters}
        assert all(t.isidentifier() and not keyword.iskeyword(t) for t in inputs + targets)
        read = {s.name for e in (*(s.value for s in block.statements), *block.results) for s in e.free_symbols}
        assert read <= {"x", *inputs, *targets}
        assert set(targets) <= read, "a statement is computed for nothing"


def compound(e: sp.Basic) -> list[sp.Basic]:
    """Nodes that cost an operation on whole tensors, one for each time they are computed; signs are free."""
    cheap = e.is_number or not e.args or (e.is_Mul and len(e.args) == 2 and e.args[0] == -1)
    return ([] if cheap else [e]) + [node for argument in e.args for node in compound(argument)]


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in SPECS or "fourier" in n or "tropical" in n])
def test_no_function_call_is_computed_twice_in_a_block(name: str) -> None:
    program = program_of(name)
    for block in (program.forward, program.backward):
        calls = [
            e for s in (*(s.value for s in block.statements), *block.results) for e in compound(s) if e.is_Function
        ]
        assert sorted(map(str, calls)) == sorted({str(e) for e in calls})


def test_what_two_derivatives_hold_is_computed_once() -> None:
    program = lower(declare(a * sp.tanh(b * x), "a", "b"))
    text = str(program)
    backward = text[text.index("backward") : text.index("passes")]
    assert (backward.count("b*x"), backward.count("sech2("), backward.count(" tanh(")) == (1, 1, 1)


def test_no_constant_is_a_statement() -> None:
    """As a statement it would be no tensor, and torch.maximum or torch.where of two of them fail or lose digits."""
    shared = (
        sp.tanh(2) * sp.exp(a * x) + sp.Max(sp.tanh(2), x, evaluate=False) + sp.Max(0, x * sp.tanh(2), evaluate=False)
    )
    program = lower(declare(shared, "a"))
    for block in (program.forward, program.backward):
        assert block.statements
        assert not [s for s in block.statements if s.value.is_number]


# Names that a user gives.

AWKWARD = "a0 part1 best1 winner1 select1 cos1 h2 parameters slope value wide partials grad x0 along_x entries".split()
NEEDED = {"parameters", "slope", "value", "grad"}
"""What the emitted module needs itself."""


def outcome(text: str, **params: str) -> Program | str:
    """The program, or why the name was refused."""
    try:
        return lower(from_expression(text, params, "Trial"))
    except BadName as err:
        return str(err)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_parameter_called_like_something_inside_compiles_or_is_refused_in_one_line(name: str) -> None:
    found = outcome(f"{name}*Max(0, x, {name}*x - 1) + b*cos(x*{name})*tanh({name}*x)", **{name: "1", "b": "2"})
    if isinstance(found, str):
        assert name in NEEDED
        assert repr(name) in found
        assert "\n" not in found
    else:
        assert name not in NEEDED
        assert_equal(found, mpf("1.3"), [mpf("0.7"), mpf("-0.4")])


def test_vectors_called_like_entries_of_others_keep_apart() -> None:
    """Entries are a0, a1, ...: vectors named a, b and a scalar named c0 must not be mistaken for them."""

    def function(p, n):
        return sum(w * x**k for k, w in enumerate([*p.a, *p.b])) * p.c0 + p.k1 * sp.sin(p.a[0] * x)

    start = Start(lambda n, law: {"a": [1, 1], "b": [1, 1, 1], "c0": 1, "k1": 1})
    family = Family(
        "probe",
        "Probe",
        {"a": lambda n: 2, "b": lambda n: 3, "c0": 1, "k1": 1},
        function,
        {"ones": start},
        degrees=None,
    )
    program = lower(family.at())
    assert_equal(program, mpf("0.7"), drawn(7))
    assert {"a", "b"}.isdisjoint(re.sub(r"\d", "", e.name) for i in program.inputs[:2] for e in i.entries)


# Bases.


def based(weights: Callable, features: Callable | None = None) -> Activation:
    """w_0 u0 + w_1 u1 of two vectors p, q of length 2, by the given weights."""
    u = [sp.Symbol(f"u{k}", real=True) for k in range(2)]
    plain = (Feature(u[0], sp.S.One, sp.S.Zero), Feature(u[1], sp.tanh(x), 1 - u[1] ** 2))
    start = Start(lambda n, law: {"p": [1, 1], "q": [1, 1]})
    family = Family(
        "probe",
        "Probe",
        {"p": lambda n: 2, "q": lambda n: 2},
        lambda p, n: p.p[0] * p.q[0] + p.p[1] * p.q[1] * sp.tanh(x),
        {"ones": start},
        degrees=None,
        basis=Basis(features or (lambda n: plain), weights),
    )
    return family.at()


def test_weights_of_whole_vectors_are_worked_out_before() -> None:
    program = lower(based(lambda p, n: [p.p[0] * p.q[0], p.p[1] * p.q[1]]))
    assert_equal(program, mpf("0.3"), drawn(4))
    (only,) = program.inputs
    assert only.value == sp.Symbol("p", real=True) * sp.Symbol("q", real=True)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (lambda p, n: [p.p[0] * p.q[1], p.p[1] * p.q[0]], "mixes entries"),
        (lambda p, n: [p.p[0] + p.p[1], p.q[0]], "mixes entries"),
        (lambda p, n: [sp.S.One, p.q[0]], "mixes entries"),
        (lambda p, n: [p.p[1], p.p[0]], "in order"),
        (lambda p, n: [p.p[0], p.q[1]], "every entry"),
        (lambda p, n: [p.p[0], p.q[0]], "every entry"),
        (lambda p, n: [p.p[0]], "1 weights for 2"),
    ],
)
def test_weights_that_are_no_whole_vectors_are_refused(weights: Callable, says: str) -> None:
    with pytest.raises(BadDeclaration, match=says):
        lower(based(weights))


def test_the_quotient_rule_squares_no_denominator() -> None:
    """N/D and D are in range at x = 1e6 in float32, D^2 = 1e48 is not; the slope there is 1 within rounding."""
    quotient = (1 + a * x + x**5) / (1 + b * x**2 + x**4)
    program = lower(declare(quotient, "a", "b"))
    assert not [p for e in program.backward.all for p in e.atoms(sp.Pow) if p.base.is_Add and p.exp < -1]
    assert sum(e.has(sp.Pow) and e.is_Pow and e.exp == -1 for e in program.backward.all) == 1  # one division
    known = {x: sp.Float(10**6, 20), a: sp.S.One, b: sp.S.One}
    for statement in program.backward.statements:
        known[statement.target] = value = statement.value.xreplace(known)
        assert abs(value) < 3e38
    assert abs(program.slope.xreplace(known) - 1) < 1e-6


@pytest.mark.parametrize(
    "expr",
    [
        a / (1 + x**2) ** 2,
        a * x**3 / (b**2 + x**2) ** 3,
        a * sp.sin(x) / (2 + sp.cos(b * x)) ** 2 + 1 / (1 + x**2),
        x + a / b**2,
    ],
)
def test_divisions_are_equal_to_what_is_declared(expr: sp.Expr) -> None:
    program = lower(declare(expr, *sorted(s.name for s in expr.free_symbols - {x})))
    known: dict[sp.Symbol, sp.Expr] = {}
    for statement in program.backward.statements:
        known[statement.target] = statement.value.xreplace(known)
    assert sp.simplify(program.slope.xreplace(known) - sp.diff(expr, x)) == 0
