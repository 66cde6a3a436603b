"""What ptxas makes of the generated kernels for sm_90: registers, spills, shared memory, instructions, access widths.

No GPU is needed, and nothing here says how fast the kernels are. Every module of generated/ is emitted with its
Triton kernels and compiled as the launcher would for a few tensors, by the ptxas that comes with triton:

    python benchmarks/registers.py [--only hermite:5]

`per element` counts the SASS instructions of the shortest way through the loop over whole tiles, that is without slow
paths for arguments that hardly occur, and divides by the elements that a thread takes per turn.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit import emit, write
from learnact.compiler.emit.plan import GENERATED
from learnact.compiler.lower import lower
from learnact.compiler.resolve.registry import resolve

ARCH = 90
RESULTS = Path(__file__).parent / "results" / "registers-sm90.md"
NOTE = """Compiled by the ptxas of the triton wheel, with what Triton knows of the arguments at launch; no GPU took part
and nothing here is a speed. Registers are a thread's, spills its bytes stored and loaded, shared memory a program's in
bytes. The last three columns are of the loop over whole tiles: SASS instructions per element on the shortest way
through it, without slow paths for arguments that hardly occur, and the number and width in bits of loads and stores.

Layers are (8191, 3073), so that no size helps; channels last are (8192, 768), channels first (64, 256, 56, 56).
Few odd rows are (4, 65, 7, 7), the worst case: too small for tiles that need no mask, so the masked loop is measured.
"""
POINTERS = {torch.float32: "*fp32", torch.float64: "*fp64", torch.bfloat16: "*bf16", torch.float16: "*fp16"}
INT32 = 2**31


@dataclass(frozen=True)
class Case:
    """A tensor that comes to the activation."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    channels: int = 1
    dim: int = -1

    @property
    def x(self) -> torch.Tensor:
        """Shape and strides, no memory."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")


CASES = (
    Case("layer fp32", torch.float32, (8191, 3073)),
    Case("layer bf16", torch.bfloat16, (8191, 3073)),
    Case("layer fp64", torch.float64, (8191, 3073)),
    Case("channels last fp32", torch.float32, (8192, 768), 768),
    Case("channels last bf16", torch.bfloat16, (8192, 768), 768),
    Case("channels first fp32", torch.float32, (64, 256, 56, 56), 256, 1),
    Case("few odd rows fp32", torch.float32, (4, 65, 7, 7), 65, 1),
)


@dataclass(frozen=True)
class Row:
    """One compiled kernel."""

    spec: str
    case: str
    kernel: str
    tile: int
    threads: int
    registers: int
    spills: int  # bytes stored and loaded, of a thread
    shared: int  # bytes, of a program
    per_element: float
    loads: str  # widths in bits in the loop over whole tiles
    stores: str


def compiled(module: ModuleType, case: Case, kernel: Any, tensors: list[torch.Tensor], walk: Any) -> Any:
    """Compile a kernel with what Triton would know of these arguments when it is launched."""
    numbers = (case.x.numel(), walk.channels, walk.inner, walk.width, walk.rows)
    wide = torch.float64 if case.dtype == torch.float64 else torch.float32
    constants = {"TILE": walk.tile, "GROUP": walk.group, "WHOLE": walk.whole}
    constants["WIDE"] = module.tl.float64 if wide == torch.float64 else module.tl.float32
    signature = {name: POINTERS[t.dtype] for name, t in zip(kernel.arg_names, tensors, strict=False)}
    divisible = [k for k in range(len(tensors))]
    for k, number in enumerate(numbers, start=len(tensors)):
        name = kernel.arg_names[k]
        signature[name] = "i32" if number < INT32 else "i64"
        if number == 1:
            constants[name], signature[name] = 1, "constexpr"
        elif number % 16 == 0:
            divisible.append(k)
    signature |= dict.fromkeys(("TILE", "GROUP", "WHOLE", "WIDE"), "constexpr")
    source = ASTSource(kernel, signature, constants, {(k,): [["tt.divisibility", 16]] for k in divisible})
    options = {"num_warps": module.WARPS, "enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget("cuda", ARCH, 32), options=options)


def rows(activation: Activation, folder: Path, cases: Sequence[Case] = CASES) -> Iterator[Row]:
    """All kernels of one activation."""
    module = imported(write(emit(activation, backend="triton"), folder, force=True))
    lengths = [len(i.entries) for i in lower(activation).inputs]
    for case in cases:
        walk, inputs = laid_out(module, case, lengths)
        sums = torch.empty(0, dtype=torch.promote_types(case.dtype, torch.float32), device="meta")
        arguments = {"forward": [case.x, *inputs, case.x], "backward": [case.x, case.x, *inputs, case.x, sums]}
        for kernel, (name, tensors) in zip(module._kernels(), arguments.items(), strict=True):
            binary = compiled(module, case, kernel, tensors, walk)
            yield Row(
                activation.names.spec, case.name, name, walk.tile, 32 * module.WARPS, *measured(binary, walk, module)
            )


def laid_out(module: ModuleType, case: Case, lengths: list[int]) -> tuple[Any, list[torch.Tensor]]:
    """The launcher's walk over the case's tensor, and the parameters that it would hand to the kernels."""
    along = [1] * len(case.shape)
    along[case.dim] = case.channels
    parameters = [torch.empty((length, *along)) for length in lengths]
    return module._walk(case.x, parameters), parameters


def measured(binary: Any, walk: Any, module: ModuleType) -> tuple[int, int, int, float, str, str]:
    """Registers, spills, shared memory, instructions per element, widths of loads and of stores."""
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        ptx.write_text(binary.asm["ptx"])
        command = [get_ptxas(ARCH).path, "-v", f"--gpu-name=sm_{ARCH}a", str(ptx), "-o", str(cubin)]
        log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        tool = Path(get_ptxas(ARCH).path).with_name("nvdisasm")
        sass = subprocess.run([tool, "-c", cubin], capture_output=True, text=True, check=True).stdout
    registers = int(re.search(r"Used (\d+) registers", log)[1])
    spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill", log))
    way = Loop(sass).way
    elements = walk.tile // (32 * module.WARPS)
    return (
        registers,
        spills,
        binary.metadata.shared,
        round(len(way) / elements, 1),
        widths("LDG", way),
        widths("STG", way),
    )


@dataclass(frozen=True)
class Instruction:
    """One SASS instruction, and where it may jump to."""

    text: str
    target: str | None  # a label

    @property
    def conditional(self) -> bool:
        """Whether the next one may follow."""
        return self.target is None or self.text.startswith("@") or not self.text.startswith("BRA `")


class Loop:
    """The first loop with loads, which goes over whole tiles: its body, and the shortest way through it."""

    def __init__(self, sass: str) -> None:
        labels: dict[str, int] = {}
        code: list[Instruction] = []
        for line in sass.splitlines():
            if label := re.match(r"\s*(\.L_x_\d+):", line):
                labels[label[1]] = len(code)
            elif found := re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
                jump = re.search(r"\bBRA\b.*`\((\.L_x_\d+)\)", found[1])
                code.append(Instruction(found[1], jump[1] if jump else None))
        loops = [(labels[i.target], k + 1) for k, i in enumerate(code) if i.target and labels[i.target] <= k]
        loops = [(a, b) for a, b in loops if any("LDG" in i.text for i in code[a:b])]
        if not loops:
            raise RuntimeError("found no loop with loads in the SASS")
        self.begin = min(loops)[0]
        self.end = max(b for a, b in loops if a == self.begin)
        self.labels, self.code = labels, code

    @property
    def way(self) -> list[str]:
        """The shortest way from the loop's head to its jump back."""
        before: dict[int, int] = {}
        cost = {self.begin: 1}
        for k in range(self.begin, self.end - 1):
            if k not in cost:
                continue
            i = self.code[k]
            after = [k + 1] if i.conditional else []
            after += [self.labels[i.target]] if i.target and self.labels[i.target] > k else []
            for n in after:
                if n < self.end and cost[k] + 1 < cost.get(n, sys.maxsize):
                    cost[n], before[n] = cost[k] + 1, k
        way = [self.end - 1]
        while way[-1] != self.begin:
            way.append(before[way[-1]])
        return [self.code[k].text for k in reversed(way)]


def widths(kind: str, way: list[str]) -> str:
    """How wide the loads or stores of a loop are, with their number: 2x128."""
    suffixes = [m[1] for line in way if (m := re.match(rf"(?:@\S+ )?{kind}(\S*)", line))]
    bits = [next((n for n in (128, 64, 16) if re.search(rf"\.U?{n}\b", s)), 32) for s in suffixes]
    return " ".join(f"{bits.count(b)}x{b}" for b in sorted(set(bits), reverse=True))


def imported(path: Path) -> ModuleType:
    """Import an emitted file by its path."""
    spec = importlib.util.spec_from_file_location(f"registers_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def report(found: list[Row]) -> str:
    """The table as text."""
    head = [f.name.replace("_", " ") for f in fields(Row)]
    body = [[str(value) for value in astuple(row)] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body]) + "\n"


def main() -> None:
    """Compile, print, and write the table unless only some were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="SPEC")
    asked = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder:
        found = [row for spec in asked or GENERATED for row in rows(resolve(spec), Path(folder))]
    print(report(found), end="")
    if not asked:
        versions = {"triton": triton.__version__, "date": datetime.date.today().isoformat()}
        page = f"# Generated kernels compiled for sm_90\n\n{NOTE}\ntriton {triton.__version__}, {versions['date']}\n\n"
        RESULTS.write_text(page + report(found))
        RESULTS.with_suffix(".json").write_text(
            json.dumps(versions | {"rows": [asdict(r) for r in found]}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
