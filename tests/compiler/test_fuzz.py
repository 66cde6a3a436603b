"""Random expressions of the language through the whole compiler, against an evaluation that shares nothing with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import mpmath
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mpf

from learnact.compiler.declare.spec import Activation
from learnact.compiler.derive import Derivation, Moments, StartDerivation
from learnact.compiler.derive.quantity import Quantity
from learnact.compiler.emit.render import render
from learnact.compiler.lower import lower
from learnact.compiler.resolve.expression import from_expression
from learnact.errors import BadDeclaration, BadExpression

DIGITS = 40
STEP = mpf("1e-12")  # of central differences at 40 digits: rounding 1e-28, truncation 1e-24 times a third derivative
CLEAR = mpf("1e-3")  # nearer to a kink, a pole or the edge of a domain, doubles and 40 digits may take different sides
LARGE = mpf("1e3")  # beyond this the rounding errors of doubles are no longer small against TOLERANCE
TOLERANCE = 1e-6
"""Relative to 1 + the size of all terms met: CLEAR and LARGE let a derivative lose ten digits of sixteen; a wrong
rule, sign or branch is wrong in the first digit."""

POINTS = (-2.61, -1.13, -0.37, 0.29, 0.83, 1.71, 3.07)
VALUES = {"a": 0.77, "b": -1.31}


class Unclear(Exception):
    """The point says nothing: it lies on a kink, at a pole, outside the domain, or far out."""


Env = Mapping[str, mpf]


@dataclass(frozen=True)
class Tree:
    """An expression twice: as text for the compiler, and as a function of numbers for the test."""

    text: str
    at: Callable[[Env], mpf]

    def __repr__(self) -> str:
        return self.text


def clear(value: mpf) -> mpf:
    """The number, if it is far enough from 0."""
    if abs(value) < CLEAR:
        raise Unclear
    return value


def small(value: mpf) -> mpf:
    """The number, if it is real and not large."""
    if not isinstance(value, mpf) or not abs(value) < LARGE:
        raise Unclear
    return value


def positive(value: mpf) -> mpf:
    """The number, if it is clearly positive."""
    if value < CLEAR:
        raise Unclear
    return value


def separate(left: mpf, right: mpf) -> bool:
    """Whether left < right, if that is clear."""
    return clear(left - right) < 0


UNARY: dict[str, Callable[[mpf], mpf]] = {
    "exp": lambda u: mpmath.exp(small(u)),
    "log": lambda u: mpmath.log(positive(u)),
    "sqrt": lambda u: mpmath.sqrt(positive(u)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tanh": mpmath.tanh,
    "expm1": lambda u: mpmath.expm1(small(u)),
    "log1p": lambda u: mpmath.log(positive(1 + u)),
    "log2": lambda u: mpmath.log(positive(u), 2),
    "sinh": lambda u: mpmath.sinh(small(u)),
    "cosh": lambda u: mpmath.cosh(small(u)),
    "tan": lambda u: mpmath.tan(u) if clear(mpmath.cos(u)) else u,
    "arctan": mpmath.atan,
    "asinh": mpmath.asinh,
    "erfc": mpmath.erfc,
    "floor": lambda u: mpmath.floor(u) if clear(u - mpmath.nint(u)) else u,
    "ceil": lambda u: mpmath.ceil(u) if clear(u - mpmath.nint(u)) else u,
    "relu": lambda u: max(clear(u), mpf(0)),
    "elu": lambda u: u if clear(u) > 0 else mpmath.expm1(u),
    "gelu": lambda u: u * mpmath.erfc(-u / mpmath.sqrt(2)) / 2,
    "erf": mpmath.erf,
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-small(u))),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(small(u))),
    "abs": lambda u: abs(clear(u)),
    "sign": lambda u: mpmath.sign(clear(u)),
    "Heaviside": lambda u: mpf(clear(u) > 0),
}
BINARY: dict[str, Callable[[mpf, mpf], mpf]] = {
    "({} + {})": lambda u, v: u + v,
    "({} - {})": lambda u, v: u - v,
    "({} * {})": lambda u, v: u * v,
    "({} / {})": lambda u, v: u / clear(v),
    "Max({}, {})": lambda u, v: v if separate(u, v) else u,
    "Min({}, {})": lambda u, v: u if separate(u, v) else v,
    "Max({}, 0, {})": lambda u, v: max(u, v, 0) if clear(u) and clear(v) and clear(u - v) else v,
}
POWERS = ("2", "3", "5", "-1", "-2", "0.5", "1.5", "(-1/2)", "(1/3)")
EXPONENTS = {"(-1/2)": mpf(-1) / 2}


def unary(name: str, u: Tree) -> Tree:
    return Tree(f"{name}({u.text})", lambda env: small(UNARY[name](u.at(env))))


def binary(form: str, u: Tree, v: Tree) -> Tree:
    return Tree(form.format(u.text, v.text), lambda env: small(BINARY[form](u.at(env), v.at(env))))


def power(u: Tree, exponent: str) -> Tree:
    def at(env: Env) -> mpf:
        base = u.at(env)
        with mpmath.workdps(DIGITS):
            k = mpf(1) / 3 if exponent == "(1/3)" else EXPONENTS.get(exponent) or mpf(exponent)
        return small((clear(base) if k == int(k) else positive(base)) ** k)

    return Tree(f"({u.text})**{exponent}", at)


def negated(u: Tree) -> Tree:
    return Tree(f"(-{u.text})", lambda env: -u.at(env))


def piecewise(u: Tree, relation: str, bound: Tree, otherwise: Tree) -> Tree:
    def at(env: Env) -> mpf:
        below = separate(u.at(env), bound.at(env))
        return u.at(env) if below == ("<" in relation) else otherwise.at(env)

    return Tree(f"Piecewise(({u.text}, {u.text} {relation} {bound.text}), ({otherwise.text}, True))", at)


def conditional(form: str, u: Tree, v: Tree, w: Tree, low: Tree, high: Tree) -> Tree:
    def at(env: Env) -> mpf:
        above, below = separate(low.at(env), w.at(env)), separate(w.at(env), high.at(env))
        return (u if CONDITIONALS[form](above, below) else v).at(env)

    texts = {"u": u.text, "v": v.text, "w": w.text, "low": low.text, "high": high.text}
    return Tree(form.format(**texts), at)


CONDITIONALS: dict[str, Callable[[bool, bool], bool]] = {
    "({u} if {low} < {w} <= {high} else {v})": lambda above, below: above and below,
    "({u} if {w} < {low} or not {w} < {high} else {v})": lambda above, below: not (above and below),
    "where(({w} > {low}) & ~({w} >= {high}), {u}, {v})": lambda above, below: above and below,
}


def compound(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.builds(binary, st.sampled_from(sorted(BINARY)), parts, parts),
        st.builds(unary, st.sampled_from(sorted(UNARY)), parts),
        st.builds(power, parts, st.sampled_from(POWERS)),
        st.builds(negated, parts),
        st.builds(conditional, st.sampled_from(sorted(CONDITIONALS)), *[parts] * 5),
        st.builds(piecewise, parts, st.sampled_from(["<", "<=", ">", ">="]), parts, parts),
    )


def leaf(text: str) -> Tree:
    return Tree(text, lambda env: env[text] if text in env else mpf(text))


LEAVES = st.sampled_from([leaf(t) for t in ("x", "x", "x", "a", "b", "1", "2", "0.1", "3")])
TREES = st.recursive(LEAVES, compound, max_leaves=8)


def whole(tree: Tree) -> Tree:
    """a * tree + b: whatever the tree is, it depends on both parameters and, mostly, on x."""
    return Tree(f"a*({tree.text}) + b*x", lambda env: small(env["a"] * tree.at(env) + env["b"] * env["x"]))


def module_of(activation: Activation) -> torch.nn.Module:
    """The emitted class; the start is the declared one, with moments left out: other tests are about those."""
    unknown = Quantity(activation.function * 0)
    moments = Moments(unknown, unknown, unknown, unknown)
    values = activation.start("declared").values(None, activation.family.law)
    start = StartDerivation("declared", "as declared", {p: (v,) for p, v in values.items()}, True, moments)
    derivation = Derivation(activation, activation.family.law, (start,))
    source = render(lower(activation), derivation, "a random expression")
    namespace: dict[str, object] = {}
    exec(compile(source.text, source.filename, "exec"), namespace)
    return namespace[source.names.cls](dtype=torch.float64)  # type: ignore[operator]


def truth(tree: Tree, point: float) -> list[mpf]:
    """F, dF/dx, dF/da, dF/db by central differences. Raises Unclear."""
    center = {"x": mpf(point), **{k: mpf(str(v)) for k, v in VALUES.items()}}
    answers = [small(tree.at(center))]
    for name, middle in center.items():
        up, down = (tree.at(center | {name: middle + s * STEP}) for s in (1, -1))
        answers.append(small((up - down) / (2 * STEP)))
    return answers


def disagreements(tree: Tree) -> list[str]:
    """Where the emitted module is not the tree. Raises BadExpression or BadDeclaration if the text is refused."""
    module = module_of(from_expression(tree.text, {k: str(v) for k, v in VALUES.items()}, "Trial"))
    found = []
    with mpmath.workdps(DIGITS):
        for point in POINTS:
            try:
                known = truth(tree, point)
            except (Unclear, OverflowError, ZeroDivisionError):
                continue
            x = torch.tensor([point], dtype=torch.float64, requires_grad=True)
            value = module(x)
            gradients = torch.autograd.grad(value, [x, *module.parameters()])
            scale = 1 + max(map(abs, known))
            found += [
                f"{name} at x = {point}: {float(wrong)} for {mpmath.nstr(right, 12)}"
                for name, wrong, right in zip("Fxab", [value.detach(), *gradients], known, strict=True)
                if not abs(float(wrong) - right) <= TOLERANCE * scale
            ]
    return found


# No deadline: SymPy's caches make the first examples slow. Derandomized: a red suite is red for everybody.
FUZZ = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FUZZ
@given(TREES.map(whole))
def test_random_expressions_compute_what_they_say(tree: Tree) -> None:
    """What is refused, sqrt(x) say, is refused in one line."""
    with suppress(BadExpression, BadDeclaration):
        found = disagreements(tree)
        assert not found, f"{tree}: {'; '.join(found)}"


def test_a_disagreement_is_seen() -> None:
    """Trees that say another thing than their text does."""
    assert disagreements(whole(unary("tanh", leaf("x")))) == []
    assert len(disagreements(Tree("a*x + b", lambda env: env["a"] * env["x"]))) > len(POINTS)
    assert disagreements(Tree("a*x + 0.001*b*x", lambda env: env["a"] * env["x"]))
