"""learnact-gen from the outside: what it prints, what it writes, and that every refusal is one line and no file."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sympy as sp

from learnact.compiler import api
from learnact.compiler.cli import main as cli
from learnact.compiler.cli.options import FAILS, HOLDS, USAGE
from learnact.compiler.declare.functions import CLASSICAL
from learnact.compiler.emit import check as checking
from learnact.compiler.emit import header
from learnact.compiler.emit.plan import generated_folder
from learnact.compiler.explain import listing
from learnact.compiler.resolve.words import ACTIVATIONS, WORDS

FLOAT_ROUNDING = 1e-15  # relative: two correct roundings of one exact value differ by an ulp at most
ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def gen(capsys, tmp_path, monkeypatch):
    """Run learnact-gen inside an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))

    def run(*arguments: object) -> Answer:
        with pytest.raises(SystemExit) as done:
            cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Answer(int(done.value.code or 0), captured.out, captured.err)

    return run


TANH_MIX = ("--expr", "a*tanh(b*x) + c*x", "--param", "a=1", "--param", "b=1", "--param", "c=0", "--name", "TanhMix")


def files(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*")}


REFUSED = [
    (("emit", "hermit:5"), "did you mean hermite"),
    (("emit", "hermite:99"), "found 99"),
    (("emit", "hermite"), "needs a degree"),
    (("emit", "sinusoid:3"), "has no degree"),
    (("emit", "hermite:3", "nothing:3"), "unknown family"),
    (("emit",), "give a SPEC"),
    (("emit", "hermite:3", "--backend", "tritn"), "unknown backend"),
    (("emit", "hermite:3", "--law", "gauss"), "unknown law"),
    (("emit", "hermite:3", "--name", "class"), "keyword"),
    (("emit", "hermite:3", "--name", "lower"), "capital"),
    (("emit", "hermite:3", "hermite:4", "--name", "Both"), "names one class"),
    (("emit", "hermite:3", "--param", "a=1"), "--param belongs to --expr"),
    (("emit", "hermite:3", "--expr", "a*x"), "either SPEC or --expr"),
    (("emit", "--expr", "a*x", "--param", "a=1"), "needs a class name"),
    (("emit", "--expr", "__import__('os')", "--name", "Trial", "--param", "a=1"), "__import__"),
    (("emit", "--expr", "x.__class__", "--name", "Trial", "--param", "a=1"), "Attribute"),
    (("emit", "--expr", "lambda: x", "--name", "Trial", "--param", "a=1"), "Lambda"),
    (("emit", "--expr", "a*x*9**9**9", "--name", "Trial", "--param", "a=1"), "exponent"),
    (("emit", "--expr", "\u03b1*x", "--name", "Trial", "--param", "a=1"), "ASCII"),
    (("emit", "--expr", "a*x*1e999", "--name", "Trial", "--param", "a=1"), "range of a double"),
    (("emit", "--expr", "a*x + q", "--name", "Trial", "--param", "a=1"), "--param q=1"),
    (("emit", "--expr", "a*tanh(b*x) + a", "--name", "Trial"), "a start value: add --param a=1 --param b=1"),
    (("emit", "--expr", "tanh(2)", "--name", "Trial"), "does not depend on x"),
    (("emit", "--expr", "a*x +", "--name", "Trial", "--param", "a=1"), "cannot read"),
    (("emit", "--expr", "class*x", "--name", "Trial", "--param", "class=1"), "keyword"),
    (("emit", "--expr", "a*exp(x**2)", "--name", "Trial", "--param", "a=1"), ""),
    (("emit", "nowhere.py:wave:3"), "there is no file"),
    (("derive", "hermite:3", "hermite:4"), "takes one SPEC"),
    (("derive", "hermite:3", "--sigma", "0"), "positive"),
    (("derive", "hermite:3", "--sigma", "1e-300"), "between 1e-06 and 1e+06, found 1.00000E-300"),
    (("derive", "hermite:3", "--sigma", "1e300"), "between 1e-06 and 1e+06"),
    (("derive", "hermite:3", "--law", "exponential:1e7"), "between 1e-06 and 1e+06"),
    (("emit", "hermite:3", "--law", "uniform:1e-200"), "between 1e-06 and 1e+06"),
    (("derive", "hermite:3", "--sigma", "wide"), "unknown name"),
    (("derive", "hermite:3", "--sigma", "1", "--law", "uniform"), "either --law or --sigma"),
    (("derive", "hermite:3", "--format", "html"), "html"),
    (("derive", "hermite:3", "--start", "balanced"), "--start is for starts with conditions"),
    (("emit", "hermite:3", "--start", "shaped,curvature=2"), "between 0 and 1.33333 there"),
    (("maps", "hermite:3@shaped"), "needs its conditions"),
    (("maps", "hermite:3@shaped,curvature=x"), "curvature: unknown name 'x'"),
    (("show", "hermite:3"), "stage"),
    (("verify", "nowhere.py"), "nowhere.py"),
    (("check", "nowhere"), "nowhere"),
    (("plot", "hermite:3", "-o", "picture.bmp"), ".bmp"),
    (("plot", "hermite:3"), "--out"),
    (("new", "class"), "keyword"),
    (("new", "sympy"), "installed package"),
    (("new", "ripple", "-o", "json.py"), "Python's own module"),
    (("bogus",), "No such command"),
    ((), "no command"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED, ids=[" ".join(a)[:60] for a, _ in REFUSED])
def test_a_refusal_is_one_line_and_writes_nothing(gen, tmp_path, arguments, says):
    answer = gen(*arguments)
    assert answer.code == USAGE
    assert answer.err.startswith("learnact-gen: error: ")
    assert answer.err.count("\n") == 1
    assert says in answer.err
    assert "fault of the compiler" not in answer.err
    assert answer.out == ""
    assert files(tmp_path) == set()


def test_debug_shows_the_traceback_and_keeps_the_line(gen):
    for arguments in (("--debug", "emit", "hermit:5"), ("emit", "hermit:5", "--debug")):
        answer = gen(*arguments)
        assert answer.code == USAGE
        assert "Traceback" in answer.err
        assert answer.err.splitlines()[-1].startswith("learnact-gen: error: unknown family")


def test_emit_writes_one_module_and_prints_its_path(gen, tmp_path):
    answer = gen("emit", "hermite:3", "sinusoid", "--out", "new/folder")
    assert answer == Answer(HOLDS, "new/folder/hermite3.py\nnew/folder/sinusoid.py\n", "")
    text = (tmp_path / "new/folder/hermite3.py").read_text()
    ast.parse(text)
    head = header.parse(text)
    assert (head.arguments, head.intact) == ("hermite:3", True)
    assert gen("emit", "hermite:3", "--out", "new/folder").code == HOLDS  # the same text: nothing to replace


def test_emit_replaces_nothing_without_force(gen, tmp_path):
    target = tmp_path / "hermite3.py"
    target.write_text("precious\n")
    answer = gen("emit", "sinusoid", "hermite:3")
    assert answer.code == USAGE
    assert "--force" in answer.err
    assert target.read_text() == "precious\n"
    assert files(tmp_path) == {"hermite3.py"}
    assert gen("emit", "hermite:3", "--force").code == HOLDS
    assert header.parse(target.read_text()).intact


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(gen, tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o500)
    answer = gen("emit", "hermite:3", "--out", "sealed")
    assert answer.code == USAGE
    assert "cannot write" in answer.err


def test_a_folder_that_is_a_file_is_refused(gen, tmp_path):
    (tmp_path / "file").write_text("")
    answer = gen("emit", "hermite:3", "--out", "file/folder")
    assert answer.code == USAGE
    assert "cannot write" in answer.err
    assert files(tmp_path) == {"file"}


def test_emit_is_deterministic_and_loads_no_torch(tmp_path):
    code = (
        "import sys\nfrom learnact.compiler.cli import main as cli\n"
        "try:\n    cli.main(['emit', 'hermite:4', '--out', sys.argv[1]])\n"
        "except SystemExit as done:\n    assert done.code == 0, done.code\n"
        "print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    texts = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert "torch" not in done.stdout.splitlines()[-1]
        texts.append((tmp_path / seed / "hermite4.py").read_bytes())
    assert texts[0] == texts[1]


def test_help_loads_neither_sympy_nor_torch():
    code = (
        "import sys\nfrom learnact.compiler.cli import main as cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    print({'sympy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("command", list(cli.cli.commands))
def test_every_command_explains_itself(gen, command):
    answer = gen(command, "--help")
    assert answer.code == HOLDS
    assert answer.out.startswith(f"Usage: learnact-gen {command}")


def test_an_expression_becomes_a_module_that_verifies(gen, tmp_path):
    answer = gen("emit", *TANH_MIX)
    assert answer == Answer(HOLDS, "tanh_mix.py\n", "")
    answer = gen("verify", "tanh_mix.py", "--quick")
    assert answer.code == HOLDS, answer.out
    assert gen("check", ".").code == HOLDS


EVERY_WORD = (
    "a*Max(0, x) + b*Min(x, 0)",
    "a*max(b, x, -x) + min(a*x, 1)",
    "a*Piecewise((exp(x) - 1, x < 0), (b*x, x <= 1), (b*x**2, True))",
    "a*x*(1 + erf(b*x/sqrt(2)))/2 + sigmoid(x)*Heaviside(x)",
    "a*softplus(b*x) + Abs(x)*sign(x) - abs(b*x)",
    "a*log(1 + b*x**2) + sin(pi*x)*cos(x) + tanh(x)/E",
    "a*expm1(x/2) + b*sinh(x/4)*erfc(x) + cosh(x/4)",
    "a*atan(b*x) + asinh(x) - arctan(x/2) + arcsinh(2*x) + tan(tanh(x)) + log1p(x**2) + log2(x**2 + 2)",
    "where(x < 1, a*x*floor(x), b*x*ceil(x)) + ceiling(x)",
)


def test_the_expressions_below_use_every_word():
    assert {
        word for text in EVERY_WORD for word in re.findall(r"[A-Za-z][A-Za-z0-9]*", text)
    } >= WORDS - ACTIVATIONS.keys()


@pytest.mark.parametrize("text", EVERY_WORD)
def test_every_word_of_the_language_compiles_and_verifies(gen, text):
    emitted = gen("emit", "--expr", text, "--param", "a=1", "--param", "b=1.5", "--name", "Words")
    assert emitted.code == HOLDS, emitted.err
    verified = gen("verify", "words.py", "--quick")
    assert verified.code == HOLDS, verified.out


def test_verify_of_a_spec_holds_and_reports_as_json(gen):
    answer = gen("verify", "hermite:3", "--quick", "--format", "json")
    assert answer.code == HOLDS, answer.out
    (report,) = json.loads(answer.out)
    assert report["ok"] is True
    assert report["checks"]


def test_verify_and_check_reject_a_changed_module(gen, tmp_path):
    gen("emit", "hermite:3")
    path = tmp_path / "hermite3.py"
    text = path.read_text()
    spoilt = text.replace("0.5", "0.25", 1) if "0.5" in text else text.replace("/ 2", "/ 4", 1)
    assert spoilt != text
    path.write_text(spoilt)
    answer = gen("verify", "hermite3.py", "--quick")
    assert answer.code == FAILS
    assert "FAIL" in answer.out
    answer = gen("check", ".")
    assert answer.code == FAILS
    assert "hermite3.py: hand-edited" in answer.out


def digest_of(text: str) -> str:
    return header.parse(text).inputs


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lambda t: f"{t}\n# a note\n", "hand-edited"),
        (lambda t: t.replace(digest_of(t), "0" * 16, 1), "stale"),
        (lambda t: t.replace("#   inputs ", "#    inputs ", 1), "differs"),
    ],
)
def test_check_tells_what_is_wrong_and_how_to_mend_it(gen, tmp_path, spoil, verdict):
    gen("emit", "sinusoid", "hermite:2", "--out", "acts")
    assert gen("check", "acts").code == HOLDS
    path = tmp_path / "acts" / "sinusoid.py"
    path.write_text(spoil(path.read_text()))
    answer = gen("check", "acts", "--format", "json")
    assert answer.code == FAILS
    (difference,) = json.loads(answer.out)
    assert (difference["file"], difference["verdict"]) == ("sinusoid.py", verdict)
    assert difference["diff"].startswith("--- sinusoid.py as it is\n+++ sinusoid.py as the compiler emits it\n")
    command, *mend = difference["mend"].split()
    assert command == "learnact-gen"
    assert gen(*mend).code == HOLDS
    assert gen("check", "acts").code == HOLDS


@pytest.fixture
def planned(monkeypatch) -> Callable[..., None]:
    """Set what `generate` writes: modules of these specs and their manifest."""

    def plan(*specs: str) -> None:
        sources = [api.emit(spec) for spec in specs]
        manifest = json.dumps({"modules": {s.names.slug: {} for s in sources}})
        files = {s.filename: s.text for s in sources} | {"MANIFEST.json": manifest, "__init__.py": "# package\n"}
        monkeypatch.setattr(checking, "plan", lambda watch=None: files)

    return plan


def test_check_of_generated_compares_the_file_list_first(gen, tmp_path, planned):
    planned("hermite:1")
    gen("generate", "out")
    planned("sinusoid")
    gen("generate", "out")
    assert files(tmp_path / "out") == {"sinusoid.py", "MANIFEST.json", "__init__.py"}
    assert gen("check", "out") == Answer(HOLDS, "out is what the compiler emits\n", "")
    (tmp_path / "out" / "sinusoid.py").unlink()
    api.emit("hermite:1", tmp_path / "out")
    (tmp_path / "out" / "stray.py").write_text("")
    found = {d["file"]: d for d in json.loads(gen("check", "out", "--format", "json").out)}
    verdicts = {name: d["verdict"] for name, d in found.items()}
    assert verdicts == {"hermite1.py": "unexpected", "sinusoid.py": "missing", "stray.py": "unexpected"}
    assert found["stray.py"]["mend"] == "rm out/stray.py"
    assert found["hermite1.py"]["mend"] == "rm out/hermite1.py"
    assert gen("generate", "out").code == HOLDS
    assert files(tmp_path / "out") == {"sinusoid.py", "hermite1.py", "stray.py", "MANIFEST.json", "__init__.py"}
    assert gen("generate", "out").out == "nothing to change\n"


@pytest.mark.parametrize("manifest", [None, "[]", '{"files": {}}', "no json"])
def test_generate_leaves_a_folder_of_other_files_alone(gen, tmp_path, planned, manifest):
    planned("sinusoid")
    gen("emit", *TANH_MIX, "--out", "mine")
    (tmp_path / "mine" / "__init__.py").write_text("precious = 1\n")
    if manifest is not None:
        (tmp_path / "mine" / "MANIFEST.json").write_text(manifest)
    before = {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()}
    answer = gen("generate", "mine")
    assert answer.code == USAGE
    assert "did not write" in answer.err
    assert {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()} == before


def test_generate_replaces_no_file_that_its_manifest_does_not_list(gen, tmp_path, planned):
    planned("hermite:1")
    gen("generate", "out")
    (tmp_path / "out" / "sinusoid.py").write_text("precious = 1\n")
    planned("hermite:2", "sinusoid")
    answer = gen("generate", "out")
    assert answer.code == USAGE
    assert "sinusoid.py is in the way" in answer.err
    assert (tmp_path / "out" / "sinusoid.py").read_text() == "precious = 1\n"
    assert not (tmp_path / "out" / "hermite2.py").exists()


def test_generate_deletes_no_listed_file_that_was_not_emitted(gen, tmp_path, planned):
    planned("hermite:1", "sinusoid")
    gen("generate", "out")
    (tmp_path / "out" / "hermite1.py").write_text("precious = 1\n")
    planned("sinusoid")
    assert gen("generate", "out").code == HOLDS
    assert (tmp_path / "out" / "hermite1.py").read_text() == "precious = 1\n"


def test_generated_is_what_the_compiler_emits(gen):
    answer = gen("check")
    assert answer.code == HOLDS, answer.out


def test_list_names_every_family(gen):
    rows = json.loads(gen("list", "--format", "json").out)
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    by_name = {row["name"]: row for row in rows}
    assert by_name["hermite"]["degrees"] == [1, 12]
    assert by_name["sinusoid"]["degrees"] is None
    assert by_name["sinusoid"]["fits"] == []
    assert by_name["fourier"]["fits"] == list(CLASSICAL)
    assert {spec for row in rows for spec in row["generated"]} == set(listing.emitted(generated_folder()))
    assert by_name["mish"]["parameters"] == []
    text = gen("list").out
    assert "\nclassical functions; scaled_NAME is" in text
    assert all(row["formula"] in text for row in rows)
    assert f"starts balanced, paper; fits {', '.join(CLASSICAL)}\n" in text
    assert "starts balanced, siren; fits none\n" in text


def test_an_expression_is_derived_without_a_name_and_told_what_it_lacks(gen):
    answer = gen("derive", "--expr", "a*tanh(x) + x", "--param", "a=1")
    assert answer.code == HOLDS
    assert answer.out.startswith("expression: ")
    assert '--expr "s*(a*tanh(x) + x) + d" --param s=1 --param d=0 would have a balanced one' in answer.err
    assert gen("derive", "--expr", "s*(a*tanh(x) + x) + d", *SHIFTED).err == ""
    emitted = gen("emit", "--expr", "sin(s*x)", "--param", "s=1", "--name", "Wave")
    assert (emitted.code, emitted.out) == (HOLDS, "wave.py\n")
    assert '"scale*(sin(s*x)) + d"' in emitted.err


def test_what_moment_does_not_exist_is_said(gen):
    """E[F'^2] of sqrt(x) for x > 0 is E[1/(4 x)], infinite; all else is finite, and the referee agrees."""
    root = ("--expr", "a*sqrt(Max(x, 0)) + b", "--param", "a=1", "--param", "b=0", "--name", "Root")
    answer = gen("derive", *root, "--format", "json")
    assert answer.code == HOLDS, answer.err
    for start in json.loads(answer.out)["starts"]:
        assert start["moments"]["slope_second"]["value"] is None
        assert start["moments"]["q_slope"]["value"] == pytest.approx(0.5, rel=1e-12)
        assert start["reason"].startswith("E[F'^2] does not exist")
    for lean in ((), ("--lean",)):
        assert gen("emit", *root, "--force", *lean).code == HOLDS
        assert 'float("nan")' in Path("root.py").read_text()
    verified = gen("verify", "root.py", "--quick")
    assert verified.code == HOLDS, verified.out
    refused = gen("derive", "--expr", "a/x", "--param", "a=1")
    assert (refused.code, "does not exist" in refused.err) == (USAGE, True)


SHIFTED = ("--param", "a=1", "--param", "s=1", "--param", "d=0")


def test_derive_gives_exact_values_and_unit_moments(gen):
    answer = json.loads(gen("derive", "hermite:3", "--format", "json").out)
    assert answer["law"] == "Normal(0, 1)"
    balanced = next(s for s in answer["starts"] if s["name"] == "balanced")
    c = sp.sqrt(10) / 5  # c^2 = 1 / (1 + 1 + 1/2)
    for entry, sign in zip(balanced["values"]["coefficients"][1:], (1, -1, -1), strict=True):
        assert sp.sympify(entry["exact"]) == sign * c
        assert entry["value"] == pytest.approx(sign * float(c), rel=FLOAT_ROUNDING)
    assert [balanced["moments"][m]["exact"] for m in ("second", "slope_second")] == ["1", "1"]


def test_starts_with_conditions_are_printed(gen):
    start = json.loads(gen("derive", "hermite:3", "--start", "shaped,curvature=0.05", "--format", "json").out)[
        "starts"
    ][0]
    assert (start["name"], start["shape"]["curvature"]["exact"]) == ("shaped", "1/20")
    assert "C''(1)           = 1/20 ~ 0.05" in gen("derive", "hermite:3", "--start", "shaped,curvature=0.05").out
    assert (
        json.loads(gen("maps", "hermite:3@shaped,curvature=0.05", "--format", "json").out)["bend_at_one"]["value"]
        == 0.05
    )


def test_derive_takes_laws_and_sigma_exactly(gen):
    for arguments, law in ((("--sigma", "0.55"), "Normal(0, 121/400)"), (("--law", "uniform:pi"), "Uniform(-pi, pi)")):
        assert json.loads(gen("derive", "hermite:2", *arguments, "--format", "json").out)["law"] == law


@pytest.mark.parametrize(
    ("form", "says"), [("text", "q-slope"), ("latex", "\\begin{align*}"), ("markdown", "\\begin{aligned}")]
)
def test_derive_prints_for_people(gen, form, says):
    answer = gen("derive", "hermite:3", "--format", form)
    assert answer.code == HOLDS
    assert says in answer.out
    assert "balanced" in answer.out
    assert answer.out.count("{") == answer.out.count("}")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("text", "start 'relu': none, because the terms"),
        ("latex", "\\subparagraph{relu} none, because the terms"),
        ("markdown", "**relu** (none, because the terms"),
        ("json", '"relu": "the terms'),
    ],
)
def test_derive_names_a_fit_that_does_not_exist_and_prints_the_rest(gen, form, says):
    answer = gen("derive", "chebyshev:12", "--sigma", "0.05", "--format", form)
    assert answer.code == HOLDS
    assert says in answer.out
    assert all(name in answer.out for name in ("balanced", "gelu", "silu", "tanh"))
    assert answer.err == ""


@pytest.mark.parametrize("stage", ["spec", "derivation", "program", "source"])
def test_show_prints_every_stage(gen, stage):
    text = gen("show", "hermite:2", "--stage", stage)
    assert text.code == HOLDS
    assert text.out.strip()
    data = gen("show", "hermite:2", "--stage", stage, "--format", "json")
    assert data.code == HOLDS
    assert json.loads(data.out)


def test_show_takes_an_expression(gen):
    shown = json.loads(gen("show", *TANH_MIX, "--stage", "spec", "--format", "json").out)
    assert shown["class"] == "TanhMix"
    assert list(shown["starts"]) == ["forward", "declared"]


def test_new_writes_a_family_that_emits_and_verifies(gen, tmp_path):
    assert gen("new", "ripple") == Answer(HOLDS, "ripple.py\n", "")
    assert gen("new", "ripple", "-o", "ripple.py").code == HOLDS  # the same text
    (tmp_path / "ripple.py").write_text((tmp_path / "ripple.py").read_text().replace("Ripple", "Ripples"))
    assert "--force" in gen("new", "ripple").err
    assert gen("emit", "ripple.py:ripple:2", "--out", "acts").out == "acts/ripple2.py\n"
    assert gen("verify", "acts/ripple2.py", "--quick").code == HOLDS


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plot_draws_the_same_picture_twice(gen, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        assert gen("plot", "hermite:3", "sinusoid", "-o", f"{name}{suffix}").code == HOLDS
    one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two


def test_plot_without_matplotlib_says_what_to_install(gen, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = gen("plot", "hermite:3", "-o", "picture.png")
    assert answer.code == USAGE
    assert "learnact[plot]" in answer.err


def test_gain_and_maps_print_text_and_data(gen):
    for command, spec in (("gain", "gelu"), ("maps", "hermite:3@paper")):
        text, data = gen(command, spec), gen(command, spec, "--format", "json")
        assert (text.code, data.code, text.err) == (HOLDS, HOLDS, "")
        assert text.out.startswith(f"{spec}: F(x) = ")
        assert json.loads(data.out)["function"] == spec
    assert json.loads(gen("gain", "--expr", "a*x", "--param", "a=3", "--format", "json").out)["he"]["exact"] == "1/9"
    assert json.loads(gen("maps", "gelu", "--sigma", "2", "--format", "json").out)["law"] == "Normal(0, 4)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gain", "gleu"), "did you mean gelu"),
        (("gain",), "give either FUNCTION"),
        (("gain", "gelu", "silu"), "takes one FUNCTION"),
        (("gain", "gelu", "--param", "a=1"), "declares its parameters itself"),
        (("gain", "gelu", "--sigma", "0"), "sigma must be positive"),
        (("gain", "gelu", "--sigma", "2", "--law", "uniform"), "not both"),
        (("maps", "--expr", "exp(x**2/3)"), "outgrows"),
        (("maps", "gelu", "-o", "maps.bmp"), "cannot draw"),
    ],
)
def test_gain_and_maps_refuse_in_one_line(gen, tmp_path, arguments, message):
    answer = gen(*arguments)
    assert (answer.code, answer.out) == (USAGE, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert files(tmp_path) == set()
