"""How fast are expressions with tanh, erf, sigmoid, exp and softplus? Against compiled GELU, and files emitted earlier.

python -m benchmarks.functions                                  # emitted now, compiled
python -m benchmarks.functions --emit before                    # writes the files into the folder, times nothing
python -m benchmarks.functions --against before --only TanhMix  # those of the folder beside them, in the same rounds
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.cases import GELU, TARGET_NUMEL
from benchmarks.tables import cpu_model, table
from benchmarks.timing import Case, fresh_compiler, interleave, prepare
from learnact import Declaration, emit, load
from learnact.importing import import_file

A, AB, ABC = ("a=1",), ("a=1", "b=1"), ("a=1", "b=1", "c=0.5")
EXPRESSIONS = {
    "TanhMix": ("a*tanh(b*x) + c*x + d", (*ABC, "d=0")),
    "MishPlain": ("mish(x)", ()),
    "GeluByTanh": ("gelu_tanh(x)", ()),
    "EluScaled": ("s*(x if x > 0 else a*expm1(x)) + d", ("s=1", "a=1", "d=0")),
    "SoftplusMix": ("a*softplus(b*x) + c*x", ABC),
    "SwishLearned": ("a*x*sigmoid(b*x)", AB),
    "ErfMix": ("a*erf(b*x) + c*x", ABC),
    "GeluLearned": ("a*gelu(b*x)", AB),
    "GeluPlain": ("gelu(x)", ()),
    "SigmoidMix": ("a*sigmoid(b*x) + c*x", ABC),
    "Bump": ("a*exp(-b*x**2) + c*x", ABC),
}
"""Class -> expression and parameters."""


def declaration(name: str) -> Declaration:
    """As a user would write it."""
    expr, params = EXPRESSIONS[name]
    return Declaration(expr=expr, params=params, name=name)


def cases(names: list[str], folder: Path | None, *, compiled: bool) -> list[Case]:
    """Each expression as emitted now and, from a folder, as emitted before."""
    found = []
    for name in names:
        if folder:
            module = import_file(folder / f"{name}.py", f"before_{name}")
            found.append(Case(f"{name} before", getattr(module, name), compiled))
        found.append(Case(name, load(declaration(name)), compiled))
    return found


def main() -> int:
    """Time what is asked for."""
    parser = argparse.ArgumentParser(description="Times of expressions, as ratios to compiled GELU.")
    parser.add_argument("--only", default=",".join(EXPRESSIONS), help="names, by comma")
    parser.add_argument("--against", type=Path, help="folder of files that --emit wrote before a change")
    parser.add_argument("--emit", type=Path, help="write the files there, and time nothing")
    parser.add_argument("--eager", action="store_true", help="not compiled")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := sorted({*names} - {*EXPRESSIONS}):
        parser.error(f"no expression {', '.join(unknown)}; there are {', '.join(EXPRESSIONS)}")
    if options.emit:
        options.emit.mkdir(parents=True, exist_ok=True)
        for name in names:
            (options.emit / f"{name}.py").write_text(emit(declaration(name)).text)
        return 0
    torch.set_num_threads(1)
    torch.manual_seed(0)
    fresh_compiler()
    x = torch.randn(TARGET_NUMEL // 3072, 3072)
    ready = [prepare(case, x) for case in (GELU, *cases(names, options.against, compiled=not options.eager))]
    interleave(ready, options.rounds)
    rows = [[p.case.name, *(f"{p.ratio(what, ready[0]):.2f}" for what in ("both", "forward"))] for p in ready]
    print(f"{cpu_model()}, one thread, float32, {x.numel():,} elements, ratios to compiled GELU\n")
    print(table(["", "forward and backward", "forward"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
