"""What is declared: a Family (all degrees) and an Activation (one degree of it).

Everything downstream is computed from these two frozen objects; nothing here knows how code is generated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Literal

import sympy as sp

from learnact.compiler.declare.basis import Basis, Feature, HingeFit, LinearFit, Values
from learnact.compiler.declare.constraints import Constraint, Fixed, Length, Positive
from learnact.compiler.declare.grid import Cells, Grid, cells_of
from learnact.compiler.declare.laws import Law, Normal
from learnact.compiler.declare.names import Names, check_parameter
from learnact.compiler.declare.shape import Shape
from learnact.compiler.declare.symbols import NOT_REAL, PLAIN, gain, put, shift, tilt, x
from learnact.errors import BadDeclaration, BadDegree, BadName, UnknownName, declared_code


@dataclass(frozen=True)
class Start:
    """A named initialization: parameter values as exact expressions, with the unknowns `gain` and `shift` to solve for.

    With F = gain (g + shift) the compiler solves E[F^2] = E[F'^2] = 1 for both; a start without them is kept as given.
    """

    values: Callable[[Any, Law], Values]  # (degree, law) -> {parameter: value or values}
    root: Literal["stable", "plus"] = "stable"  # of the two shifts: the smaller |q-slope|, or the larger shift
    note: str = ""  # one line on where it comes from
    fixed_scale: bool = False  # a start that must not be stretched to its input's scale: a gain alone, as a control
    shape: Shape | None = None  # further conditions, with `tilt` or `input_scale` in the values as a further unknown

    @property
    def unknowns(self) -> frozenset[sp.Symbol]:
        """The symbols that its values may hold."""
        return frozenset(PLAIN) if self.shape else frozenset({gain, shift})


@dataclass(frozen=True)
class Family:
    """A family of learnable activations for all degrees, as SymPy.

    `parameters` maps each name to its length: 1, or a function of the degree; or to a constraint, `Positive()`, or to
    `Fixed()` for a number that does not learn, which have a length too. `function(p, n)` is F at degree n as an
    expression in `x` and the parameters: `p.scale` is one symbol (length 1), `p.coefficients` a list of symbols. Starts
    and fits give the parameters' own values; what the module stores for a constrained one, `log_scale`, follows.
    `basis` or `grid`, if given, is a faster way to compute the same; the referee checks it against `function`. `fit`
    says how to fit gelu, relu, silu and tanh.
    """

    name: str  # an identifier; the SPEC begins with it
    title: str  # "Hermite polynomial": starts the generated docstring
    parameters: Mapping[str, Length | Constraint | Fixed]
    function: Callable[[SimpleNamespace, Any], sp.Expr]
    starts: Mapping[str, Start]  # the first one is the default
    degrees: range | None = range(1, 13)  # None: the family has no degree
    law: Law = field(default_factory=Normal)  # of x: N(0, 1)
    basis: Basis | None = None
    grid: Grid | None = None
    fit: LinearFit | HingeFit | None = None
    formula: str = ""  # "sum_k a_k He_k(x)/k!", for people
    domain: str = "all x"  # where it is meant to be used, and how it grows outside
    reference: str = ""  # the paper, as in "Author year, arXiv:..."

    def at(self, degree: int | None = None) -> Activation:
        """The activation of this degree; None for a family without one. Raises BadDegree."""
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


def constrained(name: str, constraint: Constraint) -> sp.Symbol:
    """The symbol of a constrained parameter's entry in `function`; SymPy knows that a positive one is positive."""
    lowest = constraint.above if isinstance(constraint, Positive) else constraint.low
    return sp.Symbol(name, positive=True) if lowest >= 0 else sp.Symbol(name, real=True)


@dataclass(frozen=True)
class ParameterVector:
    """One tensor of shape (length,), as the module stores it, and the declared parameter that it stands for.

    The two differ only under a constraint. It learns unless it is fixed.
    """

    name: str  # of the stored tensor
    symbols: tuple[sp.Symbol, ...]  # its entries
    scalar: bool  # whether `p` holds one symbol, not a list
    constraint: Constraint | None = None
    declared: str = ""  # the parameter's name in the declaration
    values: tuple[sp.Symbol, ...] = ()  # the parameter's entries there
    fixed: bool = False  # whether the module holds it as a buffer

    @property
    def meaning(self) -> dict[sp.Symbol, sp.Expr]:
        """Each of the parameter's entries as a function of what is stored; {} without a constraint."""
        if self.constraint is None:
            return {}
        return {v: self.constraint.value(s) for v, s in zip(self.values, self.symbols, strict=True)}

    @property
    def whole(self) -> sp.Expr | None:
        """The declared parameter, as a function of a symbol that is called like the stored tensor; None if it is it."""
        return self.constraint.value(sp.Symbol(self.name, real=True)) if self.constraint else None


@dataclass(frozen=True)
class Activation:
    """One activation: a family at one degree. Equal declarations give equal digests.

    Raises BadDeclaration where parts of the declaration contradict each other, BadName for a name that emitted code
    cannot carry.
    """

    family: Family
    degree: int | None
    class_name: str | None = None  # of the emitted module, in place of the derived one

    def __post_init__(self) -> None:
        for name in (*self.family.parameters, *(v.name for v in self.parameters)):
            check_parameter(name)
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

    def _check_symbols(self) -> None:
        """Parameters, features, function and class of the emitted code need different names."""
        names = [self.names.slug, self.names.cls]
        names += [s.name for s in self.symbols] + [f.symbol.name for f in self.features if f.symbol != x]
        names += [v.name for v in self.parameters if not v.scalar]
        names += [s.name for v in self.parameters if v.constraint for s in v.values]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadDeclaration(
                f"{self.names.spec}: {', '.join(twice)} names two things; rename a parameter or feature"
            )

    def _check_texts(self) -> None:
        """Texts are printed into docstrings and comments, and must not end them."""
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
        """SPEC, slug (file and function) and class name."""
        return Names.of(self.family.name, self.degree, self.class_name)

    @cached_property
    def parameters(self) -> tuple[ParameterVector, ...]:
        """The stored tensors in declared order. Raises BadDeclaration."""
        return tuple(self._vector(name, declared) for name, declared in self.family.parameters.items())

    def _vector(self, name: str, declared: Length | Constraint | Fixed) -> ParameterVector:
        constraint = declared if isinstance(declared, Constraint) else None
        fixed = isinstance(declared, Fixed)
        length = declared.length if isinstance(declared, Constraint | Fixed) else declared
        entries = length(self.degree or 0) if callable(length) else length
        if type(entries) is not int or entries < 1 or (entries > 1 and not callable(length)):
            raise BadDeclaration(
                f"{self.names.spec}: the parameter {name!r} has the length {entries!r}; declare 1, or a function "
                "of the degree that gives a whole number from 1 up"
            )

        def entry_names(vector: str) -> list[str]:
            return [f"{vector}_{k}" for k in range(entries)] if callable(length) else [vector]

        stored = f"{constraint.prefix}_{name}" if constraint else name
        known = {"positive": True} if fixed else {"real": True}
        symbols = tuple(sp.Symbol(entry, **known) for entry in entry_names(stored))
        values = tuple(constrained(entry, constraint) for entry in entry_names(name)) if constraint else symbols
        return ParameterVector(stored, symbols, not callable(length), constraint, name, values, fixed)

    @cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """The entries of all stored tensors, flat, in declared order."""
        return tuple(s for v in self.parameters for s in v.symbols)

    @property
    def namespace(self) -> SimpleNamespace:
        """The `p` of a declaration: parameter name -> list of symbols, or one symbol for length 1."""
        return SimpleNamespace(**{v.declared: v.values[0] if v.scalar else list(v.values) for v in self.parameters})

    @cached_property
    def written(self) -> sp.Expr:
        """F as the declaration writes it, in x and the parameters' own values."""
        return sp.sympify(self.family.function(self.namespace, self.degree), strict=True)

    @cached_property
    def meaning(self) -> dict[sp.Symbol, sp.Expr]:
        """Every constrained entry as a function of what is stored for it."""
        return {symbol: expr for v in self.parameters for symbol, expr in v.meaning.items()}

    @cached_property
    def formula(self) -> str:
        """F(x) for people, and what each constrained parameter is of what is stored."""
        ranges = [
            f"{v.declared} = {v.constraint.value(sp.Symbol(v.name, real=True))}"
            for v in self.parameters
            if v.constraint
        ]
        return ", ".join([self.family.formula or str(self.written), *ranges])

    @cached_property
    def function(self) -> sp.Expr:
        """F(x; stored tensors); derivation, emitted code and referee all refer to it."""
        return put(self.written, self.meaning)

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
            return tuple(
                put(sp.sympify(w), self.meaning) for w in self.family.basis.weights(self.namespace, self.degree)
            )

    @cached_property
    def argument(self) -> sp.Expr:
        """What the features are functions of, in x and the parameters: x itself unless the basis says otherwise.

        Raises BadDeclaration for an argument that is no multiple of x.
        """
        if not self.family.basis or not self.family.basis.argument:
            return x
        with declared_code(f"{self.names.spec}: the argument of the basis fails"):
            u = sp.sympify(self.family.basis.argument(self.namespace, self.degree))
        if u.diff(x).has(x) or (u / x).has(x):
            raise BadDeclaration(f"{self.names.spec}: the argument of a basis is a multiple of x, found {u}")
        return u

    @cached_property
    def grid(self) -> Cells | None:
        """The grid at this degree, in terms of what is stored; None without one. Raises BadDeclaration."""
        grid = self.family.grid
        if grid is None:
            return None
        lengths = [(v.declared, len(v.symbols)) for v in self.parameters]
        with declared_code(f"{self.names.spec}: the grid fails"):
            return cells_of(grid, self.namespace, self.degree, lengths, self.names.spec)

    def start(self, name: str) -> Start:
        """The declared start of this name. Raises UnknownName."""
        if name not in self.family.starts:
            raise UnknownName("start", name, self.family.starts)
        return self.family.starts[name]

    def assign(self, values: Values) -> dict[sp.Symbol, sp.Expr]:
        """Symbol -> value for `values` by name of the stored tensor. Raises BadDeclaration where they do not fit."""
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

    def stored(self, values: Values) -> dict[sp.Symbol, sp.Expr]:
        """Symbol -> stored value for `values` of the declared parameters; `gain` and `shift` may stand in them.

        Raises BadDeclaration where names or lengths do not fit, and for a value that a constraint forbids.
        """
        names = [v.declared for v in self.parameters]
        if set(values) != set(names):
            raise BadDeclaration(f"{self.names.spec}: values for {sorted(values)}, parameters are {names}")
        pairs = self.assign({v.name: values[v.declared] for v in self.parameters})
        for vector in self.parameters:
            for symbol, entry in zip(vector.symbols, vector.values, strict=True):
                if vector.constraint is not None:
                    pairs[symbol] = self._stored(entry, vector.constraint, pairs[symbol])
                elif vector.fixed and not put(pairs[symbol], PLAIN).is_positive:
                    raise BadDeclaration(
                        f"{self.names.spec}: {entry} is fixed and must be positive, found the value {pairs[symbol]}"
                    )
        return pairs

    def _stored(self, entry: sp.Symbol, constraint: Constraint, value: sp.Expr) -> sp.Expr:
        if value.has(shift, tilt) or (value.free_symbols & PLAIN.keys() and not constraint.scales):
            raise BadDeclaration(
                f"{self.names.spec}: {entry} is declared {constraint}, which the solved value {value} may leave; "
                "let gain and shift be part of a parameter without a range"
            )
        probe = put(value, PLAIN)
        if probe.is_number and not constraint.allows(probe):
            raise BadDeclaration(f"{self.names.spec}: {entry} is declared {constraint}, found the value {value}")
        return constraint.stored(value)

    @cached_property
    def scalable(self) -> frozenset[sp.Symbol]:
        """The parameters' entries, as F is written in them, that a positive factor cannot lead out of their range."""
        free = (v for v in self.parameters if v.constraint is None or v.constraint.scales)
        return frozenset(s for v in free for s in v.values)

    def scaled(
        self, values: Mapping[sp.Symbol, sp.Expr], factors: Mapping[sp.Symbol, sp.Expr]
    ) -> dict[sp.Symbol, sp.Expr]:
        """Stored values for parameters that are `factors` times (entry -> factor, else 1) those stored in `values`."""
        pairs = dict(values)
        for vector in self.parameters:
            for symbol, entry in zip(vector.symbols, vector.values, strict=True):
                if factors.get(entry, sp.S.One) == 1:
                    continue
                if vector.constraint is None:
                    pairs[symbol] = values[symbol] * factors[entry]
                else:
                    value = put(vector.constraint.value(symbol), {symbol: values[symbol]})
                    pairs[symbol] = vector.constraint.stored(value * factors[entry])
        return pairs

    def start_values(self, name: str, law: Law | None = None) -> dict[sp.Symbol, sp.Expr]:
        """Symbol -> value of the start `name` under `law` (default: the family's), with `gain` and `shift` as symbols.

        Raises UnknownName, and BadDeclaration for values that are not real, not finite or hold other symbols.
        """
        law, start = law or self.family.law, self.start(name)
        what = f"{self.names.spec}: the start {name!r}"
        with declared_code(f"{what} fails under {law}"):
            values = self.stored(start.values(self.degree, law))
        for symbol, value in values.items():
            if value.has(*NOT_REAL):
                raise BadDeclaration(f"{what} makes {symbol} {value} under {law}; it must be real and finite")
            if unknown := value.free_symbols - law.parameter.free_symbols - start.unknowns:
                names = ", ".join(sorted(map(str, unknown)))
                raise BadDeclaration(f"{what} makes {symbol} depend on {names}; only gain and shift are solved")
        return values

    def at_start(self, name: str, law: Law | None = None) -> sp.Expr:
        """F at `start_values(name, law)`: an expression in x, `gain` and `shift`. Raises as `start_values`."""
        return put(self.function, self.start_values(name, law))

    @cached_property
    def canonical(self) -> str:
        """The whole declaration as text, equal exactly when the declaration is; digests are taken of it."""
        lines = [self.names.spec, self.names.cls, self.family.title, self.family.formula, self.family.domain]
        lines += [self.family.reference, str(self.family.law)]
        lines += [f"{v.name} {len(v.symbols)} {v.scalar}{' fixed' * v.fixed}" for v in self.parameters]
        lines += [f"{symbol} is {sp.srepr(expr)}" for symbol, expr in self.meaning.items()]
        lines.append(sp.srepr(self.function))
        lines += [f"{f.symbol} {sp.srepr(f.value)} {sp.srepr(f.slope)} {f.weighted}" for f in self.features]
        lines += [sp.srepr(w) for w in self.weights]
        lines += [f"basis of {sp.srepr(self.argument)}"] if self.argument != x else []
        lines += [self.grid.canonical] if self.grid else []
        for name, start in self.family.starts.items():
            values = self.start_values(name)
            fixed = " fixed" if start.fixed_scale else ""
            fixed += f" {start.shape.canonical}" if start.shape else ""
            lines.append(f"{name} {start.root} {start.note} {[sp.srepr(v) for v in values.values()]}{fixed}")
        return "\n".join(lines)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical text, hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()
