"""What is declared: a Family (all degrees) and an Activation (one degree of it).

Everything downstream is computed from these two frozen objects; nothing here knows how code is generated.
"""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Literal

import sympy as sp

from learnact.compiler.errors import BadDeclaration, BadDegree, BadName, UnknownName, declared_code
from learnact.compiler.laws import Law, Normal

x = sp.Symbol("x", real=True)
"""The input. Every declaration is an expression in this symbol and in the parameters' symbols."""

gain = sp.Symbol("gain", positive=True)
shift = sp.Symbol("shift", real=True)
"""Unknowns of a start: write F = gain * (g + shift) and the compiler solves E[F^2] = E[F'^2] = 1."""

NOT_REAL = (sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I)
"""What no activation and no parameter value may hold."""

Values = Mapping[str, "sp.Expr | Sequence[sp.Expr]"]


@dataclass(frozen=True)
class Start:
    """A named initial shape: parameter values as exact expressions, which may hold `gain` and `shift`."""

    values: Callable[[Any, Law], Values]  # (degree, law) -> {parameter: value or values}
    root: Literal["stable", "plus"] = "stable"  # of the two shifts: the smaller |q-slope|, or the larger shift
    note: str = ""  # one line on where it comes from


@dataclass(frozen=True)
class Feature:
    """One element-wise quantity of a straight-line program: how to get it and its slope from earlier ones."""

    symbol: sp.Symbol  # its name in the emitted code and in later features
    value: sp.Expr  # in x and the symbols of earlier features
    slope: sp.Expr  # d value / d x in x, any features' symbols and earlier features' slope symbols
    weighted: bool = True  # False: a stepping stone that carries no weight of its own

    @property
    def slope_symbol(self) -> sp.Symbol:
        """How later features' slopes refer to this one's slope."""
        return slope_of(self.symbol)


def slope_of(symbol: sp.Symbol) -> sp.Symbol:
    """The symbol that stands for d symbol / d x."""
    return sp.Symbol(f"{symbol.name}_slope", real=True)


@dataclass(frozen=True)
class Basis:
    """F = sum of weights times features, with the features as a straight-line program (a recurrence, say)."""

    features: Callable[[Any], tuple[Feature, ...]]  # degree -> features, in order of evaluation
    weights: Callable[[SimpleNamespace, Any], Sequence[sp.Expr]]  # (parameters, degree) -> one per weighted feature


@dataclass(frozen=True)
class LinearFit:
    """How to fit a classical function by linear least squares: what is linear, and how the solution is stored."""

    features: Callable[[Any, Law], Sequence[sp.Expr]]  # (degree, law) -> expressions in x alone
    values: Callable[[Any, Law, Sequence[sp.Expr]], Values]  # (degree, law, solution) -> parameter values


@dataclass(frozen=True)
class HingeFit:
    """How to fit by a difference of two convex piecewise-linear functions with free knots.

    F(x) = level + tilt * x + sum_i rise_i relu(x - up_i) - sum_j fall_j relu(x - down_j), all rise, fall > 0.
    """

    knots: Callable[[Any], tuple[int, int]]  # degree -> (number of upward knots, of downward knots)
    values: Callable[..., Values]  # (degree, level, tilt, ups, rises, downs, falls) -> parameter values


@dataclass(frozen=True)
class Family:
    """A family of learnable activations for all degrees, as SymPy.

    `function(p, n)` is the truth: the activation as an explicit expression in `x` and the parameters, where
    `p.coefficients` is a list of symbols (a length given by a callable) or `p.scale` one symbol (length 1).
    `basis`, if given, is a faster way to compute the same; it is checked against `function`, never trusted.
    """

    name: str
    title: str  # "Hermite polynomial": starts the generated docstring
    parameters: Mapping[str, Callable[[int], int] | Literal[1]]
    function: Callable[[SimpleNamespace, Any], sp.Expr]
    starts: Mapping[str, Start]  # the first one is the default
    degrees: range | None = range(1, 13)  # None: the family has no degree
    law: Law = field(default_factory=Normal)
    basis: Basis | None = None
    fit: LinearFit | HingeFit | None = None
    formula: str = ""  # "sum_k a_k He_k(x)/k!", for people
    domain: str = "all x"  # where it is meant to be used, and how it grows outside
    reference: str = ""

    def at(self, degree: int | None = None) -> Activation:
        """The activation of this degree. Raises BadDegree."""
        if self.degrees is None:
            if degree is not None:
                raise BadDegree(f"{self.name} has no degree, found {degree}; write {self.name!r}")
        elif degree is None:
            raise BadDegree(f"{self.name} needs a degree, none found; write e.g. '{self.name}:{self.degrees[-1] // 2}'")
        elif degree not in self.degrees:
            raise BadDegree(
                f"{self.name} is declared for degrees {self.degrees[0]} to {self.degrees[-1]}, found {degree}"
            )
        return Activation(self, degree)


@dataclass(frozen=True)
class ParameterVector:
    """One learnable tensor: its name, its entries' symbols, and whether the declaration sees a bare symbol."""

    name: str
    symbols: tuple[sp.Symbol, ...]
    scalar: bool


@dataclass(frozen=True)
class Names:
    """Every name that one activation carries; the only place where names are made."""

    spec: str  # hermite:5
    slug: str  # hermite5: the file, the function and the test id
    cls: str  # Hermite5

    @classmethod
    def of(cls, family: str, degree: int | None, class_name: str | None = None) -> Names:
        """Names of `family:degree`; `class_name` replaces the derived class name. Raises BadName."""
        spec = family if degree is None else f"{family}:{degree}"
        if class_name is None:
            slug = family if degree is None else f"{family}{degree}"
            name = "".join(part[:1].upper() + part[1:] for part in family.split("_"))
            class_name = name if degree is None else f"{name}{degree}"
        else:
            check_identifier(class_name, "class name")
            slug = snake_case(class_name)
        for made, what in ((slug, "name"), (class_name, "class name")):
            check_identifier(made, what)
            if hasattr(builtins, made):
                raise BadName(f"the {what} {made!r} would hide Python's own; choose another")
        if slug == class_name:
            raise BadName(f"the class name {class_name!r} must differ from its function's; begin it with a capital")
        return cls(spec, slug, class_name)


def snake_case(name: str) -> str:
    """TanhMix -> tanh_mix, Hermite5 -> hermite5."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


RESERVED = frozenset({"x", "torch", "nn", "Tensor", "self", "gain", "shift", "init", "degree", "law", "starts"})
RESERVED |= {"moments", "spec", "channel_dim", "num_parameters", "device", "dtype", "forward", "training", "grad"}
RESERVED |= {
    "STARTS",
    "BLOCK",
    "ROW",
    "PROBE",
    "SCALES",
    "SLOPES",
    "function",
    "parameters",
    "pi",
    "ctx",
    "value",
    "slope",
    "abs",
    "max",
    "min",
    "float",
    "len",
    "tuple",
}


def check_identifier(name: str, what: str) -> str:
    """Return `name` if emitted code can carry it. Raises BadName."""
    if not name.isidentifier() or not name.isascii():
        raise BadName(f"the {what} {name!r} is no Python identifier; use letters, digits and underscores")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise BadName(f"the {what} {name!r} is a Python keyword; choose another")
    if name in RESERVED or name.startswith("_") or name.endswith("_"):
        raise BadName(f"the {what} {name!r} is taken by the emitted module; choose another")
    return name


@dataclass(frozen=True)
class Activation:
    """One activation: a family at one degree. Equal declarations give equal digests."""

    family: Family
    degree: int | None
    class_name: str | None = None

    def __post_init__(self) -> None:
        for name in self.family.parameters:
            check_identifier(name, "parameter")
            if hasattr_of_module(name):
                raise BadName(f"the parameter {name!r} would hide torch.nn.Module.{name}; choose another")
        extra = self.function.free_symbols - {x} - {s for v in self.parameters for s in v.symbols}
        if extra:
            raise BadDeclaration(f"{self.names.spec}: unknown symbols {sorted(map(str, extra))} in the function")
        if not self.family.starts:
            raise BadDeclaration(f"{self.names.spec}: no start is declared")
        for name in self.family.starts:
            if not name.isidentifier():
                raise BadName(
                    f"{self.names.spec}: the start {name!r} is no identifier; use letters, digits, underscores"
                )
        self._check_symbols()
        self._check_texts()
        from learnact.compiler.sound import check  # noqa: PLC0415  (it needs lowering, which needs this module)

        check(self)

    def _check_symbols(self) -> None:
        """No two quantities of the emitted code may carry one name."""
        names = [s.name for s in self.symbols] + [f.symbol.name for f in self.features if f.symbol != x]
        names += [v.name for v in self.parameters if not v.scalar]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadDeclaration(
                f"{self.names.spec}: {', '.join(twice)} names two things; rename a parameter or feature"
            )

    def _check_texts(self) -> None:
        """What goes into docstrings and comments must not end them."""
        family = self.family
        texts = [
            family.title,
            family.formula,
            family.domain,
            family.reference,
            *(s.note for s in family.starts.values()),
        ]
        for text in texts:
            if '"""' in text or "\\" in text or not text.isprintable():
                raise BadDeclaration(
                    f"{self.names.spec}: no line break, backslash or triple quote may stand in {text!r}; rewrite it"
                )

    @cached_property
    def names(self) -> Names:
        """Spec, file, class and function name."""
        return Names.of(self.family.name, self.degree, self.class_name)

    @cached_property
    def parameters(self) -> tuple[ParameterVector, ...]:
        """The learnable tensors in declared order. Raises BadDeclaration."""
        vectors = []
        for name, length in self.family.parameters.items():
            entries = length(self.degree or 0) if callable(length) else length
            if type(entries) is not int or entries < 1 or (entries > 1 and not callable(length)):
                raise BadDeclaration(
                    f"{self.names.spec}: the parameter {name!r} has the length {entries!r}; declare 1, or a function "
                    "of the degree that gives a whole number from 1 up"
                )
            if callable(length):
                symbols = tuple(sp.Symbol(f"{name}_{k}", real=True) for k in range(entries))
                vectors.append(ParameterVector(name, symbols, scalar=False))
            else:
                vectors.append(ParameterVector(name, (sp.Symbol(name, real=True),), scalar=True))
        return tuple(vectors)

    @cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """All parameters' symbols, flat, in declared order."""
        return tuple(s for v in self.parameters for s in v.symbols)

    @property
    def namespace(self) -> SimpleNamespace:
        """What a declaration's `p` is: lists of symbols, bare symbols for length 1."""
        return SimpleNamespace(**{v.name: v.symbols[0] if v.scalar else list(v.symbols) for v in self.parameters})

    @cached_property
    def function(self) -> sp.Expr:
        """F(x; parameters) as declared: the truth that everything is checked against."""
        return sp.sympify(self.family.function(self.namespace, self.degree), strict=True)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The straight-line program of the basis, or () without one."""
        return self.family.basis.features(self.degree) if self.family.basis else ()

    @cached_property
    def weights(self) -> tuple[sp.Expr, ...]:
        """One weight per weighted feature, or () without a basis."""
        if not self.family.basis:
            return ()
        with declared_code(f"{self.names.spec}: the weights of the basis fail"):
            return tuple(sp.sympify(w) for w in self.family.basis.weights(self.namespace, self.degree))

    def start(self, name: str) -> Start:
        """The declared start of this name. Raises UnknownName."""
        if name not in self.family.starts:
            raise UnknownName("start", name, self.family.starts)
        return self.family.starts[name]

    def assign(self, values: Values) -> dict[sp.Symbol, sp.Expr]:
        """Pair parameter values with symbols. Raises BadDeclaration when names or lengths do not fit."""
        if set(values) != {v.name for v in self.parameters}:
            raise BadDeclaration(
                f"{self.names.spec}: values for {sorted(values)}, parameters are {[v.name for v in self.parameters]}"
            )
        pairs: dict[sp.Symbol, sp.Expr] = {}
        for vector in self.parameters:
            given = values[vector.name]
            entries = [given] if vector.scalar and not isinstance(given, (list, tuple)) else list(given)
            if len(entries) != len(vector.symbols):
                raise BadDeclaration(
                    f"{self.names.spec}: {vector.name} takes {len(vector.symbols)} values, found {len(entries)}"
                )
            pairs |= {s: sp.sympify(e) for s, e in zip(vector.symbols, entries, strict=True)}
        return pairs

    def start_values(self, name: str, law: Law | None = None) -> dict[sp.Symbol, sp.Expr]:
        """The named start's declared values, gain and shift still unknown. Raises UnknownName, BadDeclaration."""
        law, start = law or self.family.law, self.start(name)
        what = f"{self.names.spec}: the start {name!r}"
        with declared_code(f"{what} fails under {law}"):
            values = self.assign(start.values(self.degree, law))
        for symbol, value in values.items():
            if value.has(*NOT_REAL):
                raise BadDeclaration(f"{what} makes {symbol} {value} under {law}; it must be real and finite")
            if unknown := value.free_symbols - law.parameter.free_symbols - {gain, shift}:
                names = ", ".join(sorted(map(str, unknown)))
                raise BadDeclaration(f"{what} makes {symbol} depend on {names}; only gain and shift are solved")
        return values

    def at_start(self, name: str, law: Law | None = None) -> sp.Expr:
        """F with the named start's declared values put in (gain and shift still unknown)."""
        return put(self.function, self.start_values(name, law))

    @cached_property
    def canonical(self) -> str:
        """A text that is equal exactly when the declaration is: what digests are taken of."""
        lines = [self.names.spec, self.names.cls, self.family.title, self.family.formula, self.family.domain]
        lines += [self.family.reference, str(self.family.law)]
        lines += [f"{v.name} {len(v.symbols)} {v.scalar}" for v in self.parameters]
        lines.append(sp.srepr(self.function))
        lines += [f"{f.symbol} {sp.srepr(f.value)} {sp.srepr(f.slope)} {f.weighted}" for f in self.features]
        lines += [sp.srepr(w) for w in self.weights]
        for name, start in self.family.starts.items():
            values = self.start_values(name)
            lines.append(f"{name} {start.root} {start.note} {[sp.srepr(v) for v in values.values()]}")
        return "\n".join(lines)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical text, hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


MODULE_ATTRIBUTES = frozenset(
    "add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extra_repr "
    "float get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia "
    "named_buffers named_children named_modules named_parameters parameters register_buffer register_forward_hook "
    "register_module register_parameter requires_grad_ set_extra_state set_submodule share_memory state_dict to "
    "to_empty train type xpu zero_grad".split()
)
"""Public attributes of torch.nn.Module (the compiler does not import torch); a test keeps the list true."""


def hasattr_of_module(name: str) -> bool:
    """Whether a parameter of this name would hide an attribute of torch.nn.Module."""
    return name in MODULE_ATTRIBUTES


def put(expr: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """Put values in without letting Max and Min compare their arguments (seconds, with erfinv inside)."""
    if not expr.args or not expr.free_symbols & values.keys():
        return values.get(expr, expr)
    arguments = [put(e, values) for e in expr.args]
    if isinstance(expr, (sp.Max, sp.Min)):
        return expr.func(*arguments, evaluate=False)
    return expr.func(*arguments)


def tie_order(arguments: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> list[sp.Expr]:
    """Arguments of a Max in the order in which ties are decided: at a tie the first one's derivative counts.

    Arguments without parameters come first, then by the first parameter (in declared order) that occurs;
    so ReLU'(0) = 0, and a tropical polynomial takes the flatter of two tied pieces.
    """
    rank = {s: k for k, s in enumerate(symbols)}

    def key(e: sp.Expr) -> tuple[int, Any]:
        ranks = [rank[s] for s in e.free_symbols if s in rank]
        return min(ranks, default=-1), sp.default_sort_key(e)

    return sorted(arguments, key=key)
