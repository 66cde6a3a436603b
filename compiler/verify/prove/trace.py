"""Runs an emitted file's own Python on tensors of expressions, and reads off what it computes for one element.

Nothing is taken from torch: `import torch` inside the file finds `library.torch_for`. Every element of x and of the
gradient that comes in is a symbol of its own, so a result that mixes elements is seen; results of different elements
that are the same expression are one identity.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import sympy as sp

from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import x
from learnact.compiler.verify.ledger import Broken, expect
from learnact.compiler.verify.load import ALLOWED_IMPORTS
from learnact.compiler.verify.prove import library, nodes
from learnact.compiler.verify.prove.library import Situation
from learnact.compiler.verify.prove.literals import Literals
from learnact.compiler.verify.prove.tensors import Tensor

G = sp.Symbol("grad", real=True)
"""The gradient that comes in."""

SITUATIONS = (
    Situation("eager"),
    Situation("eager, strided", contiguous=False),
    Situation("eager, differentiated twice", grad_mode=True),
    Situation("forward mode", forward_mode=True),
    Situation("compiled", compiling=True),
    Situation("compiled, by row", compiling=True, shape=(2, 2, 256)),
    Situation("per channel", shape=(2, 2), channels=2),
    Situation("compiled, per channel", compiling=True, shape=(2, 2), channels=2),
)
"""Each takes another path through the file."""

KERNELS = (
    Situation("Triton", cuda=True, shape=(3,)),
    Situation("Triton, per channel", cuda=True, shape=(3, 2), channels=2),
)
"""Besides, where the file has kernels: a whole tile, and one with a mask."""

LONG = 8
"""Elements of a row beyond which they share a symbol."""

TURNS = 2000
"""Of all `while` loops together, in one situation: those of emitted files halve a list."""

UNTRACED = ("STARTS", "moments")
"""Data of the file that no formula reads."""


@dataclass(frozen=True)
class Claim:
    """What a file computes under one name: `traced` should be what is declared."""

    what: str  # F, dF/dx, dF/d(parameter)
    by: sp.Symbol | None  # of a derivative
    traced: sp.Expr


@dataclass
class Tracer:
    """One emitted file, ready to be traced."""

    activation: Activation
    text: str
    literals: Literals
    stands_for: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    ascending: dict[tuple[sp.Symbol, ...], None] = field(default_factory=dict)  # parameters taken to be in order

    def __post_init__(self) -> None:
        """Parse the file and mark its literals."""
        tree = _Lift().visit(ast.parse(self.text))
        self.code = compile(ast.fix_missing_locations(tree), "<traced>", "exec", dont_inherit=True)

    @property
    def situations(self) -> tuple[Situation, ...]:
        """Those that this file tells apart."""
        found = SITUATIONS if self.activation.parameters else tuple(s for s in SITUATIONS if s.channels == 1)
        if "_forward_kernel" not in self.text:
            return found
        kernels = tuple(s for s in KERNELS if s.channels == 1 or self.activation.parameters)
        return (*found, *kernels)

    def namespace(self, situation: Situation) -> dict[str, Any]:
        """The names that the file defines, when it is executed with expressions for tensors."""
        kind = type("Tensor", (Tensor,), {"exact": staticmethod(self.literals), "situation": situation})
        modules = library.torch_for(kind, situation)

        def load(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> ModuleType:
            if name.partition(".")[0] == "torch":
                return modules[name]
            if name.partition(".")[0] not in ALLOWED_IMPORTS:
                raise ImportError(f"the file imports {name}, which an emitted file may not")
            return builtins.__import__(name, globals, locals, fromlist, level)

        space: dict[str, Any] = {"__name__": "traced", "__builtins__": {**vars(builtins), "__import__": load}}
        space["_exact"], turns = self.literals, itertools.count()
        space["_turn"] = lambda: expect(next(turns) < TURNS, f"a loop takes more than {TURNS} turns")
        exec(self.code, space)
        for name, meaning in self.stands_for.items():
            if name in space:
                space[name] = meaning
        if "_ascending" in self.stands_for and "_ascending" in space:
            space["_ascending"] = self._sorted
        if situation.cuda:
            _launchable(space, kind)
        return space

    def _sorted(self, keys: Any, *others: Any) -> list[Any]:
        """Sorting, of what is taken to be sorted: F does not change when lines of a maximum change places."""
        named = {s.name: s for s in self.activation.symbols}
        for column in keys.cells.reshape(len(keys), -1).T:
            self.ascending[tuple(named[s.name.partition(".")[0]] for s in column)] = None
        return [keys, *others]

    def claims(self, situation: Situation) -> list[Claim]:
        """All that the file computes here. Raises Broken where elements are mixed."""
        space = self.namespace(situation)
        kind = space["torch"].Tensor
        layout = Layout.of(situation, self.activation)
        at = kind(layout.x, dense=situation.contiguous)
        parameters = [kind(cells) for cells in layout.parameters]
        options = {"channel_dim": -1} if parameters else {}
        value = space[self.activation.names.slug](at, *parameters, **options)
        expect(value.shape == at.shape, f"shape {at.shape} in, {value.shape} out")
        found = [Claim("F", None, e) for e in layout.elements(value)]
        if situation.forward_mode:
            return found
        function, context, inputs = value.origin
        slope, *sums = _tuple(function.backward(context, kind(layout.grad)))
        expect(slope.shape == at.shape, f"the gradient of x of shape {at.shape} has shape {slope.shape}")
        found += [Claim("dF/dx", x, e) for e in layout.elements(slope)]
        return found + layout.gradients(inputs[1:], sums, self.activation)


def _tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


@dataclass
class Layout:
    """Symbols in the shapes of one situation."""

    x: Any
    grad: Any
    parameters: list[Any]
    canonical: list[dict[sp.Symbol, sp.Expr]]  # per element symbol: to the names of the declaration
    channel: list[int]  # of each element symbol
    count: list[int]  # how many elements have this symbol

    @classmethod
    def of(cls, situation: Situation, activation: Activation) -> Layout:
        """A symbol for every element, or for every row of long rows."""
        shape, channels = situation.shape, situation.channels
        lead = shape[:-1] if shape[-1] > LONG else shape
        places = np.arange(math.prod(lead)).reshape(lead)
        places = np.broadcast_to(places[..., None], shape) if lead != shape else places
        number = int(places.max()) + 1
        xs = [sp.Symbol(f"x.{k}", real=True) for k in range(number)]
        gs = [sp.Symbol(f"grad.{k}", real=True) for k in range(number)]
        own = [
            [s if channels == 1 else sp.Symbol(f"{s.name}.{c}", real=True) for c in range(channels)]
            for s in activation.symbols
        ]
        parameters, rest = [], iter(own)
        for vector in activation.parameters:
            rows = [next(rest) for _ in vector.symbols]
            cells = np.array([*rows, [None] * channels], dtype=object)[:-1]
            parameters.append(cells if channels > 1 else cells[:, 0])
        channel = [int(k % channels) for k in range(number)]
        canonical = [
            {xs[k]: x, gs[k]: G, **{row[channel[k]]: s for row, s in zip(own, activation.symbols, strict=True)}}
            for k in range(number)
        ]
        count = [int((places == k).sum()) for k in range(number)]
        return cls(
            np.array(xs, dtype=object)[places],
            np.array(gs, dtype=object)[places],
            parameters,
            canonical,
            channel,
            count,
        )

    def elements(self, result: Any) -> list[sp.Expr]:
        """The different expressions of a result of x's shape, in the declaration's symbols."""
        found: dict[sp.Expr, None] = {}
        pairs = dict.fromkeys(zip(self.x.reshape(-1), result.cells.reshape(-1), strict=True))
        for symbol, e in pairs:
            k = int(symbol.name.partition(".")[2])
            found[self._own(e, k)] = None
        return list(found)

    def _own(self, e: sp.Expr, k: int) -> sp.Expr:
        """Element k's expression in the declaration's symbols. Raises Broken if it depends on another element."""
        foreign = e.free_symbols - self.canonical[k].keys()
        expect(not foreign, f"element {k} depends on {', '.join(sorted(map(str, foreign)))} of another")
        return e.xreplace(self.canonical[k])

    def gradients(self, inputs: Sequence[Any], sums: Sequence[Any], activation: Activation) -> list[Claim]:
        """Gradients of all parameters, element by element: chained through what is computed of the parameters first."""
        found = []
        expect(len(sums) == len(inputs), f"{len(sums)} gradients for {len(inputs)} inputs")
        for given, back in zip(inputs, sums, strict=True):
            expect(given.shape == back.shape, f"gradient of shape {back.shape} for an input of shape {given.shape}")
        pairs = [(a, b) for i, s in zip(inputs, sums, strict=True)
                 for a, b in zip(i.cells.reshape(-1), s.cells.reshape(-1), strict=True)]  # fmt: skip
        for place, s in enumerate(activation.symbols):
            seen: dict[sp.Expr, None] = {}
            for c in sorted(set(self.channel)):
                symbol = self._symbol(place, c, activation)
                whole = sp.Add(*(b * sp.diff(a, symbol) for a, b in pairs if a.has(symbol)))
                for e in self._apart(whole, c):
                    seen[e] = None
            found += [Claim(f"dF/d{s.name}", s, e) for e in seen]
        return found

    def _symbol(self, place: int, c: int, activation: Activation) -> sp.Symbol:
        flat = [cells[k] for cells in self.parameters for k in range(len(cells))]
        entry = flat[place]
        return entry if isinstance(entry, sp.Symbol) else entry[c]

    def _apart(self, whole: sp.Expr, c: int) -> list[sp.Expr]:
        """A sum over all elements of a channel as the terms of each: linear in the gradients that come in."""
        grads = {g: k for k in range(len(self.canonical)) for g, to in self.canonical[k].items() if to is G}
        parts: dict[int, list[sp.Expr]] = {}
        for term in _terms(whole, set(grads)):
            mine = term.free_symbols & grads.keys()
            expect(len(mine) == 1, f"a term of a gradient has the factors {sorted(map(str, mine))}: {str(term)[:80]}")
            parts.setdefault(grads[mine.pop()], []).append(term)
        due = {k for k, own in enumerate(self.channel) if own == c}
        expect(parts.keys() <= due, "a gradient of one channel has terms of another")
        return list(dict.fromkeys(self._own(sp.Add(*parts.get(k, [])), k) / self.count[k] for k in sorted(due)))


def _terms(e: sp.Expr, grads: set[sp.Symbol]) -> list[sp.Expr]:
    """Terms that hold one of the gradients each, multiplied out only where that is needed."""
    if e == 0:
        return []
    if len(e.free_symbols & grads) <= 1:
        return [e]
    if e.is_Add:
        return [t for a in e.args for t in _terms(a, grads)]
    if e.is_Mul:
        mixed = [f for f in e.args if len(f.free_symbols & grads) > 1]
        if len(mixed) == 1:
            rest = e / mixed[0]
            return [rest * t for t in _terms(mixed[0], grads)]
    raise Broken(f"not a sum over elements: {str(e)[:100]}")


class _Lift(ast.NodeTransformer):
    """Every float literal of a formula asks for the exact number that it stands for."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, float):
            return ast.Call(ast.Name("_exact", ast.Load()), [node], [])
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        node.body.insert(0, ast.Expr(ast.Call(ast.Name("_turn", ast.Load()), [], [])))
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        names = {t.id for t in node.targets if isinstance(t, ast.Name)}
        return node if names & set(UNTRACED) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return node if isinstance(node.target, ast.Name) and node.target.id in UNTRACED else self.generic_visit(node)


def _launchable(space: dict[str, Any], kind: type[Tensor]) -> None:
    """Kernels run program by program, on tiles of two elements, several rows a program."""
    space["TILE_SIZES"] = dict.fromkeys(space["TILE_SIZES"], 2)
    space["PROGRAMS"] = 1

    class Launcher:
        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, grid: tuple[int, int]) -> Callable[..., None]:
            def launch(*arguments: Any, num_warps: int, enable_fp_fusion: bool, **constants: Any) -> None:
                given = [library.Pointer(a.cells.reshape(-1)) if isinstance(a, Tensor) else a for a in arguments]
                for program in itertools.product(*map(range, grid)):
                    space.update(library.language_for(kind, (program[0], program[1]), grid))
                    space[self.name](*given, **constants)

            return launch

    space.update(library.language_for(kind, (0, 0), (1, 1)))
    kernels = Launcher("_forward_kernel"), Launcher("_backward_kernel")
    space["_kernels"] = lambda: kernels


def _logistic(u: sp.Expr) -> sp.Expr:
    s = nodes.MEANING["sigmoid"](u)
    return s * (1 - s)


def _gelu(u: sp.Expr) -> sp.Expr:
    return u * (1 + sp.erf(u / sp.sqrt(2))) / 2


def _gelu_slope(u: sp.Expr) -> sp.Expr:
    return (1 + sp.erf(u / sp.sqrt(2))) / 2 + u * sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi)


def stand_ins() -> dict[str, Callable[..., Any]]:
    """Helpers of emitted files that are taken for what they stand for; `assumptions` tests each with numbers."""

    def both(t: Any) -> tuple[Any, Any]:
        return t.mapped(sp.sin), t.mapped(sp.cos)

    return {
        "_sin_and_cos": both,
        "_sin_and_cos_tile": both,
        "_tanh": lambda t: t.mapped(sp.tanh),
        "_sech2": lambda t, tanh=None: t.mapped(lambda u: 1 - sp.tanh(u) ** 2),
        "_sech2_tile": lambda t: t.mapped(lambda u: 1 - sp.tanh(u) ** 2),
        "_logistic": lambda t, sigmoid=None: t.mapped(_logistic),
        "_logistic_tile": lambda t: t.mapped(_logistic),
        "_softplus": lambda t: t.mapped(nodes.MEANING["softplus"]),
        "_sigmoid": lambda t: t.mapped(nodes.MEANING["sigmoid"]),
        "_raised_erf": lambda t: t.mapped(lambda u: 1 + sp.erf(u)),
        "_raised_erf_tile": lambda t: t.mapped(lambda u: 1 + sp.erf(u)),
        "_gelu": lambda t: t.mapped(_gelu),
        "_gelu_tile": lambda t: t.mapped(_gelu),
        "_gelu_slope": lambda t: t.mapped(_gelu_slope),
        "_gelu_slope_tile": lambda t: t.mapped(_gelu_slope),
        "_erf": lambda t: t.mapped(sp.erf),
        "_expm1": lambda t: t.mapped(nodes.MEANING["expm1"]),
        "_softplus_tile": lambda t: t.mapped(nodes.MEANING["softplus"]),
        "_ascending": lambda *tensors: list(tensors),
    }
