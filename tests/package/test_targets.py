"""What the functions take for an activation, a law and a sigma; and that everything else is one clear error."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

from learnact import Declaration, Normal, Uniform, derive, emit, load, lower, start, verify
from learnact.compiler.emit.target import activation_of
from learnact.compiler.resolve.expression import from_expression
from learnact.compiler.resolve.registry import family, resolve
from learnact.errors import BadDeclaration, BadExpression, BadLaw, BadTarget, LearnactError, UnknownName
from learnact.generated import Hermite2, Sinusoid, hermite2


class Tuned(Hermite2):
    pass


EXPRESSION = Declaration(expr="a*tanh(x) + c", params=("a=1", "c=0"), name="Mine")


@pytest.mark.parametrize(
    "target",
    ["hermite:2", resolve("hermite:2"), Declaration(spec="hermite:2"), Hermite2, Hermite2(3), hermite2.__file__,
     Path(hermite2.__file__)],
    ids=["spec", "activation", "declaration", "class", "module", "text", "path"],
)  # fmt: skip
def test_whatever_names_an_activation_is_taken(target):
    assert activation_of(target).digest == resolve("hermite:2").digest
    assert derive(target).activation.names.spec == "hermite:2"
    assert lower(target).activation.names.spec == "hermite:2"
    assert emit(target).text == Path(hermite2.__file__).read_text()
    assert start(target, "balanced") == start("hermite:2", "balanced")


def test_a_class_loaded_from_an_expression_names_its_expression(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path))
    mine = load(EXPRESSION)
    assert activation_of(mine).digest == EXPRESSION.activation().digest
    assert derive(mine()).activation.names.cls == "Mine"
    assert load(mine) is load(mine()) is load(EXPRESSION) is mine
    assert load(Hermite2) is Hermite2


def test_a_class_loaded_from_an_activation_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path))
    made = from_expression("a*tanh(x) + c", {"a": 1, "c": sp.Rational(1, 3)}, "Made")
    cls = load(made)
    assert activation_of(cls) is activation_of(cls()) is made
    assert verify(cls, quick=True).ok


def test_verify_judges_the_file_of_a_class():
    report = verify(Sinusoid, quick=True)
    assert report.ok
    assert report.file == "sinusoid.py"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (5, "found 5 of type int"),
        (None, "found None of type NoneType"),
        (["hermite:5"], "of type list"),
        (torch.nn.GELU, "the class GELU, whose file was not written by learnact-gen"),
        (torch.nn.GELU(), "of type GELU"),
        (Tuned, "Tuned extends the emitted Hermite2"),
        (Tuned(), "pass Hermite2 if its declaration is meant"),
        (family("hermite"), "found the Family 'hermite': write hermite.at(12)"),
        (family("sinusoid"), "write sinusoid.at()"),
        (lambda x: x, "of type function"),
    ],
)
@pytest.mark.parametrize("function", [derive, lower, emit, load, verify, lambda t: start(t, "balanced")])
def test_whatever_names_none_is_one_clear_error(function, target, says):
    with pytest.raises(BadTarget) as caught:
        function(target)
    assert isinstance(caught.value, (LearnactError, TypeError))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_was_not_emitted_is_said(tmp_path):
    with pytest.raises(BadDeclaration, match="cannot read"):
        derive(tmp_path / "nothing.py")
    (tmp_path / "plain.py").write_text("a = 1\n")
    with pytest.raises(BadDeclaration, match="has no header"):
        derive(tmp_path / "plain.py")


@pytest.mark.parametrize(
    "sigma",
    [0.5, "1/2", "0.5", Fraction(1, 2), Decimal("0.5"), sp.Rational(1, 2), np.float64(0.5), np.float32(0.5),
     np.float16(0.5), np.array(0.5), np.array([0.5]), torch.tensor(0.5), torch.tensor([0.5], dtype=torch.float64),
     torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(0.5, requires_grad=True)],
    ids=str,
)  # fmt: skip
def test_whatever_holds_one_number_is_a_sigma(sigma):
    assert start("hermite:2", "balanced", sigma=sigma) == start("hermite:2", "balanced", law=Normal(sp.Rational(1, 2)))


@pytest.mark.parametrize("sigma", [0.55, np.float32(0.55), np.float16(0.55), torch.tensor(0.55), Decimal("0.55")])
def test_a_sigma_is_the_number_that_its_text_writes_in_every_dtype(sigma):
    assert start("hermite:2", "balanced", sigma=sigma) == start("hermite:2", "balanced", sigma="11/20")


@pytest.mark.parametrize("sigma", [2, np.int64(2), torch.tensor(2)])
def test_whole_numbers_are_sigmas(sigma):
    assert start("sinusoid", "balanced", sigma=sigma) == start("sinusoid", "balanced", sigma="2")


@pytest.mark.parametrize(
    ("sigma", "error", "says"),
    [
        (torch.ones(2), BadLaw, "one number, found Tensor of shape (2,)"),
        (np.ones((2, 3)), BadLaw, "one number, found ndarray of shape (2, 3)"),
        (None, BadLaw, "found None of type NoneType"),
        (True, BadLaw, "found True of type bool"),
        (torch.tensor(True), BadLaw, "must be a number"),
        (1j, BadLaw, "of type complex"),
        ([0.5], BadLaw, "of type list"),
        (float("nan"), BadLaw, "finite, found nan"),
        (torch.tensor(float("inf")), BadLaw, "finite, found inf"),
        (-0.5, BadLaw, "positive"),
        (Fraction(0), BadLaw, "positive, found 0"),
        ("half", BadExpression, "half"),
    ],
)
def test_whatever_holds_no_sigma_is_one_clear_error(sigma, error, says):
    with pytest.raises(error) as caught:
        start("sinusoid", "balanced", sigma=sigma)
    assert says in str(caught.value)


def test_a_law_may_be_text():
    assert derive("hermite:2", "uniform:2").law == Uniform(2)
    assert start("sinusoid", "balanced", law="normal:1/2") == start("sinusoid", "balanced", sigma=0.5)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: derive("hermite:2", 0.5), BadTarget, "law must be a Law such as Normal()"),
        (lambda: derive("hermite:2", "gauss"), UnknownName, "gauss"),
        (lambda: start("hermite:2", 3), BadTarget, "name must be text such as 'balanced', found 3"),
        (lambda: start("hermite:2", "balanced", sigma=torch.tensor(0.5), law=Normal()), BadLaw, "either sigma=1/2"),
        (lambda: Normal([1]), BadLaw, "std must be a number or a SymPy expression"),
        (lambda: Normal("1/2"), BadLaw, "std must be a number"),
    ],
)
def test_other_arguments_that_mean_nothing_are_one_clear_error(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
