"""From SPEC to activation, from command-line words to declaration and back, and the header that carries them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sympy as sp

from learnact.compiler.declare.laws import Uniform
from learnact.compiler.declare.spec import Family
from learnact.compiler.declare.symbols import x
from learnact.compiler.emit import header
from learnact.compiler.resolve import registry
from learnact.compiler.resolve.declaration import Declaration
from learnact.compiler.resolve.scaffold import family_file
from learnact.errors import BadDeclaration, BadDegree, BadExpression, BadName, LearnactError, UnknownName

WAVE = """
import sympy as sp
from learnact import Family, Start
from learnact.symbols import gain, x

wave = Family(
    name="wave", title="Wave", parameters={"height": 1}, degrees=range(1, 4),
    function=lambda p, n: p.height * sp.sin(n * x), starts={"balanced": Start(lambda n, law: {"height": gain})},
)
number = 3
"""


@pytest.fixture
def wave(tmp_path):
    path = tmp_path / "wave file.py"
    path.write_text(WAVE)
    return path


@pytest.mark.parametrize("name", registry.family_names())
def test_every_shipped_family_is_found_by_its_file_name(name):
    family = registry.family(name)
    assert isinstance(family, Family)
    assert family.name == name
    spec = name if family.degrees is None else f"{name}:{family.degrees[0]}"
    assert registry.resolve(spec).names.spec == spec


def test_only_the_family_asked_for_is_imported():
    code = (
        "import sys; from learnact.compiler.resolve.registry import resolve; resolve('hermite:5');"
        "print([m for m in sys.modules if m.startswith('learnact.compiler.families.')], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['learnact.compiler.families.hermite'] False"


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("hermit:5", UnknownName, "did you mean hermite"),
        ("", UnknownName, "unknown family ''"),
        ("../hermite:5", UnknownName, "unknown family"),
        ("hermite", BadDegree, "needs a degree"),
        ("hermite:", BadDegree, "whole number"),
        ("hermite:0", BadDegree, "degrees 1 to 12, found 0"),
        ("hermite:99", BadDegree, "found 99"),
        ("hermite:-1", BadDegree, "whole number"),
        ("hermite:five", BadDegree, "found 'five'"),
        ("hermite:\u0665", BadDegree, "whole number"),
        ("hermite:5:6", BadDegree, "2 degrees"),
        ("sinusoid:3", BadDegree, "has no degree"),
        ("nowhere.py", BadDeclaration, "names no object"),
        ("nowhere.py:wave:3", BadDeclaration, "there is no file"),
        ("no.where:\n", BadDeclaration, r"'no.where:\n' holds a line break"),
        ("no\rwhere.py:wave", BadDeclaration, "holds a line break"),
    ],
)
def test_a_bad_spec_is_refused_by_name(spec, error, says):
    with pytest.raises(error) as caught:
        registry.resolve(spec)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_gives_its_family(wave):
    activation = registry.resolve(f"{wave}:wave:3")
    assert activation.names.spec == "wave:3"
    assert activation.function == sp.Symbol("height", real=True) * sp.sin(3 * x)


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("wav", UnknownName, "did you mean wave?"),
        ("number", UnknownName, "wave"),
        ("wave:9", BadDegree, "degrees 1 to 3"),
    ],
)
def test_a_file_without_that_family_says_which_it_has(wave, name, error, says):
    with pytest.raises(error) as caught:
        registry.resolve(f"{wave}:{name}")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("1 +", "SyntaxError"),
        ("raise ValueError('first\\nsecond')", "ValueError: first second"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("a = 1", "holds no Family"),
        (WAVE.replace("sp.sin(n * x)", "p.depth"), "no attribute 'depth'"),
        (WAVE.replace("sp.sin(n * x)", "[][0]"), "IndexError"),
    ],
)
def test_a_file_that_does_not_work_is_one_line(tmp_path, text, says):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(BadDeclaration) as caught:
        registry.resolve(f"{path}:wave:1")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "parameters", "values", "says"),
    [
        ("x * p.height[0]", '{"height": lambda n: n - 1}', '{"height": []}', "'height' has the length 0"),
        ("x", '{"height": 0}', "{}", "'height' has the length 0"),
        ("x * p.height", '{"height": 2}', "{}", "'height' has the length 2"),
        ("x * p.height[0]", '{"height": lambda n: 1.0}', "{}", "'height' has the length 1.0"),
        ("p.height", '{"height": 1}', '{"height": gain}', "does not depend on x"),
        ("x", '{"height": 1}', '{"height": gain}', "height does not occur"),
        ("x * p.height[0]", '{"height": lambda n: 2}', '{"height": [gain, gain]}', "height_1 does not occur"),
        ("x + sp.Heaviside(x - p.height)", '{"height": 1}', '{"height": 1}', "height gets no gradient"),
        ("p.height * sp.asin(x)", '{"height": 1}', '{"height": gain}', "F is not real at x = -2.05"),
        ("p.height * sp.I * x", '{"height": 1}', '{"height": gain}', "not real and finite"),
        ("p.height * sp.Function('f')(x)", '{"height": 1}', '{"height": gain}', "without a definition"),
        ("p.height * x", '{"height": 1}', '{"height": 1 / 0}', "start 'balanced' fails under Normal(0, 1): ZeroDiv"),
        ("p.height * x", '{"height": 1}', '{"height": sp.S(1) / 0}', "start 'balanced' makes height zoo"),
        ("p.height * x", '{"height": 1}', '{"height": sp.Symbol("q")}', "start 'balanced' makes height depend on q"),
        ("p.height * x", '{"height": 1}', '{"depth": gain}', "values for ['depth']"),
    ],
)
def test_a_family_that_cannot_be_an_activation_is_refused(tmp_path, function, parameters, values, says):
    text = WAVE.replace("p.height * sp.sin(n * x)", function).replace('{"height": 1}', parameters)
    path = tmp_path / "wave.py"
    path.write_text(text.replace('{"height": gain}', values))
    with pytest.raises(BadDeclaration) as caught:
        registry.resolve(f"{path}:wave:1")
    assert says in str(caught.value)
    assert "wave:1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_files_called_alike_do_not_meet(tmp_path):
    for folder, title in (("one", "First"), ("two", "Second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "wave.py").write_text(WAVE.replace('"Wave"', f'"{title}"'))
    titles = [registry.resolve(f"{tmp_path / folder / 'wave.py'}:wave:1").family.title for folder in ("one", "two")]
    assert titles == ["First", "Second"]


@pytest.mark.parametrize(
    "words",
    [
        {"spec": "hermite:5"},
        {"spec": "sinusoid", "law": "uniform:pi"},
        {"spec": "hermite:3", "name": "Mine"},
        {"expr": "a*tanh(b*x) + c*x", "params": ("a=1", "b=1/3", "c=0"), "name": "TanhMix"},
        {"expr": "Max(a*x, b*x)", "params": ("a=1", "b=0.25"), "name": "Leaky", "law": "normal:1/2"},
    ],
)
def test_a_declaration_survives_its_own_words(words):
    declaration = Declaration(**words)
    again = Declaration.read(declaration.arguments)
    assert again == declaration
    assert again.activation().digest == declaration.activation().digest


def test_the_digest_tells_declarations_apart():
    def digest(params: tuple[str, ...], **more: str) -> str:
        return Declaration(expr="a*tanh(b*x)", params=params, name="Trial", **more).activation().digest

    plain = digest(("a=1", "b=1"))
    assert len({plain, digest(("a=1", "b=2")), digest(("a=1", "b=1"), law="uniform")}) == 3
    assert digest(("a=1.0", "b=1")) == plain


def test_a_path_with_a_blank_survives(wave):
    declaration = Declaration(spec=f"{wave}:wave:2")
    assert Declaration.read(declaration.arguments).activation().names.spec == "wave:2"


def test_name_and_law_replace_the_family_s_own():
    activation = Declaration(spec="hermite:3", name="Mine", law="uniform:2").activation()
    assert activation.names.cls == "Mine"
    assert activation.names.slug == "mine"
    assert activation.family.law == Uniform(2)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({}, BadExpression),
        ({"spec": "hermite:5", "expr": "a*x", "name": "Mine"}, BadExpression),
        ({"expr": "a*x", "params": ("a=1",)}, BadExpression),
        ({"spec": "hermite:5", "params": ("a=1",)}, BadExpression),
    ],
)
def test_words_that_contradict_each_other_are_refused(words, error):
    with pytest.raises(error):
        Declaration(**words)


@pytest.mark.parametrize("arguments", ["", "hermite:5 hermite:6", "--out here", "'hermite", "--name A --name B h:1"])
def test_arguments_that_declare_nothing_are_refused(arguments):
    with pytest.raises(LearnactError):
        Declaration.read(arguments)


HEADER = """\
# Generated by learnact-gen 0.1.0 from hermite:5. Do not edit: write it again with `learnact-gen emit hermite:5`.
#   inputs  sha256:0123456789abcdef   declaration, templates and compiler version
#   body    sha256:{digest}   every line below this header
"""
BODY = '"""A body."""\n'


def test_a_header_is_read_and_an_edited_body_is_noticed():
    text = HEADER.format(digest="d5b3a38d6b8b6d5b") + BODY
    assert header.parse(text).intact is False
    digest = header.hashlib.sha256(BODY.encode()).hexdigest()[:16]
    read = header.parse(HEADER.format(digest=digest) + BODY)
    assert read == header.Header("0.1.0", "hermite:5", "0123456789abcdef", digest, intact=True)


def test_the_declared_line_of_a_header_wins():
    declared = "#   declared  --expr 'a*x + c' --param a=1 --param c=0 --name Trial\n"
    head = header.parse(HEADER.format(digest="0" * 16) + declared + BODY)
    assert Declaration.read(head.arguments).activation().names.cls == "Trial"


@pytest.mark.parametrize("text", ["", "import torch\n", "# a comment\n", HEADER.replace("sha256", "md5")])
def test_what_was_not_emitted_has_no_header(tmp_path, text):
    path = tmp_path / "file.py"
    path.write_text(text)
    with pytest.raises(BadDeclaration, match="no header"):
        header.read(path)


def test_the_example_family_builds_at_every_degree(tmp_path):
    path = tmp_path / "ripple.py"
    path.write_text(family_file("ripple", str(path)))
    assert [registry.resolve(f"{path}:ripple:{n}").degree for n in (1, 8)] == [1, 8]


@pytest.mark.parametrize("name", ["class", "2x", "sp", "Family", "x", "torch", "bal lad", "_hidden"])
def test_the_example_family_takes_no_name_that_would_break_it(name):
    with pytest.raises(BadName):
        family_file(name, "file.py")


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [
        ("json", "file.py", "Python's own module 'json'"),
        ("os", "file.py", "Python's own module 'os'"),
        ("sympy", "file.py", "installed package 'sympy'"),
        ("click", "file.py", "installed package 'click'"),
        ("learnact", "file.py", "installed package 'learnact'"),
        ("ripple", "folder/sympy.py", "installed package 'sympy'"),
        ("hermite", "file.py", "ships with the compiler"),
    ],
)
def test_the_example_family_hides_no_module_and_no_family(name, path, says):
    with pytest.raises(BadName, match=says):
        family_file(name, path)
