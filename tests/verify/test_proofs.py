"""Translation validation: really emitted files are proved; files with one planted fault fail, each for its reason."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sympy as sp

from benchmarks.proofs import MARK, Row, report
from learnact import emit
from learnact.compiler.cli import main as cli
from learnact.compiler.cli.options import USAGE
from learnact.compiler.declare.laws import Uniform
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit.plan import generated_folder
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import resolve
from learnact.compiler.resolve.words import ACTIVATIONS, ELEMENTARY
from learnact.compiler.verify import verify
from learnact.compiler.verify.prove import proofs, prove
from learnact.compiler.verify.prove.assumptions import HELPERS
from learnact.compiler.verify.prove.literals import Literals, rounded
from learnact.errors import NoProof

ROOT = Path(__file__).parents[2]


@cache
def emitted(spec: str, form: str) -> tuple[Activation, str]:
    """An activation and its file; `form` is a backend, or lean."""
    options = {"lean": True} if form == "lean" else {"backend": form}
    activation = resolve(spec)
    bare = replace(activation, family=replace(activation.family, fit=None))  # fits take long, and are not proved
    return bare, emit(bare, **options).text


CASES = [
    ("hermite:3", "both"), ("fourier:2", "both"), ("tropical:2", "both"), ("tropical_rational:1", "lean"),
    ("sinusoid", "lean"), ("hardswish", "torch"), ("gelu", "torch"), ("xielu", "both"),
    ("rational:3", "both"), ("snake", "lean"), ("stretched_hermite:2", "both"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "form"), CASES)
def test_emitted_files_are_proved(spec, form):
    activation, source = emitted(spec, form)
    found = prove(activation, source)
    assert {i.what for i in found if i.verdict != "proved"} <= {*HELPERS, "_ascending"}
    assert {i.verdict for i in found} <= {"proved", "checked"}
    assert {"F", "dF/dx", *(f"dF/d{s.name}" for s in activation.symbols)} <= {i.what for i in found}
    traced = {name for i in found for name in i.situations}
    assert traced >= {"eager", "compiled", "forward mode", *(("Triton",) if form == "both" else ())}


H, F, T, R = ("hermite:3", "both"), ("fourier:2", "both"), ("tropical:2", "both"), ("tropical_rational:1", "lean")
MUTANTS = {
    "a sign in the forward": (H, "a0 + a1 * x + a2 * h2 + a3 * h3", "a0 + a1 * x - a2 * h2 + a3 * h3", "F"),
    "a double beside 1/3": (H, "0.3333333333333333 * (h2", "0.33333333333333337 * (h2", "F"),
    "another feature in a gradient": (H, "grad * x, grad * h2, grad * h3)", "grad * x, grad * h2, grad * h2)",
                                      "dF/dcoefficients_3"),
    "a slope's coefficient": (H, "slope = a1 + a2 * x + a3 * h2", "slope = a1 + a2 * x + a3 * x", "dF/dx"),
    "a row of the feature matrix": (H, "value=0.5, out=h3", "value=0.25, out=h3", "F"),
    "a scale of the feature matrix": (H, "-0.5, -0.3333333333333333)", "-0.5, 0.3333333333333333)", "F"),
    "a slope of the feature matrix": (H, "(3, 2, -0.5))", "(3, 1, -0.5))", "dF/dx"),
    "no sum over rows": (H, "rows.flatten(0, -2).sum(0)", "rows.flatten(0, -2)[0]", "dF/dcoefficients_0"),
    "a kernel's load": (H, "tl.load(coefficients_ptr + 2 * channels", "tl.load(coefficients_ptr + 3 * channels", "F"),
    "a kernel's mask": (H, "(start + lane < width) & (at < size)", "(start + lane < width) & (at < size - 1)", "F"),
    "a kernel's sum": (H, "sum4 + grad * h3", "sum3 + grad * h3", "dF/dcoefficients_3"),
    "1/k! of a harmonic": (F, "(1.0, 0.5)", "(1.0, 0.25)", "F"),
    "what is left to torch": (F, "return torch.sin(x), torch.cos(x)", "return torch.cos(x), torch.cos(x)",
                              "_sin_and_cos"),
    "a turned angle": (F, "cos2 = 1.0 - sin1 * twice1", "cos2 = 1.0 + sin1 * twice1", "F"),
    "sine for cosine": (F, "coefficients * torch.cos(phases)", "coefficients * torch.sin(phases)", "F"),
    "another line of a maximum": (T, "a2 + 2.0 * x", "a1 + 2.0 * x", "F"),
    "the least for the largest": (T, "_best(torch.maximum,", "_best(torch.minimum,", "F"),
    "the last of ties wins": (T, "return new > old if", "return new >= old if", "dF/dx"),
    "ties in a kernel": (T, "tl.where(part2 > best1", "tl.where(part2 >= best1", "dF/dx"),
    "a loop without end": (T, "_with_tie_rule(better)\n    while len(field) > 1",
                           "_with_tie_rule(better)\n    while len(field) > 0", "trace"),
    "a part that is left out": (T, "_with_tie_rule(better)\n    while len(field) > 1",
                                "_with_tie_rule(better)\n    while len(field) > 2", "F"),
    "another winner's gradient": (R, "_mask(winner1_is[1], weight1)", "_mask(winner2_is[1], weight1)",
                                  "dF/dnumerator_slopes_1"),
    "lines that are not sorted": (R, "rank = before.sum(1) + 1", "rank = (~before).sum(1) + 1", "_ascending"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_fails(name):
    case, old, new, identity = MUTANTS[name]
    activation, source = emitted(*case)
    assert old in source
    found = proofs(activation, source.replace(old, new))
    failed = next((i for i in found if i.verdict == "failed" and i.what == identity), None)
    assert failed is not None
    assert failed.detail


@pytest.mark.parametrize("word", sorted({*ELEMENTARY, *ACTIVATIONS}))
def test_the_prover_knows_every_word_of_the_language(word):
    inner = "x**2 + 2" if word in ("log", "log1p", "log2", "sqrt") else "x/2"
    activation = from_expression(f"a*{word}({inner}) + b*x", {"a": 1, "b": 1}, "Trial", Uniform(1))
    for text in (emit(activation, backend="both").text, emit(activation, lean=True).text):
        assert [i for i in prove(activation, text) if i.verdict == "failed"] == []


@pytest.mark.parametrize("helper", ["s * 2.6000245725299465e-06", "0.0009675025939941406"])
def test_a_helper_that_is_not_what_it_stands_for_fails(helper):
    activation, source = emitted("sinusoid", "lean")
    number = helper.rpartition(" ")[2]
    worse = source.replace(number, repr(float(number) * 1.01))
    assert [i.what for i in prove(activation, worse) if i.verdict == "failed"] == ["_sin_and_cos"]


def test_literals_stand_for_the_numbers_that_they_round():
    lift = Literals(
        [sp.erf(sp.Symbol("x", real=True) / sp.sqrt(2)) * sp.Rational(44715, 10**6), sp.exp(-1) / sp.sqrt(sp.pi)]
    )
    wanted = [
        sp.Rational(1, 6),
        sp.Rational(1, 479001600),
        sp.sqrt(2) / 2,
        2 / sp.sqrt(sp.pi),
        sp.Rational(44715, 10**6),
    ]
    assert [lift(float(n)) for n in wanted] == wanted
    assert lift(0.0) == 0
    assert lift(-0.5) == -sp.Rational(1, 2)
    for c in (0.16666666666666669, 0.7071067811865477, 3.141e-5, 1e300, 5e-324, 0.1234567890123456):
        assert rounded(lift(c)) == c
        assert lift(c) not in wanted


def test_what_no_normal_form_decides_is_checked_and_says_so():
    declaration = Declaration(expr="a*tanh(x)**2 + b*erf(1/(1 + x**2))", params=("a=1", "b=1"), name="Odd")
    activation, source = declaration.activation(), emit(declaration).text
    slow = prove(activation, source, seconds=0.0)
    assert {i.verdict for i in slow} == {"checked"}
    assert "time limit 0s" in slow[0].detail


def test_an_operation_without_a_meaning_fails_by_name():
    activation, source = emitted("hermite:3", "both")
    found = prove(activation, source.replace("0.5 * (x * x - 1.0)", "torch.lgamma(x)"))
    assert all("no rule for torch.lgamma" in i.detail for i in found if i.what == "trace")
    assert any(i.what == "trace" and i.verdict == "failed" for i in found)


def test_verify_reports_proofs_only_if_asked(tmp_path):
    activation, path = resolve("hermite:2"), tmp_path / "hermite2.py"
    path.write_bytes((generated_folder() / "hermite2.py").read_bytes())
    asked = verify(activation, path, only=["names"], prove=True)
    assert asked.ok
    assert "proved" in asked.table()
    assert {p["verdict"] for p in asked.as_dict()["proofs"]} == {"proved"}
    assert verify(activation, path, only=["names"]).proofs == ()
    path.write_text(path.read_text().replace("a1 + a2 * x", "a1 - a2 * x"))
    worse = verify(activation, path, only=["names"], prove=True)
    assert not worse.ok
    assert "dF/dx" in worse.failed


def test_the_command_takes_prove_for_emitted_files_alone(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["verify", "--prove", "--against", "x", "file.py:f"])
    assert left.value.code == USAGE
    assert "leave it out with --against" in capsys.readouterr().err


def test_the_page_has_the_rows_that_are_printed_now():
    page = (ROOT / "docs/proofs.md").read_text(encoding="utf-8").partition(MARK)[2]
    for spec in ("hermite:3", "fourier:3"):
        activation = resolve(spec)
        row = Row.of(activation, (generated_folder() / f"{activation.names.slug}.py").read_text())
        cells = [c.strip() for c in report([row], timed=False).splitlines()[2].split("|")]
        assert cells in [[c.strip() for c in line.split("|")] for line in page.splitlines()]


def test_what_is_looked_up_on_a_grid_is_refused_before_any_check(tmp_path):
    activation = resolve("pwlu:2")
    for asked in (lambda: prove(activation, ""), lambda: verify(activation, tmp_path / "pwlu2.py", prove=True)):
        with pytest.raises(NoProof, match="without --prove"):
            asked()
