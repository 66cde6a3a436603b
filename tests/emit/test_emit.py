"""Emission: the same bytes always, digests that follow what they are of, exact constants, and a formatter's layout."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import jinja2
import mpmath
import pytest
import sympy as sp
import torch
from plain_numpy import EVERY_DEGREE, NO_DEGREE, SOME_DEGREES

from learnact.compiler.declare import kinks as choice
from learnact.compiler.declare.functions import sigmoid, softplus
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.derive import derive
from learnact.compiler.emit import Source, emit, header, write
from learnact.compiler.emit.layout import LINE, assigned, table, wrapped
from learnact.compiler.emit.printer import natural, number
from learnact.compiler.emit.torch_printer import TorchPrinter
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.errors import BadName, LearnactError, UnsupportedNode, WriteError
from learnact.version import __version__

rendering = import_module("learnact.compiler.emit.render")  # the package's own `render` is the function

EXACT = 1e-14  # relative: doubles, a handful of roundings

a, b = sp.symbols("a b", real=True)
EXPRESSIONS = {
    "TanhMix": ("a*tanh(b*x) + c*x", {"a": "1", "b": "1", "c": "0"}),
    "Hinges": ("a*Max(0, x, b*x - 1) + Min(b*x, 1)", {"a": "1/3", "b": "sqrt(2)"}),
    "Pieces": ("Piecewise((a*x, x < -1), (b*x**2, x <= 1), (exp(-a*x), True)) + abs(x)", {"a": "1", "b": "0.1"}),
}
PROBED = ("hermite:4", "fourier:2", "tropical_rational:2", "sinusoid")


def expression(name: str) -> Activation:
    text, params = EXPRESSIONS[name]
    return from_expression(text, params, name)


@pytest.fixture(scope="module")
def hermite() -> Source:
    return emit(resolve("hermite:3"))


def body_of(text: str) -> str:
    """Everything below the leading run of comment lines."""
    return re.sub(r"\A(#.*\n)+", "", text)


# The same bytes.

EVERYWHERE = f"""
import hashlib, sys
from learnact.compiler.emit import emit
from learnact.compiler.resolve.registry import resolve

for spec in {PROBED!r}:
    print(hashlib.sha256(emit(resolve(spec)).text.encode()).hexdigest())
assert "torch" not in sys.modules, "the compiler imports torch"
"""


def test_two_processes_emit_the_same_bytes_and_import_no_torch(tmp_path: Path) -> None:
    answers = set()
    for seed, zone in (("0", "UTC"), ("4242", "Pacific/Auckland")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", EVERYWHERE],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.add(done.stdout)
    here = [hashlib.sha256(emit(resolve(spec)).text.encode()).hexdigest() for spec in PROBED]
    assert answers == {"\n".join(here) + "\n"}


@pytest.mark.parametrize("spec", PROBED)
def test_a_file_says_nothing_of_the_machine(spec: str) -> None:
    text = emit(resolve(spec)).text
    for word in (str(Path.cwd()), str(Path.home()), sys.prefix, os.environ.get("USER") or "root", "/tmp"):
        assert word not in text
    assert not re.search(r"\b20\d\d-\d\d", text)
    assert text.isascii()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


# Digests.


def test_digests_are_of_the_body_and_stand_in_the_header(hermite: Source) -> None:
    read = header.parse(hermite.text)
    assert read is not None
    assert (read.version, read.arguments, read.inputs, read.body) == (
        __version__,
        "hermite:3",
        hermite.inputs,
        hermite.body,
    )
    assert read.intact
    assert hermite.body == hashlib.sha256(body_of(hermite.text).encode()).hexdigest()[:16]


def test_the_body_digest_changes_exactly_when_the_body_does(hermite: Source) -> None:
    activation = resolve("hermite:3")
    elsewhere = emit(activation, origin="file.py:hermite:3")
    assert elsewhere.body == hermite.body
    assert body_of(elsewhere.text) == body_of(hermite.text)
    assert elsewhere.inputs != hermite.inputs
    retitled = emit(replace(activation, family=replace(activation.family, title="Hermite series")))
    assert retitled.body != hermite.body
    assert retitled.inputs != hermite.inputs


def test_the_inputs_digest_follows_declaration_template_and_version(
    hermite: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    activation = resolve("hermite:3")
    found = [hermite.inputs, emit(resolve("hermite:4")).inputs, emit(replace(activation, class_name="Other")).inputs]
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "__version__", "9.9.9")
        found.append(emit(activation).inputs)
    with monkeypatch.context() as patch:
        edit_template(patch, "learnable.py.jinja", "super().__init__()", "super().__init__()  # changed")
        found.append(emit(activation).inputs)
    assert len(set(found)) == len(found)
    assert emit(activation) == hermite


# Templates.


def edit_template(patch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Let the renderer see one template changed."""
    loader = rendering.environment().loader
    assert isinstance(loader, jinja2.DictLoader)
    assert old in loader.mapping[name]
    texts = {**loader.mapping, name: loader.mapping[name].replace(old, new)}
    changed = rendering.environment().overlay(loader=jinja2.DictLoader(texts), cache_size=0)
    patch.setattr(rendering, "environment", lambda: changed)
    patch.setattr(rendering, "templates_digest", rendering.templates_digest.__wrapped__)


def test_a_template_that_misses_a_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    edit_template(monkeypatch, "module.py.jinja", "{{ title }}", "{{ titel }}")
    with pytest.raises(jinja2.UndefinedError, match="titel"):
        emit(resolve("sinusoid"))


def test_nothing_is_escaped() -> None:
    activation = resolve("sinusoid")
    text = emit(replace(activation, family=replace(activation.family, title="Sine & <cosine>"))).text
    assert '"""Sine & <cosine>, a learnable' in text


# Writing.


def test_a_file_is_written_whole_or_not_at_all(
    hermite: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(hermite, tmp_path / "new" / "folder")
    assert path.name == "hermite3.py"
    assert path.read_bytes() == hermite.text.encode()
    assert write(hermite, path.parent) == path
    path.write_text("by hand")
    with pytest.raises(WriteError, match="--force"):
        write(hermite, path.parent)
    assert path.read_text() == "by hand"

    def interrupted(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(WriteError, match="No space left"):
            write(hermite, path.parent, force=True)
    assert path.read_text() == "by hand"
    assert [p.name for p in path.parent.iterdir()] == ["hermite3.py"]
    write(hermite, path.parent, force=True)
    assert path.read_bytes() == hermite.text.encode()


# Layout.

HIGH = 12
FORMATTED = [*NO_DEGREE, *(f"{f}:{n}" for f in EVERY_DEGREE for n in (1, 4, 12)), *EXPRESSIONS]
FORMATTED += [f"{f}:{degrees[0]}" for f, degrees in SOME_DEGREES.items()]


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of emitted files. The fits of high degrees take seconds and print like those of low ones: left out."""
    folder = tmp_path_factory.mktemp("formatted")
    for spec in FORMATTED:
        activation = expression(spec) if spec in EXPRESSIONS else resolve(spec)
        if activation.degree == HIGH:
            activation = replace(activation, family=replace(activation.family, fit=None))
        write(emit(activation), folder)
        write(emit(activation, lean=True), folder / "lean")
    return folder


def test_a_formatter_has_nothing_to_change(formatted: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    if subprocess.run([*ruff, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("ruff is not installed")
    done = subprocess.run(
        [*ruff, "format", "--isolated", "--line-length", str(LINE), "--check", "--diff", formatted],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:4000]
    done = subprocess.run(
        [*ruff, "check", "--isolated", "--select", "E,F,W,I,B,UP", "--line-length", str(LINE), formatted],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:4000]


def test_files_parse_without_a_warning(formatted: Path) -> None:
    for file in formatted.rglob("*.py"):
        tree = ast.parse(file.read_text())
        imported = {
            n.module if isinstance(n, ast.ImportFrom) else n.names[0].name
            for n in ast.walk(tree)
            if isinstance(n, (ast.Import, ast.ImportFrom))
        }
        assert imported <= {"torch", "torch.autograd.forward_ad"}


def test_long_lines_break_where_a_formatter_breaks_them() -> None:
    items = [f"a{k}" for k in range(8)]
    assert wrapped("f(", items, ")") == ["f(a0, a1, a2, a3, a4, a5, a6, a7)"]
    assert wrapped("f(", items, ")", indent=LINE - 32) == ["f(", *(f"    {i}," for i in items), ")"]
    assert wrapped("function_of_a_longer_name(", items, ")", indent=LINE - 40) == [
        "function_of_a_longer_name(",
        f"    {', '.join(items)}",
        ")",
    ]
    assert "    *," in wrapped("function_of_a_longer_name(", ["x", "*", "y"], ")", indent=LINE - 20)
    assert assigned("y =", "a + b", ["a", "+ b"]) == ["y = a + b"]
    assert assigned("y =", "a + b", ["a", "+ b"], indent=LINE) == ["y = (", "    a", "    + b", ")"]
    assert table([["a", "bb"], ["aaa"], ["", "b"]]) == ["a    bb", "aaa", "     b"]
    assert sorted(["a10", "a2", "b1", "a"], key=natural) == ["a", "a2", "a10", "b1"]


# Constants.


@pytest.mark.parametrize(
    "value",
    [
        sp.Rational(1, 3),
        sp.Rational(10**40 + 1, 3 * 10**40),
        sp.Integer(2**53 + 1),
        sp.Rational(1, 10) + sp.Rational(1, 10**20),
        sp.sqrt(2) / sp.factorial(12),
        1 / sp.sqrt(2 * sp.pi),
        -sp.pi / 4,
        sp.exp(-20),
        sp.exp(20) - sp.Integer(485165195),
        sp.sqrt(2) - sp.Rational(14142135623730950, 10**16),
        sp.erfinv(sp.Rational(1, 3)),
        sp.tanh(1) * sp.log(3),
        sp.Integer(0),
    ],
    ids=str,
)
def test_constants_are_correctly_rounded(value: sp.Expr) -> None:
    """The nearest double: compared at 50 digits with both its neighbours."""
    found = float(number(value))
    with mpmath.workdps(50):
        exact = mpmath.mpf(sp.N(value, 50))
        distances = [abs(mpmath.mpf(v) - exact) for v in neighbours(found)]
    assert distances[1] == min(distances)
    assert repr(found) == number(value)


def neighbours(value: float) -> tuple[float, float, float]:
    return math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)


def test_every_start_value_is_the_double_nearest_to_the_solution() -> None:
    for spec in ("hermite:5", "fourier:3", "tropical:4", "chebyshev:3"):
        activation = resolve(spec)
        starts = evaluated(emit(activation).text, "STARTS")
        for start in derive(activation).starts:
            for name, values in start.values.items():
                for value, printed in zip(values, starts[start.name][name], strict=True):
                    with mpmath.workdps(50):
                        exact = mpmath.mpf(sp.N(value, 50))
                        distances = [abs(mpmath.mpf(v) - exact) for v in neighbours(printed)]
                    assert distances[1] == min(distances), (spec, start.name, name)


def evaluated(text: str, name: str) -> dict:
    """A literal that the file assigns."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


# The printer.

PRINTED = [
    (a * x + b, "a * x + b"),
    (-x - 1, "-1.0 - x"),
    (x**3, "x * x * x"),
    ((x + 1) ** 2, "(1.0 + x) * (1.0 + x)"),
    (x**5, "torch.pow(x, 5)"),
    (x**-2, "1.0 / (x * x)"),
    (-a / x, "-a / x"),
    (a / sp.sqrt(1 + x**2), "a / torch.sqrt(1.0 + x * x)"),
    (1 / sp.sqrt(x), "torch.rsqrt(x)"),
    (x**a, "torch.pow(x, a)"),
    (2**x, "torch.exp(0.6931471805599453 * x)"),
    (x * sigmoid(b * x), "torch.sigmoid(b * x) * x"),
    (softplus(x), "_softplus(x)"),
    (x - sp.Heaviside(x), "x - 0.5 * (1.0 + torch.sign(x))"),
    (a / sp.Heaviside(x, 1), "a / (x >= 0.0).to(x.dtype)"),
    (sp.Piecewise((1, x > 0), (x, True)), "torch.where(x > 0.0, 1.0, x)"),
    (sp.Piecewise((1, x > 0), (2, True)), "torch.where(x > 0.0, torch.full_like(x, 1.0), 2.0)"),
    (sp.Piecewise((x, sp.And(x > 0, x <= 1)), (a, True)), "torch.where((x <= 1.0) & (x > 0.0), x, a)"),
    (sp.Piecewise((x, x > 0)), 'torch.where(x > 0.0, x, float("nan"))'),
    (choice.Select(b, 0, 0, a * x), "_mask(b_is[2], a * x)"),
    (choice.Select(b, 1, 0), "_mask(b_is[0], torch.full_like(x, 1.0))"),
    (2 * x * choice.Select(b, 0, 1, 0), "_mask(b_is[1], 2.0 * x)"),
    (choice.Select(b, 0, a / x), "_mask_nonfinite(b_is[1], a / x)"),
    (choice.Select(b, 0, x**2), "_mask_nonfinite(b_is[1], x * x)"),
]


@pytest.mark.parametrize(("expr", "text"), PRINTED, ids=[str(e) for e, _ in PRINTED])
def test_expressions_print_as_torch_code(expr: sp.Expr, text: str) -> None:
    assert TorchPrinter([a, b])(expr) == text


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        (sp.gamma(x), "cannot print gamma in gamma"),
        (x + sp.besselj(0, a * x), "cannot print besselj"),
        (sp.Mod(x, 2) * a, "cannot print Mod"),
        (sp.Piecewise((x, sp.Contains(x, sp.S.Integers)), (a, True)), "cannot print the condition Contains"),
        (choice.Select(b, a, x), "a statement of its own"),
    ],
)
def test_an_unknown_node_is_named(expr: sp.Expr, says: str) -> None:
    with pytest.raises(UnsupportedNode) as caught:
        TorchPrinter([a, b])(expr)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_activation_with_an_unknown_node_is_refused_whole(tmp_path: Path) -> None:
    family = resolve("sinusoid").family
    odd = replace(family, name="odd", function=lambda p, n: p.amplitude * (sp.gamma(p.frequency * x**2 + 1) + p.phase))
    with pytest.raises(LearnactError, match="gamma"):
        write(emit(odd.at()), tmp_path)
    assert list(tmp_path.iterdir()) == []


# Names that a user gives.

PARAMETERS = """
a0 part1 best1 winner1 winner1_is winner1_last cos1 sum1 wide partials parameters parameter values rest products t p a_
function empty unpack_dual shape entry name channels mask reset_parameters learnable_activation
""".split()
REFUSED = {"parameters", "function", "a_", "empty", "unpack_dual", "reset_parameters", "learnable_activation"}


def executed(source: Source) -> dict:
    """What the file defines."""
    namespace: dict = {}
    exec(compile(source.text, source.filename, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
@pytest.mark.parametrize("lean", [False, True], ids=["full", "lean"])
def test_a_module_computes_with_parameters_of_any_name_that_is_not_refused(
    name: str, order: tuple[int, int], lean: bool
) -> None:
    pairs = [(name, "0.5"), ("a", "2")]
    try:
        activation = from_expression(f"{name}*Max(0, x) + a*cos(x*{name})", dict(pairs[k] for k in order), "Trial")
    except BadName:
        assert name in REFUSED
        return
    trial = executed(emit(activation, lean=lean))["Trial"](init="declared", dtype=torch.float64)
    point = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    value = trial(point)
    value.backward()
    assert value.item() == pytest.approx(0.5 * 1.5 + 2 * math.cos(0.75), rel=EXACT)
    assert getattr(trial, name).grad.item() == pytest.approx(1.5 - 3 * math.sin(0.75), rel=EXACT)
    assert trial.a.grad.item() == pytest.approx(math.cos(0.75), rel=EXACT)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_an_argument_that_loses_passes_nothing_on_though_it_be_infinite(compiled: bool) -> None:
    activation = from_expression("Max(a, b*log(Abs(x)), b*log(Abs(x))**3)", {"a": "1", "b": "1"}, "Logs")
    module = executed(emit(activation))["Logs"](init="declared")
    inputs = torch.tensor([0.0, 1.0, 20.0], requires_grad=True)
    (torch.compile(module, backend="aot_eager") if compiled else module)(inputs).sum().backward()
    slope = 3 * math.log(20) ** 2 / 20
    assert inputs.grad.tolist() == pytest.approx([0, 0, slope])
    assert [p.grad.item() for p in module.parameters()] == pytest.approx([2, math.log(20) ** 3])


def test_arguments_whose_derivatives_agree_need_no_winner() -> None:
    activation = from_expression("a*(x + Max(sign(x), sign(x - 1)/2, -sign(x + 1)))", {"a": "2"}, "Steps")
    module = executed(emit(activation))["Steps"](init="declared")
    assert module(torch.tensor([-2.0, 0.5, 3.0])).tolist() == [-2, 3, 8]
