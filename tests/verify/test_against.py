"""The referee of code that somebody else wrote: it finds each kind of fault, and raises no alarm on right code."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import strangers
import torch
from torch import Tensor, nn
from torch.nn import functional

from learnact import Judgement, verify_against
from learnact.compiler.cli import main as cli
from learnact.compiler.cli.options import FAILS, HOLDS, USAGE
from learnact.errors import BadExpression, BadTarget, UnknownName
from learnact.generated import Fourier3, Hermite5, Sinusoid, Tropical6
from learnact.generated.hermite5 import hermite5

FILE = strangers.__file__
GELU = "x*(1 + erf(x/sqrt(2)))/2"
NEW_GELU = "x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"
SOFTPLUS = "Piecewise((softplus(x), x <= 20), (x, True))"  # torch's own: it documents the threshold
ELU = "Max(x, 0) + alpha*(exp(Min(x, 0)) - 1)"
SELU = "1.0507009873554804934*(Max(x, 0) + 1.6732632423543772848*(exp(Min(x, 0)) - 1))"
TANH = "a*tanh(b*x)"
SNAKE = "x + sin(alpha*x)**2/alpha"
AB = {"a": "1", "b": "1"}
SECONDS = 3.0  # for an answer: what never comes need not be waited for longer
RESPONSE = 40.0  # seconds on a busy machine until endless code is given up: Python and torch start first


def judge(code: object, against: str, params: Mapping[str, str | float] | None = None) -> Judgement:
    return verify_against(code, against, params=params, quick=True)


RIGHT: dict[str, tuple[object, str, Mapping[str, str | float]]] = {
    "F.gelu": (functional.gelu, GELU, {}),
    "nn.GELU tanh": (nn.GELU(approximate="tanh"), NEW_GELU, {}),
    "F.silu": (functional.silu, "x*sigmoid(x)", {}),
    "F.mish": (functional.mish, "x*tanh(log(1 + exp(x)))", {}),
    "F.softplus": (functional.softplus, SOFTPLUS, {}),
    "F.tanh": (functional.tanh, "tanh(x)", {}),
    "F.elu": (functional.elu, ELU, {"alpha": "1"}),
    "F.selu": (functional.selu, SELU, {}),
    "F.relu": (functional.relu, "Max(x, 0)", {}),
    "F.leaky_relu": (functional.leaky_relu, "Max(x, 0) + negative_slope*Min(x, 0)", {"negative_slope": "0.01"}),
    "F.hardswish": (functional.hardswish, "x*Min(Max(x + 3, 0), 6)/6", {}),
    "nn.PReLU": (nn.PReLU, "Max(x, 0) + weight*Min(x, 0)", {"weight": "0.25"}),
    "gelu": (strangers.gelu, GELU, {}),
    "new_gelu": (strangers.new_gelu, NEW_GELU, {}),
    "swish": (strangers.swish, "x*sigmoid(beta*x)", {"beta": "1"}),
    "snake": (strangers.Snake, SNAKE, {"alpha": "0.5"}),
    "autograd.Function": (strangers.Saved, TANH, AB),
    "expm1": (lambda x: torch.where(x > 0, x, torch.expm1(x.clamp(max=0))), ELU.replace("alpha*", ""), {}),
    "log": (torch.log, "log(x)", {}),
    "sqrt": (lambda x: torch.sqrt(1 - x * x), "sqrt(1 - x**2)", {}),
    "pole": (torch.reciprocal, "1/x", {}),
    "two lines": (lambda x, a, b: torch.maximum(a * x, b * x), "Max(a*x, b*x)", {"a": "1", "b": "0.1"}),
    "a large factor": (
        lambda x, a: torch.sin(a * x) / x.abs().clamp(min=1e-3),
        "sin(a*x)/Max(abs(x), 1/1000)",
        {"a": "1"},
    ),
    "step": (torch.sign, "sign(x)", {}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_code_raises_no_alarm(name: str) -> None:
    report = judge(*RIGHT[name])
    assert report.ok, report.table()
    assert report.counterexample is None


@pytest.mark.parametrize("spec", ["hermite:5", "fourier:3", "tropical:6", "sinusoid"])
def test_generated_classes_raise_no_alarm(spec: str) -> None:
    cls = {"hermite:5": Hermite5, "fourier:3": Fourier3, "tropical:6": Tropical6, "sinusoid": Sinusoid}[spec]
    report = judge(cls, spec)
    assert report.ok, report.table()
    assert set(report.matched) == {n for n, _ in cls().named_parameters()}
    assert not report.not_judged


@dataclass(frozen=True)
class Fault:
    """Wrong code, a check that must fail, and the counterexample at the end."""

    code: object
    against: str
    check: str
    kind: str
    x: float | None = None  # None: any
    found: Callable[[float], bool] = lambda v: True
    params: Mapping[str, str | float] | None = None
    ulps: float = 0.0  # at least


FAULTS = {
    "F'(0) = 0 of |x|^k sign(x)^k": Fault(
        strangers.signed_power, "a*x", "slope_fp32", "dF/dx", 0.0, lambda v: v == 0, {"a": "1"}
    ),
    "NaN slope through where": Fault(
        strangers.where_sqrt, "Piecewise((sqrt(x), x > 0), (0, True))", "slope_fp32", "dF/dx", -1.0, math.isnan
    ),
    "NaN slope through where at 0 alone": Fault(
        strangers.where_sinc, "sin(x)/x", "slope_fp32", "dF/dx", 0.0, math.isnan
    ),
    "the same at a kink": Fault(
        strangers.where_sinc, "Piecewise((sin(x)/x, abs(x) > 0), (1, True))", "kinks", "dF/dx", 0.0, math.isnan
    ),
    "NaN through Max at 0": Fault(strangers.norm_relu, "Max(x, 0)", "kinks", "F", 0.0, math.isnan),
    "0 on an interval": Fault(strangers.dead_gelu, GELU, "value_fp32", "F", -1.3, lambda v: v == 0),
    "0 in the tail": Fault(strangers.truncated_gelu, GELU, "value_fp64", "F", -6.0, lambda v: v == 0),
    "a slope that is off by thousands of ulps": Fault(
        strangers.Drifting, TANH, "slope_fp32", "dF/dx", 0.0, params=AB, ulps=1000
    ),
    "a wrong constant": Fault(strangers.wrong_gelu, NEW_GELU, "value_fp32", "F", 1.0, ulps=1000),
    "a constant of five digits": Fault(strangers.short_gelu, NEW_GELU, "value_fp64", "F", 1.0, ulps=1e9),
    "float16 overflows on the way": Fault(
        strangers.squareplus, "(x + sqrt(x**2 + 4))/2", "large_x_fp16", "F", 300.0, lambda v: v == float("inf")
    ),
    "everything overflows on the way": Fault(strangers.half_softplus, "softplus(x)", "large_x_fp16", "F", 90.0),
    "half a slope at 0": Fault(
        lambda x: torch.log1p(torch.exp(-torch.abs(x))) + torch.clamp(x, min=0),
        "softplus(x)",
        "slope_fp32",
        "dF/dx",
        0.0,
        lambda v: v == 1,
    ),
    "a constant in single precision": Fault(
        functional.hardsigmoid, "Min(Max(x + 3, 0), 6)/6", "slope_fp64", "dF/dx", 0.0, ulps=1e8
    ),
    "digits lost near 0": Fault(strangers.naive_elu, ELU.replace("alpha*", ""), "near_zero_fp32", "F"),
    "digits lost in a tail": Fault(strangers.naive_tail, "softplus(x)", "large_x_fp32", "F"),
    "no gradient": Fault(strangers.detached, "tanh(x)", "slope_fp32", "dF/dx", 0.0, lambda v: v == 0),
    "swapped parameter gradients": Fault(strangers.Swapped, TANH, "parameter_gradients_fp32", "dF/da", params=AB),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_kind_of_fault_is_found_with_its_smallest_input(name: str) -> None:
    fault = FAULTS[name]
    report = judge(fault.code, fault.against, fault.params)
    assert fault.check in report.failed, report.table()
    found = report.counterexample
    assert found is not None
    assert report.table().endswith(found.text())
    assert found.kind == fault.kind
    assert fault.x is None or found.x == pytest.approx(fault.x, rel=1e-6)
    assert fault.found(found.found)
    assert found.ulps >= max(fault.ulps, found.allowed)


def test_torch_keeps_its_threshold_in_float64_too() -> None:
    """softplus is x beyond 20: right to float32, in float64 80,000 units in the last place from log(1 + exp(x))."""
    report = judge(functional.softplus, "softplus(x)")
    assert report.failed == ("large_x_fp64",)


BROKEN = {
    "other_shape": "shape (3, 4) in, (3,) out",
    "no_tensor": "it returns a list, no tensor",
    "softmax": "not pointwise: x = 0.125 gives",
    "running": "not pointwise: x = 0.125 gives",
    "noisy": "not deterministic",
    "flat_only": "a tensor transposed: raised RuntimeError: view size is not compatible",
    "not_empty": "a tensor of shape (0,): raised RuntimeError",
    "other_dtype": "float64 in, float32 out",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_pointwise_function_of_a_tensor_is_said_in_one_line(name: str) -> None:
    report = judge(getattr(strangers, name), "tanh(x)")
    assert not report.ok
    first = next(c for c in report.checks if not c.passed)
    assert BROKEN[name] in first.detail


UNUSABLE = {
    "on_the_gpu": "raises for a float32 tensor of shape (3,) on the CPU",
    "raises": "RuntimeError: no luck today",
    "leaves": "SystemExit: 3",
    "two_inputs": "it takes y, which is not declared; add --param y=VALUE",
    "NUMBER": "no callable but a int",
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_code_that_cannot_be_judged_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(BadTarget) as err:
        judge(getattr(strangers, name), "tanh(x)")
    assert UNUSABLE[name] in str(err.value)
    assert "\n" not in str(err.value)


def test_a_module_must_bring_what_is_asked_of_it() -> None:
    report = judge(strangers.Snake(2.0), SNAKE, {"alpha": "0.5"})
    assert report.ok
    assert report.matched == {"alpha": "parameter alpha of shape (1,)"}
    unmatched = judge(strangers.gelu, "a*" + GELU, {"a": "1"})
    assert unmatched.ok
    assert unmatched.not_judged == {"a": "no argument has this name"}
    assert "not judged: the gradient of a" in unmatched.table()
    assert not judge(strangers.gelu, "a*" + GELU, {"a": "2"}).ok
    with pytest.raises(BadTarget, match="values of coefficients are not known"):
        judge(strangers.gelu, "hermite:5")


def test_numbers_and_buffers_are_set_and_have_no_gradient() -> None:
    report = judge(strangers.Buffered, TANH, {"a": "1/3", "b": "1/3"})
    assert report.ok, report.table()
    assert report.matched == {"a": "attribute a", "b": "buffer b"}
    assert report.not_judged == {"a": "it is a number", "b": "it is a buffer"}
    assert judge(nn.ELU, ELU, {"alpha": "1/3"}).ok
    assert not judge(nn.ELU(), ELU.replace("alpha", "a"), {"a": "1/3"}).ok


def test_the_functional_form_of_an_emitted_file_takes_vectors() -> None:
    report = judge(hermite5, "hermite:5")
    assert report.ok, report.table()
    assert report.matched == {"coefficients": "an argument"}
    assert not report.not_judged


def test_a_live_module_is_left_as_it_was() -> None:
    module = strangers.Snake(2.0)
    judge(module, SNAKE, {"alpha": "0.5"})
    assert module.alpha.item() == 2.0
    assert module.alpha.dtype == torch.float32
    assert module.alpha.grad is None


@pytest.mark.parametrize(
    ("against", "params", "error"),
    [
        ("tanh(y)", {}, BadExpression),
        ("tanh(x", {}, BadExpression),
        ("tanh(x)", {"a": "1"}, BadExpression),
        ("2", {}, BadExpression),
        ("hermite:5", {"a": "1"}, BadExpression),
        ("nosuch:5", {}, UnknownName),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(against: str, params: dict[str, str], error: type) -> None:
    with pytest.raises(error):
        judge(torch.tanh, against, params)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        cli.main(["verify", *arguments])
    captured = capsys.readouterr()
    return int(done.value.code or 0), captured.out, captured.err


def test_the_command_says_right_or_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--quick", "--against", GELU, "torch.nn.functional:gelu")
    assert code == HOLDS
    assert out.splitlines()[-1].startswith("ok: ")
    name = f"{FILE}:Swapped"
    code, out, err = run(capsys, "--quick", "--against", TANH, "--param", "a=1", "--param", "b=1", name)
    assert (code, err) == (FAILS, "")
    assert out.splitlines()[-4].startswith("counterexample: dF/da at x = ")
    assert out.splitlines()[-1].startswith("  error ")
    command = ("--quick", "--format", "json", "--against", "hermite:5", "learnact.generated:Hermite5")
    code, out, _ = run(capsys, *command)
    (report,) = json.loads(out)
    assert (code, report["ok"], report["counterexample"]) == (HOLDS, True, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nofile.py:f", "there is no file nofile.py"),
        ("no.such.module:f", "No module named 'no'"),
        (f"{FILE}:nothing", "has no 'nothing'; it has "),
        (f"{FILE}", "names no callable; write FILE.py:callable"),
        (f"{FILE}:leaves", "SystemExit: 3"),
    ],
)
def test_the_command_refuses_in_one_line(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--quick", "--against", "tanh(x)", name)
    assert (code, out) == (USAGE, "")
    assert says in err
    assert err.count("\n") == 1


def test_options_that_contradict_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--law", "normal", f"{FILE}:gelu"), ("a.py:f", "b.py:f"), ()):
        code, out, err = run(capsys, "--against", "tanh(x)", *words)
        assert (code, out) == (USAGE, "")
        assert err.count("\n") == 1


def test_a_file_that_fails_to_import_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1/0\n")
    with pytest.raises(BadTarget, match="cannot be imported: ZeroDivisionError"):
        judge(f"{broken}:f", "tanh(x)")


def test_what_the_code_prints_is_no_answer(tmp_path: Path) -> None:
    """A neighbour is importable, and prints and files of the referee's names do no harm."""
    (tmp_path / "points.py").write_text("import torch\nSHIFT = 0\n")
    loud = tmp_path / "loud.py"
    loud.write_text(
        "import torch, points\nprint('{}')\ndef f(x):\n    print('{}')\n    return torch.tanh(x + points.SHIFT)\n"
    )
    report = judge(f"{loud}:f", "tanh(x)")
    assert report.ok, report.table()


def test_code_that_reads_its_input_reads_nothing() -> None:
    report = judge(f"{FILE}:asks", "tanh(x)")
    assert report.ok, report.table()


def test_code_that_bears_torch_compile_is_judged_eagerly(tmp_path: Path) -> None:
    path = tmp_path / "decorated.py"
    path.write_text("import torch\n\n@torch.compile\ndef f(x):\n    return torch.tanh(x)\n")
    report = judge(f"{path}:f", "tanh(x)")
    assert report.ok, report.table()


def test_endless_code_is_given_up() -> None:
    begin = time.perf_counter()
    with pytest.raises(BadTarget, match="did not answer within 3 s"):
        verify_against(f"{FILE}:endless", "tanh(x)", quick=True, seconds=SECONDS)
    report = verify_against(f"{FILE}:endless_later", "tanh(x)", quick=True, seconds=SECONDS)
    assert report.failed == ("value_fp32",)
    assert "did not answer" in report.checks[-1].detail
    assert time.perf_counter() - begin < RESPONSE


def test_compiled_code_is_judged_too() -> None:
    """Takes torch.compile: Inductor's erf on a CPU is 0 for |x| <= 1e-7, which eager float32 is not."""
    report = verify_against(strangers.erf_in_float, "erf(x)")
    assert report.failed == ("compiled_fp32",), report.table()
    found = report.counterexample
    assert found is not None
    assert found.compiled
    assert abs(found.x) <= 0.0625
    assert "torch.compile" in found.text()


def test_compiled_right_code_raises_no_alarm() -> None:
    """Takes torch.compile, in the process beside."""
    report = verify_against(f"{FILE}:Snake", SNAKE, params={"alpha": "1"})
    assert report.ok, report.table()
    assert "compiled_fp32" in {c.name for c in report.checks}


def test_the_alarm_is_not_about_the_tensor() -> None:
    """Code may write into what it is given."""

    def in_place(x: Tensor) -> Tensor:
        return x.tanh_()

    assert judge(in_place, "tanh(x)").ok


def test_reports_are_plain_data() -> None:
    found: Any = judge(strangers.where_sinc, "sin(x)/x").as_dict()
    assert json.loads(json.dumps(found, allow_nan=False))["counterexample"]["found"] == "nan"
