"""Do the proofs notice a fault? Emitted files with one operator, number, name or comparison changed, by machine.

    python -m benchmarks.mutants --out benchmarks/results

Mutants are edits of the syntax tree of the functions that compute: forward, backward, the feature matrix, choices and
kernels. A mutant is caught if an identity fails; one that is still proved equals the declaration in exact arithmetic,
and is listed with its line. Exit status 1 if a mutant is neither: checked alone.
"""

from __future__ import annotations

import argparse
import ast
import copy
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.proofs import bare
from benchmarks.tables import provenance, save, table
from learnact.compiler.declare.spec import Activation
from learnact.compiler.emit import emit
from learnact.compiler.verify.prove import proofs

CASES = (
    ("hermite:3", "both", False),
    ("fourier:3", "both", False),
    ("fourier_free:2", "torch", True),
    ("tropical:3", "both", False),
    ("tropical_rational:1", "torch", True),
    ("sinusoid", "torch", False),
)
"""(SPEC, backend, lean)"""

EACH = 12
"""Mutants of a file."""

PLACES = (
    "_value", "_gradients", "_features", "_by_pieces", "_value_tile", "_gradients_tile", "_scaled", "_tournament",
    "_best", "_wins", "_select", "_beats", "_mask", "_leader", "_slope_weights", "_value_by_matrix",
    "_gradients_by_matrix", "_summed", "_sums", "_sin_and_cos", "_sin_and_cos_tile", "_grouped_tile", "forward",
    "backward",
)  # fmt: skip
"""Functions that compute what is declared."""

DATA = ("SCALES", "SLOPES")

OPERATORS: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult}
COMPARISONS: dict[type, type] = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.Gt, ast.LtE: ast.Lt}
COMPARISONS[ast.Eq] = ast.NotEq
SWAPS = {"maximum": "minimum", "minimum": "maximum", "sin": "cos", "cos": "sin", "_larger_tile": "_smaller_tile"}


@dataclass(frozen=True)
class Mutant:
    """A changed file."""

    spec: str
    form: str
    function: str  # where the change is
    change: str
    line: str  # the changed statement's first line
    source: str


def mutants(activation: Activation, source: str, form: str, count: int) -> Iterator[Mutant]:
    """So many mutants, chosen by a fixed seed, spread over the functions."""
    tree = ast.parse(source)
    sites = [(place, k) for place, root in _roots(tree) for k in range(len(_edits(root)))]
    random.Random(activation.names.spec + form).shuffle(sites)
    turn: dict[str, int] = {}
    ranked = []
    for place, k in sites:
        turn[place] = turn.get(place, 0) + 1
        ranked.append((turn[place], place, k))
    for _, place, k in sorted(ranked, key=lambda r: r[0])[:count]:
        copied = copy.deepcopy(tree)
        root = next(r for p, r in _roots(copied) if p == place)
        change, node, apply = _edits(root)[k]
        apply()
        around = [s for s in ast.walk(root) if isinstance(s, ast.stmt) and any(n is node for n in ast.walk(s))]
        statement = around[-1]  # ast.walk meets outer statements first
        line = ast.unparse(statement).splitlines()[0][:120]
        yield Mutant(activation.names.spec, form, place, change, line, ast.unparse(copied))


def _roots(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in PLACES:
            found.append((node.name, node))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in DATA:
            found.append((node.targets[0].id, node))
        elif isinstance(node, ast.ClassDef) and node.name.startswith("_") and "Triton" not in node.name:
            inner = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name in PLACES]
            found += [(f"{node.name}.{f.name}", f) for f in inner]
    return found


def _edits(root: ast.AST) -> list[tuple[str, ast.AST, Callable[[], None]]]:
    """(what changes, the node, how to change it) of all edits below the root, in order."""
    names = sorted({n.id for n in ast.walk(root) if isinstance(n, ast.Name) and n.id[-1:].isdigit()})
    found: list[tuple[str, ast.AST, Callable[[], None]]] = []
    for node in ast.walk(root):
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            new = OPERATORS[type(node.op)]
            found.append((f"{type(node.op).__name__} to {new.__name__}", node, _set(node, "op", new())))
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            new = COMPARISONS[type(node.ops[0])]
            found.append((f"{type(node.ops[0]).__name__} to {new.__name__}", node, _set(node, "ops", [new()])))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found.append(("USub to UAdd", node, _set(node, "op", ast.UAdd())))
        elif isinstance(node, ast.Constant) and type(node.value) is float:
            next_up, double = math.nextafter(node.value, math.inf), 2 * node.value + (node.value == 0)
            if node.value:  # the smallest number beside 0 shows nowhere
                found.append((f"{node.value!r} to {next_up!r}", node, _set(node, "value", next_up)))
            found.append((f"{node.value!r} to {double!r}", node, _set(node, "value", double)))
        elif isinstance(node, ast.Attribute) and node.attr in SWAPS:
            found.append((f"{node.attr} to {SWAPS[node.attr]}", node, _set(node, "attr", SWAPS[node.attr])))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names and len(names) > 1:
            other = names[(names.index(node.id) + 1) % len(names)]
            found.append((f"{node.id} to {other}", node, _set(node, "id", other)))
    return found


def _set(node: ast.AST, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, name, value)


def judged(mutant: Mutant) -> tuple[str, str]:
    """(caught, proved, within bound or checked; the failed identity, or what is only checked)."""
    activation = bare(mutant.spec)
    loose = ""
    for identity in proofs(activation, mutant.source, seconds=10.0):
        if identity.verdict == "failed":
            return "caught", f"{identity.what} ({identity.situations[0]})"
        if identity.verdict == "checked" and not identity.what.startswith("_"):
            loose = f"{identity.what} ({identity.situations[0]}): {identity.detail}"
    if loose:
        return "checked", loose
    return ("within bound" if mutant.function.startswith("_sin_and_cos") else "proved"), ""


def main() -> int:
    """Make and judge the mutants; 0 if each is caught, or proved equal."""
    parser = argparse.ArgumentParser(description="Emitted files with one planted fault each, and what the proofs say.")
    parser.add_argument("--count", type=int, default=EACH, help="mutants of a file")
    parser.add_argument("--out", type=Path, help="folder for mutants.json and mutants.md (default: none are written)")
    options = parser.parse_args()
    rows = []
    for spec, backend, lean in CASES:
        activation, form = bare(spec), "lean" if lean else backend
        source = emit(activation, backend=backend, lean=lean).text
        for mutant in mutants(activation, source, form, options.count):
            verdict, by = judged(mutant)
            row = {k: v for k, v in asdict(mutant).items() if k != "source"} | {"verdict": verdict, "by": by}
            rows.append(row)
            if verdict != "caught":
                print(
                    f"{spec} {form} {mutant.function}: {mutant.change}: {verdict} {by}\n    {mutant.line}",
                    file=sys.stderr,
                )
    caught = [r for r in rows if r["verdict"] == "caught"]
    left = [r for r in rows if r["verdict"] != "caught"]
    head = ["activation", "form", "mutants", "caught"]
    cells = []
    for spec, form in dict.fromkeys((r["spec"], r["form"]) for r in rows):
        own = [r for r in rows if (r["spec"], r["form"]) == (spec, form)]
        cells.append([spec, form, len(own), sum(r["verdict"] == "caught" for r in own)])
    columns = ("spec", "form", "function", "change", "verdict")
    lines = [[*(r[k] for k in columns), f"`{r['line']}`"] for r in left]
    survivors = table([*columns, "statement"], lines)
    text = f"{table(head, cells)}\n\n{len(caught)} of {len(rows)} caught.\n\n{survivors if left else 'None survives.'}"
    print(text)
    if options.out:
        save(options.out / "mutants.json", {**provenance(), "rows": rows})
        (options.out / "mutants.md").write_text(f"# Mutants of emitted files\n\n{INTRODUCTION}\n\n{text}\n")
    return int(any(r["verdict"] == "checked" for r in rows))


INTRODUCTION = """\
Written by `python -m benchmarks.mutants --count 50 --out benchmarks/results`: emitted files with one edit of their
syntax tree. Caught: an identity fails. Proved: the file still equals the declaration in exact arithmetic, in every
situation that is traced; within bound: a helper's approximation changed by less than it is allowed. Each survivor is
listed:

- In `_summed` and `_value_by_matrix` the edit chooses another order of the same sum, a matter of speed.
- In `_tournament`, `_best` and `_select` it shows with other numbers of lines only: 2 n is 2 + n for n = 2, and a loop
  or a branch for more than two lines is not entered with two.
- In `_sin_and_cos` and its tile it moves a coefficient by less than the bound, or a limit on the reduced argument,
  which no |x| < 25,000 reaches."""

if __name__ == "__main__":
    sys.exit(main())
