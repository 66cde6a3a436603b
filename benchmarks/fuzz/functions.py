"""The words of the language for `interpreter`, from the definitions in the papers."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fuzz.interpreter import Dual, Interpreter

Word = Callable[[Interpreter, Dual], Dual]


def _plain(name: str, slope: Callable[[Interpreter, Dual], object]) -> Word:
    return lambda it, u: u.chain(getattr(it.lib, name)(u.value), slope(it, u))


def _sigmoid(it: Interpreter, u: Dual) -> Dual:
    value = (1 + it.lib.tanh(u.value / 2)) / 2
    return u.chain(value, 1 / (2 * it.lib.cosh(u.value / 2)) ** 2)


def _softplus(it: Interpreter, u: Dual) -> Dual:
    positive = it.choose(u.value > 0, lambda: u, lambda: it.constant(0))
    size = it.choose(u.value > 0, lambda: u, lambda: -u)
    return u.chain(positive.value + it.lib.log1p(it.lib.exp(-size.value)), _sigmoid(it, u).value)


def _half_erf(it: Interpreter, u: Dual) -> Dual:
    """The normal distribution function."""
    root = it.lib.sqrt(it.lib.number(2))
    bell = it.lib.exp(-(u.value**2) / 2) / it.lib.sqrt(2 * it.lib.pi())
    return u.chain(it.lib.erfc(-u.value / root) / 2, bell)


def _erf(it: Interpreter, u: Dual) -> Dual:
    return u.chain(it.lib.erf(u.value), 2 * it.lib.exp(-(u.value**2)) / it.lib.sqrt(it.lib.pi()))


def _tanh(it: Interpreter, u: Dual) -> Dual:
    return u.chain(it.lib.tanh(u.value), 1 / it.lib.cosh(u.value) ** 2)


def _above(it: Interpreter, u: Dual, yes: Callable[[], Dual], no: Callable[[], Dual]) -> Dual:
    return it.choose(it.less(u.value * 0, u.value), yes, no)


def _elu(it: Interpreter, u: Dual, alpha: str = "1") -> Dual:
    below = it.choose(u.value > 0, lambda: it.constant(0), lambda: u)
    bent = below.chain(it.lib.expm1(below.value), it.lib.exp(below.value))
    return _above(it, u, lambda: u, lambda: it.constant(alpha) * bent)


def _clamp(it: Interpreter, u: Dual, low: int, high: int) -> Dual:
    return it.extremum([it.extremum([u, it.constant(low)], True), it.constant(high)], False)


def _gelu_tanh(it: Interpreter, u: Dual) -> Dual:
    inner = it.constant("0.044715") * u * u * u + u
    root = it.lib.sqrt(2 / it.lib.pi())
    scaled = Dual(root * inner.value, tuple(root * s for s in inner.slopes))
    return it.constant("0.5") * u * (it.constant(1) + _tanh(it, scaled))


def _abs(it: Interpreter, u: Dual) -> Dual:
    return _above(it, u, lambda: u, lambda: -u)


def _relu(it: Interpreter, u: Dual) -> Dual:
    return it.extremum([u, it.constant(0)], True)


def _leaky(it: Interpreter, u: Dual, slope: str) -> Dual:
    return _above(it, u, lambda: u, lambda: it.constant(slope) * u)


def _square(u: Dual) -> Dual:
    return u * u


FUNCTIONS: dict[str, Word] = {
    "exp": lambda it, u: it.exp(u),
    "log": lambda it, u: it.log(u),
    "log2": lambda it, u: it.log(u) * it.over(it.log(it.constant(2))),
    "expm1": _plain("expm1", lambda it, u: it.lib.exp(u.value)),
    "log1p": _plain("log1p", lambda it, u: 1 / (1 + u.value)),
    "sqrt": _plain("sqrt", lambda it, u: 1 / (2 * it.lib.sqrt(u.value))),
    "sin": _plain("sin", lambda it, u: it.lib.cos(u.value)),
    "sine": _plain("sin", lambda it, u: it.lib.cos(u.value)),
    "cos": _plain("cos", lambda it, u: -it.lib.sin(u.value)),
    "tan": _plain("tan", lambda it, u: 1 / it.lib.cos(u.value) ** 2),
    "atan": _plain("atan", lambda it, u: 1 / (1 + u.value**2)),
    "arctan": _plain("atan", lambda it, u: 1 / (1 + u.value**2)),
    "sinh": _plain("sinh", lambda it, u: it.lib.cosh(u.value)),
    "cosh": _plain("cosh", lambda it, u: it.lib.sinh(u.value)),
    "asinh": _plain("asinh", lambda it, u: 1 / it.lib.sqrt(1 + u.value**2)),
    "arcsinh": _plain("asinh", lambda it, u: 1 / it.lib.sqrt(1 + u.value**2)),
    "tanh": _tanh,
    "erf": _erf,
    "erfc": _plain("erfc", lambda it, u: -2 * it.lib.exp(-(u.value**2)) / it.lib.sqrt(it.lib.pi())),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "abs": _abs,
    "Abs": _abs,
    "sign": lambda it, u: _above(it, u, lambda: it.constant(1), lambda: it.constant(-1)),
    "Heaviside": lambda it, u: _above(it, u, lambda: it.constant(1), lambda: it.constant(0)),
    "floor": lambda it, u: u.chain(it.step(u.value), 0 * u.value),
    "ceil": lambda it, u: u.chain(-it.step(-u.value), 0 * u.value),
    "ceiling": lambda it, u: u.chain(-it.step(-u.value), 0 * u.value),
    "relu": _relu,
    "relu6": lambda it, u: _clamp(it, u, 0, 6),
    "relu2": lambda it, u: _square(_relu(it, u)),
    "leaky_relu": lambda it, u: _leaky(it, u, "0.01"),
    "leaky_relu2": lambda it, u: _square(_leaky(it, u, "0.5")),
    "gelu": lambda it, u: u * _half_erf(it, u),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda it, u: u * _sigmoid(it, u),
    "swish": lambda it, u: u * _sigmoid(it, u),
    "mish": lambda it, u: u * _tanh(it, _softplus(it, u)),
    "softsign": lambda it, u: u * it.over(it.constant(1) + _abs(it, u)),
    "elu": _elu,
    "selu": lambda it, u: (
        it.constant("1.0507009873554804934193349852946") * _elu(it, u, "1.6732632423543772848170429916717")
    ),
    "hardtanh": lambda it, u: _clamp(it, u, -1, 1),
    "hardsigmoid": lambda it, u: _clamp(it, u + it.constant(3), 0, 6) * it.over(it.constant(6)),
    "hardswish": lambda it, u: u * _clamp(it, u + it.constant(3), 0, 6) * it.over(it.constant(6)),
    "serf": lambda it, u: u * _erf(it, _softplus(it, u)),
    "gaussian": lambda it, u: it.exp(it.constant("-0.5") * u * u),
}
