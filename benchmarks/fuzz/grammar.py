"""Random texts: expressions of the language and damaged ones, parameters, laws, names and SPECs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ONE_ARGUMENT = (
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "atan",
    "arctan",
    "sinh",
    "cosh",
    "asinh",
    "arcsinh",
    "erfc",
    "abs",
    "Abs",
    "sign",
    "Heaviside",
    "floor",
    "ceil",
    "ceiling",
    "relu",
    "relu6",
    "leaky_relu",
    "relu2",
    "leaky_relu2",
    "gelu",
    "gelu_tanh",
    "silu",
    "swish",
    "mish",
    "tanh",
    "sigmoid",
    "softplus",
    "softsign",
    "elu",
    "selu",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "serf",
    "erf",
    "gaussian",
    "sine",
)
GENTLE = (
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "atan",
    "asinh",
    "gelu",
    "silu",
    "mish",
    "relu",
    "elu",
    "abs",
    "softsign",
    "hardswish",
    "gaussian",
    "selu",
    "leaky_relu",
    "hardtanh",
    "serf",
    "gelu_tanh",
    "relu2",
)
"""Finite everywhere and of polynomial growth: what an activation is mostly made of."""

NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "0.5",
    "0.1",
    "7",
    "12",
    "1e-3",
    "1e3",
    "30000",
    "1e-12",
    "1e12",
    "1e300",
    "64",
    "pi",
    "E",
)
MODEST = ("1", "2", "0.5", "0.1", "3", "0.3", "1.7", "pi")
NOISE = "+-*/()<>=., _^&|~!@#$%[]{}:;'\"\\\t\n0123456789abcdefghxyzE\u03b1\u00b2\u2212\x00"
FAMILIES = (
    "hermite",
    "chebyshev",
    "legendre",
    "fourier",
    "fourier_free",
    "tropical",
    "tropical_rational",
    "sinusoid",
    "snake",
    "snake_beta",
    "swish",
    "prelu",
    "polyrelu",
    "rational",
    "rbf",
    "xielu",
    "hermite_function",
    "even",
    "gegenbauer",
    "laguerre",
    "threshold",
)


@dataclass
class Grammar:
    """Texts by a seeded source of randomness; `wild` ones use every word and number, others stay near 1."""

    random: random.Random
    wild: bool = True
    names: tuple[str, ...] = ("a", "b", "c")
    depth: int = 4
    calls: tuple[str, ...] = ()  # functions of one argument, in place of all of them
    _left: int = field(default=0, init=False)

    def expression(self, leaves: int = 12) -> str:
        """One expression in x and the names."""
        self._left = self.random.randint(1, leaves)
        return self._part(self.depth)

    def _leaf(self) -> str:
        self._left -= 1
        number = self.random.choice(NUMBERS if self.wild else MODEST)
        return self.random.choice(("x", "x", "x", *self.names, number))

    def _part(self, depth: int) -> str:
        if depth == 0 or self._left <= 1:
            return self._leaf()
        kind = self.random.choices(("sum", "call", "power", "extremum", "cases", "sign"), (40, 30, 10, 8, 8, 4))[0]
        u, v = self._part(depth - 1), self._part(depth - 1)
        if kind == "sum":
            return f"({u} {self.random.choice('++-**/' if self.wild else '++-**')} {v})"
        if kind == "call":
            return f"{self.random.choice(self.calls or (ONE_ARGUMENT if self.wild else GENTLE))}({u})"
        if kind == "power":
            wild = ("-1", "0.5", "(1/3)", "64", "65", "1e9", "-0.5", v)
            return f"({u})**{self.random.choice(('2', '3', *(wild if self.wild else ())))}"
        if kind == "extremum":
            third = f", {self._part(depth - 1)}" if self.random.random() < 0.3 else ""
            return f"{self.random.choice(('Max', 'Min', 'max', 'min'))}({u}, {v}{third})"
        if kind == "sign":
            return f"(-{u})"
        return self._cases(u, v, depth)

    def _cases(self, u: str, v: str, depth: int) -> str:
        test = self._condition(depth)
        kind = self.random.randrange(3)
        if kind == 0:
            return f"({u} if {test} else {v})"
        if kind == 1:
            return f"where({test}, {u}, {v})"
        more = f"({self._part(depth - 1)}, {self._condition(depth)}), " if self.random.random() < 0.4 else ""
        return f"Piecewise(({u}, {test}), {more}({v}, True))"

    def _condition(self, depth: int) -> str:
        order = self.random.choice(("<", "<=", ">", ">="))
        left = "x" if not self.wild or self.random.random() < 0.6 else self._part(depth - 1)
        right = self._leaf() if self.wild else self.random.choice(("0", "1", "0.5", *self.names))
        test = f"{left} {order} {right}"
        way = self.random.random()
        if way < 0.1:
            return f"not {test}"
        if way < 0.2:
            return f"{test} {self.random.choice(('and', 'or'))} {self._leaf()} < 2"
        if way < 0.25 and self.wild:
            return self.random.choice(("True", "False", "1 < 2", "2 < 1", "x < x"))
        return test

    def damaged(self, text: str) -> str:
        """The text with one to three characters left out, doubled, swapped, put in or replaced."""
        letters = list(text)
        for _ in range(self.random.randint(1, 3)):
            k = self.random.randrange(len(letters)) if letters else 0
            way = self.random.randrange(5)
            if not letters or way == 3:
                letters.insert(k, self.random.choice(NOISE))
            elif way == 0:
                del letters[k]
            elif way == 1:
                letters.insert(k, letters[k])
            elif way == 2:
                j = min(k + 1, len(letters) - 1)
                letters[k], letters[j] = letters[j], letters[k]
            else:
                letters[k] = self.random.choice(NOISE)
        return "".join(letters)

    def hostile(self) -> str:
        """Deep, long or huge: what could take all time or memory."""
        n = self.random.choice((5, 20, 31, 33, 90, 300, 900))
        u = self._leaf() if self.random.random() < 0.5 else self.expression(4)
        call = self.random.choice(ONE_ARGUMENT)
        forms = (
            lambda: f"{call}(" * n + u + ")" * n,
            lambda: "(" * n + u + ")" * n,
            lambda: "-" * n + u,
            lambda: "**".join([u] * min(n, 40)),
            lambda: "*".join([f"({u}+1)"] * min(n, 90)),
            lambda: "+".join(f"{call}({k}*{u})" for k in range(1, min(n, 60))),
            lambda: f"{u} if x > 0 else " * min(n, 40) + "a",
            lambda: "(" * min(n, 30) + "x" + "".join(f" if {k} < 1 else {u})" for k in range(min(n, 30))),
            lambda: "Max(" * min(n, 30) + "x" + f", {u})" * min(n, 30),
            lambda: f"Max({', '.join(f'{k}*x+{u}' for k in range(min(n, 60)))})",
            lambda: "where(x > 0, " * min(n, 30) + "x" + f", {u})" * min(n, 30),
            lambda: f"({u})**{self.random.choice(('64', '63.5', '1e9', '1e-9', '9**9**9', '(1/64)', '0.0001'))}",
            lambda: f"({u})**(1/{self.random.randint(1, 64)})*x**{self.random.randint(1, 64)}",
        )
        return self.random.choice(forms)()

    def parameter(self) -> str:
        """What follows --param, mostly well formed."""
        name = self.random.choice((*self.names, "x", "exp", "weight", "_", "class", "long_name"))
        low, high, value = (self.random.choice((*NUMBERS, "-1", "1/3", "sqrt(2)", "-2", "nan", "")) for _ in range(3))
        key = self.random.choice((name, f"{name}>{low}", f"{low}<{name}<{high}", f"{low} < {name}", f"{name}<{high}"))
        return f"{key}={value}"

    def law(self) -> str:
        """A law of an input, mostly one that exists."""
        name = self.random.choice(("normal", "uniform", "arcsine", "exponential", "gauss", ""))
        return self.random.choice((name, f"{name}:{self.random.choice((*NUMBERS, '-1', 'x', '1/3'))}"))

    def spec(self) -> str:
        """family:degree, with a form in front of it at times."""
        family = self.random.choice((*FAMILIES, *ONE_ARGUMENT))
        form = self.random.choice(("", "", "scaled_", "residual_"))
        return (
            f"{form}{family}{self.random.choice(('', ':1', ':2', ':3', ':5', ':12', ':0', ':13', ':-1', ':1e9', ':x'))}"
        )
