"""Planted faults: each is a small edit of a really emitted file, and the check that is there for it must fail."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from thorough import thinned

from learnact.compiler.resolve.registry import resolve
from learnact.compiler.verify import Report, checks_compile, verify

Emitted = Callable[[str], Path]


@dataclass(frozen=True)
class Mutant:
    """Replace every occurrence of a text in the file emitted for a spec; this check must then fail."""

    check: str
    old: str
    new: str
    spec: str = "hermite:3"
    restamp: bool = True  # whether the header's digest is made to fit, as a buggy compiler's would


UPCAST = "torch.promote_types(first.dtype, torch.float32)"
SAVED = "x, *parameters = ctx.saved_tensors\n        if _use_feature_matrix"
ROW = "torch.addcmul(h1, h2, x, value=0.5, out=h3)"
PLAIN = "_Hermite3.forward(x, coefficients)"
F3 = "return a0 + a1 * x + a2 * h2 + a3 * h3"
FORWARD = "    def forward(self, x"
ROUND = "        if len(field) == 2:\n"
MORE = "self.more = nn.Buffer(torch.ones(1))"
VMAP = "generate_vmap_rule = True"
UPCAST_X = "arguments = _upcast(x,"
SUMS = "torch.stack([p.sum_to_size("
TRACED = "(2 * p if torch.compiler.is_compiling()"
TRACED_X = "if torch.compiler.is_compiling() else x,"
THIRD, THIRD_IN_SINGLE = "0.3333333333333333", "0.3333333432674408"

MUTANTS = {
    # the file as text
    "hand-edited body": Mutant("header", THIRD, "0.33333333333333331", restamp=False),
    "header of another spec": Mutant("header", "from hermite:3.", "from hermite:4."),
    "no inputs digest": Mutant("header", "#   inputs ", "#   input "),
    "foreign import": Mutant("imports", "import torch\n", "import os\n\nimport torch\n"),
    "syntax error": Mutant("imports", "class Hermite3(", "class Hermite3(("),
    "fails to load": Mutant("loads", "import torch\n", "import torch\n\nabsent\n"),
    # names, starts and what is claimed of them
    "degree attribute": Mutant("names", "    degree = 3\n", "    degree = 4\n"),
    "law attribute": Mutant("names", 'law = "Normal(0, 1)"', 'law = "Normal(0, 2)"'),
    "default start": Mutant("names", 'init: str = "balanced"', 'init: str = "paper"'),
    "parameter name": Mutant("names", "self.coefficients", "self.weights"),
    "fitted value": Mutant("starts", "24.10244972154241", "24.10245972154241", spec="fourier_free:4"),
    "start value": Mutant("starts", "            0.6324555320336759,", "            0.6324655320336759,"),
    "root of a start": Mutant("starts", "            0.57735026918962", "            -0.57735026918962"),
    "claimed moment": Mutant("moments", '"paper": (1.0, 1.0, 1.7', '"paper": (1.0, 1.0, 1.8'),
    "sampled moment": Mutant("monte_carlo", '"paper": (1.0, 1.0,', '"paper": (1.0, 1.1,'),
    # values
    "term dropped": Mutant("value_fp32", F3, F3.replace(" + a1 * x", "")),
    "last term dropped": Mutant("degree", ROW, "h3.zero_()"),
    "row of another feature": Mutant("value_fp64", ROW, ROW.replace("0.5", "0.25")),
    "constant in single precision": Mutant("value_fp64", THIRD, THIRD_IN_SINGLE),
    "no upcast of values": Mutant("value_bf16", UPCAST, "first.dtype"),
    "no upcast of slopes": Mutant("slope_fp16", UPCAST, "first.dtype"),
    "float32 returned for half": Mutant("value_bf16", "*parameters)).to(x.dtype)", "*parameters))"),
    "clamped far out": Mutant("large_x", "h2 = 0.5 * (x * x", "h2 = 0.5 * (x.clamp(-50.0, 50.0) * x"),
    "minimum for maximum": Mutant("value_fp64", "_best(torch.maximum", "_best(torch.minimum", spec="tropical:2"),
    # derivatives
    "sign in the backward": Mutant("slope_fp64", "slope = a1 + a2 * x", "slope = a1 - a2 * x"),
    "sign against differences": Mutant("gradcheck", "(3, 2, -0.5)", "(3, 2, 0.5)"),
    "order of parameter gradients": Mutant(
        "parameter_gradients_fp64", "(grad, grad * x, grad * h2", "(grad, grad * h2, grad * x"
    ),
    "gradients summed in half": Mutant("parameter_gradients_fp32", "p.sum_to_size", "p.bfloat16().sum_to_size"),
    "cut from the second derivative": Mutant("gradgradcheck", "slope = a1 + a2 * x", "slope = a1 + a2.detach() * x"),
    "cut from nested derivatives": Mutant("second_derivatives", "slope = a1 + a2 * x", "slope = a1 + a2.detach() * x"),
    "no tangent of x": Mutant("forward_mode", PLAIN, PLAIN.replace("x,", "x.detach(),")),
    "no tangent of parameters": Mutant("forward_mode", PLAIN, PLAIN.replace("nts)", "nts.detach())")),
    "no second tangent": Mutant("second_derivatives", PLAIN, f"{PLAIN} + 0.5 * (x - x.detach()) ** 2"),
    "no vmap": Mutant("vmap", VMAP, VMAP.replace("True", "False")),
    "no per-sample gradients": Mutant("per_sample_gradients", VMAP, VMAP.replace("True", "False")),
    "slope of a row": Mutant("slope_fp64", "(3, 2, -0.5)", "(3, 2, 0.5)"),
    "scale of a row": Mutant("parameter_gradients_fp64", "(sums * weights.new_tensor(SCALES))", "sums"),
    # kinks
    "last of two tied pieces": Mutant(
        "ties", "(new - old).detach().sign_().relu_()", "1.0 - (old - new).detach().sign_().relu_()", spec="tropical:2"
    ),
    "last of all tied pieces": Mutant(
        "ties", ROUND, f"{ROUND}            rounds[-1] = [1.0 - _beats(*field)]\n", "tropical:2"
    ),
    "kink elsewhere in the slope": Mutant(
        "kinks", "(new - old).detach()", "(new - old - 0.001).detach()", spec="tropical:2"
    ),
    "NaN hidden": Mutant("nan", F3, f"return torch.nan_to_num({F3.removeprefix('return ')})"),
    # shapes and manners
    "flattened": Mutant("shapes", "y = torch.empty_like(x)", "y = torch.empty_like(x.flatten())"),
    "sums of one chunk": Mutant(
        "chunks", "totals = [sum(of_chunks) for", "totals = [of_chunks[0] for", spec="tropical:2"
    ),
    "sums of the last chunk": Mutant("chunks", "        sums += torch.mv", "        sums = torch.mv"),
    "ragged chunk": Mutant("chunks", "            matrix = matrix[:, : len(part)]\n", "            return\n"),
    "chunks out of order": Mutant("chunks", "torch.cat(parts)", "torch.cat(parts[::-1])", spec="tropical:2"),
    "device ignored": Mutant("names", "*shape, device=device,", "*shape,"),
    "products under autocast": Mutant(
        "autocast", "torch.mv(matrix.t(), weights, out=part)", "part.copy_((matrix.t() @ weights[:, None])[:, 0])"
    ),
    "gradients under autocast": Mutant(
        "autocast", "torch.mv(matrix, grad_part.to(matrix.dtype))", "matrix @ grad_part.to(matrix.dtype)"
    ),
    "channel_dim ignored": Mutant("channels", "shape[channel_dim] =", "shape[-1] ="),
    "needs a learning input": Mutant("frozen_parts", SAVED, f"assert ctx.needs_input_grad[0]\n        {SAVED}"),
    "integers accepted": Mutant("errors", "if not x.is_floating_point()", "if x.is_complex()"),
    "wrong exception": Mutant("errors", "raise TypeError", "raise RuntimeError"),
    "channels not counted": Mutant("errors", " or x.shape[channel_dim] != parameter.shape[1]", ""),
    "state without a name": Mutant("state_dict", "self.init = init\n", f"self.init = init\n        {MORE}\n"),
    "shared by copies": Mutant(
        "deepcopy", FORWARD, f"    def __deepcopy__(self, memo):\n        return self\n\n{FORWARD}"
    ),
    "incoming gradient written to": Mutant(
        "purity", "_chunks(parameters, x, grad)", "_chunks(parameters, x, grad.mul_(2.0).div_(2.0))"
    ),
    "input written to": Mutant("purity", "h2 = 0.5 * (x * x", "x.data.add_(0.0)\n    h2 = 0.5 * (x.mul_(1.0) * x"),
    # surroundings
    "mark of an activation": Mutant("names", "learnable_activation = True", "learnable = True"),
    "view returned": Mutant(
        "in_place",
        "torch.ops.aten._unsafe_view(torch.cat(parts), x.shape)",
        "torch.cat(parts).view(x.shape)",
        spec="tropical:2",
    ),
    "view of a whole tensor returned": Mutant("in_place", "return parts[0] if", "return parts[0].view(x.shape) if"),
    "input saved without its version": Mutant(
        "in_place", "ctx.save_for_backward(*inputs)", "ctx.save_for_backward(*(t.data for t in inputs))"
    ),
    "output shares memory with the input": Mutant("in_place", "y = torch.empty_like(x)", "y = x.detach()"),
    "first start put back": Mutant("reset_parameters", "STARTS[self.init].items()", "STARTS[self.starts[0]].items()"),
    "parameters put elsewhere": Mutant(
        "reset_parameters",
        "parameter.masked_fill_(entry == k, value)",
        "parameter.data = parameter.masked_fill(entry == k, value)",
    ),
    "parameters made anew": Mutant(
        "reset_parameters",
        "parameter = getattr(self, name)\n",
        "parameter = nn.Parameter(getattr(self, name).clone())\n            setattr(self, name, parameter)\n",
    ),
    "no symbolic tracing": Mutant("tracing", "isinstance(x, torch.fx.Proxy)", "isinstance(x, str)"),
    "traced with another axis": Mutant("tracing", '{"channel_dim": channel_dim}', "{}"),
    "no saving of traces": Mutant("tracing", "if torch.jit.is_tracing()", "if False"),
    "a trace of one size": Mutant(
        "tracing",
        "    if _leave_to_autograd():\n",
        "    x = x.expand(tuple(map(int, x.shape)))\n    if _leave_to_autograd():\n",
    ),
    "script without a word": Mutant("tracing", "use torch.compile or torch.export", "no"),
    "jagged tensors unknown": Mutant("jagged", "if x.is_nested:", "if x.is_complex():", spec="tropical:2"),
    "jagged numbers": Mutant("jagged", "function(x.values(),", "function(2.0 * x.values(),"),
    "jagged channels": Mutant("jagged", "channel_dim=dim - 1", "channel_dim=-1 if dim == 2 else dim - 1"),
    "channels along a ragged dimension": Mutant("jagged", " or dim == x._ragged_idx", " or x.is_complex()"),
    "random numbers drawn": Mutant("purity", "h2 = 0.5 * (x", "torch.rand(1)\n    h2 = 0.5 * (x"),
    # what only compiled modules run
    "sign of a compiled sine": Mutant("traced", "_materialize(sign * sin)", "_materialize(-sign * sin)", "fourier:3"),
    "sums of rows": Mutant("traced", "rows.flatten(0, -2).sum(0)", "rows.flatten(0, -2).mean(0)"),
    "sums of short rows": Mutant("traced", SUMS, f"torch.stack([{TRACED} else p).sum_to_size("),
    "another row's x": Mutant("traced", "_depend_on_row(_materialize(x), x)", "_depend_on_row(x.flip(0), x)"),
    "last of two tied pieces, compiled": Mutant(
        "traced", "return new > old if", "return new >= old if", spec="tropical:2"
    ),
}


def stamped(source: str) -> str:
    """The text with a header digest that fits its body."""
    lines = source.splitlines(keepends=True)
    length = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    digest = hashlib.sha256("".join(lines[length:]).encode()).hexdigest()[:16]
    header, count = re.subn(r"(#\s+body\s+sha256:)[0-9a-f]{16}", rf"\g<1>{digest}", "".join(lines[:length]))
    assert count == 1
    return header + "".join(lines[length:])


def planted(mutant: Mutant, emitted_file: Emitted, folder: Path) -> Path:
    """Write the mutant beside nothing else. Fails if the text to replace does not occur: then it tests nothing."""
    original = emitted_file(mutant.spec)
    source = original.read_text()
    assert mutant.old in source, f"{original.name} no longer holds {mutant.old!r}: the mutant must be written anew"
    changed = source.replace(mutant.old, mutant.new)
    assert changed != source
    path = folder / original.name
    path.write_text(stamped(changed) if mutant.restamp else changed)
    return path


@pytest.fixture(scope="module")
def sound(emitted_file: Emitted) -> Callable[[str], Report]:
    """spec -> the report on the file as emitted."""
    return cache(lambda spec: verify(resolve(spec), emitted_file(spec), quick=True))


@pytest.mark.parametrize("spec", sorted({m.spec for m in MUTANTS.values()}))
def test_the_unmodified_file_passes(spec: str, sound: Callable[[str], Report]) -> None:
    report = sound(spec)
    assert report.ok, report.table()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_rejected(
    name: str, emitted_file: Emitted, sound: Callable[[str], Report], tmp_path: Path
) -> None:
    """The named check holds for the file as emitted, and fails for the mutant."""
    mutant = MUTANTS[name]
    path = planted(mutant, emitted_file, tmp_path)
    running = mutant.check not in ("header", "imports", "loads")
    report = verify(resolve(mutant.spec), path, quick=True, only=[mutant.check] if running else [])
    assert not report.ok
    assert mutant.check in report.failed, report.table()
    assert mutant.check in {c.name for c in sound(mutant.spec).checks if c.passed}


def test_another_degree_under_this_name_is_rejected(emitted_file: Emitted, tmp_path: Path) -> None:
    """Degree 4 compiled, and every name in it changed to degree 3's."""
    source = emitted_file("hermite:4").read_text()
    path = tmp_path / "hermite3.py"
    changes = {"hermite4": "hermite3", "Hermite4": "Hermite3", "hermite:4": "hermite:3", "degree = 4": "degree = 3"}
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    path.write_text(stamped(source))
    report = verify(resolve("hermite:3"), path, quick=True)
    assert {"names", "degree"} <= set(report.failed)
    assert "header" not in report.failed


def test_a_foreign_import_is_never_executed(emitted_file: Emitted, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    new = f"import pathlib\n\nimport torch\n\npathlib.Path({str(mark)!r}).touch()\n"
    path = planted(Mutant("imports", "import torch\n", new), emitted_file, tmp_path)
    report = verify(resolve("hermite:3"), path, quick=True)
    assert report.failed == ("imports",)
    assert not mark.exists()
    assert "value_fp64" in {s.name for s in report.skipped}


COMPILED = {
    "forward mode in the traced function": Mutant(
        "compile", "_Hermite3 if torch.compiler.is_compiling() else _Hermite3Eager", "_Hermite3Eager"
    ),
    "arguments that cannot be counted": Mutant(
        "compile",
        "def forward(x, scale, offsets):\n        arguments = _upcast(x, scale, offsets)",
        "def forward(x, *parameters):\n        arguments = _upcast(x, *parameters)",
        spec="tropical:2",
    ),
    "sums of rows": Mutant("compile", "rows.flatten(0, -2).sum(0)", "rows.flatten(0, -2).mean(0)"),
    "sums of short rows": Mutant(
        "compile", "p.sum_to_size(parameter.shape[1:])", "p[:1].sum_to_size(parameter.shape[1:])"
    ),
    "sums of three dimensions": Mutant("compile", SUMS, f"torch.stack([{TRACED} and p.dim() > 2 else p).sum_to_size("),
    "clamped": Mutant("compile", UPCAST_X, f"arguments = _upcast(x.clamp(-9, 9) {TRACED_X}"),
    "NaN hidden": Mutant("compile", UPCAST_X, f"arguments = _upcast(torch.nan_to_num(x) {TRACED_X}"),
    "infinity hidden": Mutant("compile", UPCAST_X, f"arguments = _upcast(x.clamp(-1e6, 1e6) {TRACED_X}"),
    "last of two tied pieces": Mutant("compile", "return new > old if", "return new >= old if", spec="tropical:2"),
    "second part of pi": Mutant("compile", "0.0009675025939941406", "0.0009674", spec="sinusoid"),
    "third part of pi": Mutant("compile", " - turns * 1.5099579897537296e-07", "", spec="sinusoid"),
}
"""torch.compile(fullgraph=True) fails: the first with gradients, the second without; the others compute wrongly."""


COMPILED_ALWAYS = (
    "forward mode in the traced function",
    "arguments that cannot be counted",
    "sums of rows",
    "last of two tied pieces",
    "second part of pi",
)
"""One of each kind; the others take a quarter of a minute more."""


@pytest.mark.parametrize("name", thinned(COMPILED, COMPILED_ALWAYS))
def test_a_file_that_fails_compiled_is_rejected(
    name: str, emitted_file: Emitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traced graph, which is wrong already, is run as it is: Inductor would take many seconds for each."""
    monkeypatch.setattr(checks_compile, "CASES", [replace(c, backend="aot_eager") for c in checks_compile.CASES])
    mutant = COMPILED[name]
    report = verify(resolve(mutant.spec), planted(mutant, emitted_file, tmp_path), only=["compile"])
    assert report.failed == ("compile",)
