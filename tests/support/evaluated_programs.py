"""Programs evaluated statement by statement at 40 digits, and the truth that they are held against.

The truth at a point is the declaration with every kinked node replaced by the branch that is active there, for
derivatives by the one that is active a hair to the left, differentiated by SymPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mpmath
import sympy as sp
from mpmath import mpf

from learnact.compiler.declare.kinks import (
    Floor,
    IndexOfLargest,
    IndexOfSmallest,
    Largest,
    Magnitude,
    RankedLargest,
    RankedSmallest,
    Select,
    Sign,
    Smallest,
    Step,
)
from learnact.compiler.declare.spec import Activation
from learnact.compiler.declare.symbols import tie_order, x
from learnact.compiler.lower import Block, Program

DIGITS = 40
CLOSE = mpf("1e-25")  # relative to 1 + |truth|: 40 digits less what a recurrence of degree 12 and large powers lose
HAIR = mpf("1e-20")  # arguments that tie differ here by as much times the difference of their slopes
TIED = mpf("1e-30")
Env = Mapping[sp.Symbol, mpf]


def first_ranked(args: Sequence[mpf], way: int) -> int:
    """The first index of the largest (way 1) or smallest (way -1) of the first half, of ties by the other half."""
    half = len(args) // 2
    keys = [(way * u, -way * slope) for u, slope in zip(args[:half], args[half:], strict=True)]
    return keys.index(max(keys))


FUNCTIONS: dict[str, Callable[..., mpf]] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    Floor.__name__: mpmath.floor,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "logistic": lambda u: mpmath.exp(-abs(u)) / (1 + mpmath.exp(-abs(u))) ** 2,
    "sech2": lambda u: mpmath.sech(u) ** 2,
    "raised_erf": lambda u: mpmath.erfc(-u),
    "gelu_value": lambda u: u * mpmath.ncdf(u),
    "gelu_slope": lambda u: mpmath.ncdf(u) + u * mpmath.npdf(u),
    Magnitude.__name__: abs,
    Sign.__name__: mpmath.sign,
    Step.__name__: lambda u, h: mpf(u > 0) if u != 0 else h,
    Largest.__name__: max,
    Smallest.__name__: min,
    IndexOfLargest.__name__: lambda *args: args.index(max(args)),
    IndexOfSmallest.__name__: lambda *args: args.index(min(args)),
    RankedLargest.__name__: lambda *args: first_ranked(args, 1),
    RankedSmallest.__name__: lambda *args: first_ranked(args, -1),
    Select.__name__: lambda winner, *entries: entries[int(winner)],
}


def computed(e: sp.Basic, env: Env) -> mpf | bool:
    """The value of an expression. Raises KeyError for a symbol without a value and for an unknown function."""
    if isinstance(e, sp.Symbol):
        return env[e]
    if e in (sp.true, sp.false):
        return bool(e)
    if isinstance(e, sp.Piecewise):
        return computed(next(value for value, condition in e.args if computed(condition, env)), env)
    if e.is_number:
        return mpf(sp.N(e, DIGITS))
    args = [computed(argument, env) for argument in e.args]
    match e:
        case sp.Add():
            return mpmath.fsum(args)
        case sp.Mul():
            return mpmath.fprod(args)
        case sp.Pow():
            return args[0] ** args[1]
        case sp.And():
            return all(args)
        case sp.Or():
            return any(args)
        case sp.Not():
            return not args[0]
        case sp.core.relational.Relational():
            return bool(e.func(*(sp.Float(v, DIGITS) for v in args)))
    return FUNCTIONS[e.func.__name__](*args)


def run(block: Block, env: Env) -> list[mpf]:
    """The results of a block, statement by statement."""
    known = dict(env)
    for statement in block.statements:
        assert statement.target not in known, f"{statement.target} is written twice"
        known[statement.target] = computed(statement.value, known)
        if statement.best is not None:
            known[statement.best] = computed(statement.value.best(*statement.value.fields), known)
    return [computed(e, known) for e in block.results]


def entries(program: Program, values: Sequence[mpf]) -> dict[sp.Symbol, mpf]:
    """Parameters' values, flat in declared order, as the entries of the program's inputs."""
    activation, env, place = program.activation, {}, 0
    vectors = {}
    for v in activation.parameters:
        vectors[v.name] = values[place : place + len(v.symbols)]
        place += len(v.symbols)
    for i in program.inputs:
        places = ascending(vectors[i.keys]) if i.keys else range(len(i.entries))
        for k, entry in zip(places, i.entries, strict=True):
            if i.value is None:
                env[entry] = vectors[i.name][k]
            else:
                at = {s: vectors[s.name][k] for s in i.value.free_symbols}
                env[entry] = computed(i.value, at) * (computed(i.factors[k], {}) if i.factors else 1)
    return env


def ascending(keys: Sequence[mpf]) -> list[int]:
    """Places of the keys, from the least on; of equal keys in their own order."""
    return sorted(range(len(keys)), key=lambda k: keys[k])


def program_at(program: Program, point: mpf, values: Sequence[mpf]) -> list[mpf]:
    """F, dF/dx and every dF/d(parameter); through the inputs, where those are functions of parameters."""
    env = entries(program, values) | {x: point}
    (value,), (slope, *partials) = run(program.forward, env), run(program.backward, env)
    at = dict(zip(program.activation.symbols, values, strict=True))
    gradients = {s: mpf(0) for s in program.activation.symbols}
    flat = iter(partials)
    for i in program.inputs:
        keys = next((v.symbols for v in program.activation.parameters if v.name == i.keys), i.entries)
        for k in ascending([at[s] for s in keys]) if i.keys else range(len(keys)):
            own = {
                sp.Symbol(v.name, real=True): v.symbols[k] for v in program.activation.parameters if k < len(v.symbols)
            }
            work = sp.Symbol(i.name, real=True) if i.value is None else i.value * (i.factors[k] if i.factors else 1)
            entry, partial = work.xreplace(own), next(flat)
            for s in entry.free_symbols:
                gradients[s] += partial * computed(sp.diff(entry, s), at)
    return [value, slope, *gradients.values()]


def number(e: sp.Expr, env: Env) -> sp.Expr:
    return sp.N(e.xreplace({s: sp.Float(v, DIGITS) for s, v in env.items()}), DIGITS)


def rounded(e: sp.Expr, env: Env) -> sp.Expr:
    """The number, 0 if it is one but for a slope of 0."""
    value = number(e, env)
    return value if abs(value) > TIED else sp.S.Zero


def branch(e: sp.Basic, env: Env, symbols: Sequence[sp.Symbol]) -> sp.Basic:
    """The expression with every kinked node replaced by what it is at this point; the first of tied arguments."""
    if isinstance(e, sp.Piecewise):
        for value, condition in e.args:
            if branch(condition, env, symbols) == sp.true:
                return branch(value, env, symbols)
    if isinstance(e, sp.core.relational.Relational):
        return e.func(rounded(branch(e.lhs, env, symbols) - branch(e.rhs, env, symbols), env), 0)
    if not e.args:
        return e
    if isinstance(e, (sp.Max, sp.Min)):
        pieces = [branch(u, env, symbols) for u in tie_order(e.args, symbols)]
        way = 1 if isinstance(e, sp.Max) else -1
        best = pieces[0]
        for other in pieces[1:]:
            best = other if way * rounded(other - best, env) > 0 else best
        return best
    args = [branch(u, env, symbols) for u in e.args]
    if isinstance(e, (sp.Abs, sp.sign, sp.Heaviside)):
        sign = sp.sign(rounded(args[0], env))
        if isinstance(e, sp.Abs):
            return sign * args[0]
        return sign if isinstance(e, sp.sign) else {1: sp.S.One, -1: sp.S.Zero, 0: e.args[1]}[sign]
    return e.func(*args)


def truth_at(activation: Activation, point: mpf, values: Sequence[mpf]) -> list[mpf]:
    """F, dF/dx and every dF/d(parameter)."""
    env = dict(zip((x, *activation.symbols), (point, *values), strict=True))
    here = branch(activation.function, env, activation.symbols)
    left = branch(activation.function, env | {x: point - HAIR}, activation.symbols)
    return [mpf(number(e, env)) for e in (here, *(sp.diff(left, s) for s in env))]


def assert_equal(program: Program, point: mpf, values: Sequence[mpf]) -> None:
    names = ["F", "x", *map(str, program.activation.symbols)]
    found, known = program_at(program, point, values), truth_at(program.activation, point, values)
    for name, wrong, right in zip(names, found, known, strict=True):
        assert abs(wrong - right) <= CLOSE * (1 + abs(right)), f"{name} at x = {point}: {wrong} for {right}"
