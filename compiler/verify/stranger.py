"""Code that somebody else wrote: find it, match its parameters by name, call it, and differentiate what it returns.

This file runs as a program of its own, beside the referee, so that whatever it executes can be stopped: questions come
in and answers go out as one line of JSON each. It imports torch and the standard library alone.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STYLES = ("tensor of shape ()", "tensor of shape (1,)", "number")
"""How a function may take a scalar parameter; the first that works is used."""

PROBE = (0.5, -0.25, 2.0)  # what a callable is first tried with
LONGEST = 300  # characters of an exception's message that are repeated


class Unusable(Exception):
    """The code cannot be judged: it is not there, or cannot be called at all."""


class Wrong(Exception):
    """The code answers, but not with a tensor like its input."""


def one_line(err: BaseException) -> str:
    """The type and message of the exception `err`, on one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())[:LONGEST]}"


def found(name: str) -> Any:
    """The object that `FILE.py:name` or `package.module:name` means; its code is executed. Raises Unusable."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise Unusable(f"{name!r} names no callable; write FILE.py:callable or package.module:callable")
    try:
        if place.endswith(".py"):
            if not Path(place).is_file():
                raise Unusable(f"there is no file {place}")
            sys.path.append(str(Path(place).resolve().parent))  # behind all else: a neighbour hides nothing
            spec = importlib.util.spec_from_file_location("learnact_stranger", place)
            if spec is None or spec.loader is None:
                raise Unusable(f"{place} cannot be imported as Python")
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
    except Unusable:
        raise
    except BaseException as err:  # whatever the code raises is the answer to "does it import?"
        raise Unusable(f"{place} cannot be imported: {one_line(err)}") from err
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            near = ", ".join(sorted(k for k, v in vars(module).items() if callable(v) and not k.startswith("_"))[:8])
            raise Unusable(f"{place} has no {attribute!r}; it has {near or 'no callable'}")
        value = getattr(value, part)
    return value


class Stranger:
    """A callable, and how the declared parameters reach it.

    `parameters` maps each declared name to its values; a scalar has one. `matched` says how each was found, `unjudged`
    why the gradient of another is not judged, `fixed` which values cannot be set, `numbers` which are Python numbers,
    not rounded to the dtype. Raises Unusable.
    """

    def __init__(self, subject: Any, parameters: Mapping[str, Sequence[float]], scalars: Sequence[str]) -> None:
        self.parameters = {name: list(values) for name, values in parameters.items()}
        self.scalars = set(scalars)
        self.matched: dict[str, str] = {}
        self.unjudged: dict[str, str] = {}
        self.fixed: list[str] = []
        self.numbers: list[str] = []
        self.own: dict[str, list[float]] = {}
        self.style = STYLES[0]
        self._names: list[str] = []  # passed as arguments
        self._paths: dict[str, str] = {}  # in a module
        self._positional = False
        self._copies: dict[str, nn.Module] = {}
        self._compiled: Callable[..., Any] | None = None
        self._subject = self._prepared(subject)
        self._probe()

    def _prepared(self, subject: Any) -> Any:
        if isinstance(subject, type) and issubclass(subject, torch.autograd.Function):
            return self._autograd_function(subject)
        if isinstance(subject, type):
            if not issubclass(subject, nn.Module):
                raise Unusable(f"{subject.__name__} is a class, but no nn.Module")
            subject = self._constructed(subject)
        if isinstance(subject, nn.Module):
            subject = copy.deepcopy(subject)
            self._match_module(subject)
            return subject
        if not callable(subject):
            raise Unusable(f"the object is no callable but a {type(subject).__name__}")
        try:
            arguments = list(inspect.signature(subject).parameters.values())[1:]
        except (TypeError, ValueError):  # a builtin does not say what it takes
            arguments = []
        self._match_arguments([a for a in arguments if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)])
        return subject

    def _constructed(self, cls: type[nn.Module]) -> nn.Module:
        arguments = list(inspect.signature(cls).parameters.values())
        lacking = [a for a in arguments if a.default is a.empty and a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)]
        if missing := [a.name for a in lacking if a.name not in self.parameters]:
            raise Unusable(f"{cls.__name__} must be constructed with {', '.join(missing)}; name an instance instead")
        values = {a.name: self.parameters[a.name] for a in lacking}
        try:
            return cls(**{n: v[0] if n in self.scalars else torch.tensor(v) for n, v in values.items()})
        except Exception as err:
            raise Unusable(f"{cls.__name__} cannot be constructed: {one_line(err)}") from err

    def _autograd_function(self, cls: Any) -> Callable[..., Any]:
        arguments = list(inspect.signature(cls.forward).parameters.values())
        first = 1 if cls.setup_context is not torch.autograd.Function.setup_context else 2  # behind ctx and x
        self._positional = True
        self._match_arguments([a for a in arguments[first:] if a.kind is not a.VAR_POSITIONAL])
        return cls.apply

    def _match_arguments(self, arguments: Sequence[inspect.Parameter]) -> None:
        names = [a.name for a in arguments]
        if missing := [a.name for a in arguments if a.default is a.empty and a.name not in self.parameters]:
            raise Unusable(f"it takes {', '.join(missing)}, which is not declared; add --param {missing[0]}=VALUE")
        for name in self.parameters:
            if name in names:
                self.matched[name] = "an argument"
            else:
                self._leave(name, "no argument has this name")
        self._names = [name for name in names if name in self.parameters]

    def _match_module(self, module: nn.Module) -> None:
        tensors = dict(module.named_parameters()) | dict(module.named_buffers())
        for name, values in self.parameters.items():
            paths = [p for p in tensors if p == name] or [p for p in tensors if p.endswith(f".{name}")]
            if len(paths) == 1 and tensors[paths[0]].numel() == len(values):
                tensor = tensors[paths[0]]
                self.own[name] = tensor.detach().double().flatten().tolist()
                self._paths[name] = paths[0]
                self.matched[name] = f"parameter {paths[0]} of shape {tuple(tensor.shape)}"
                if not isinstance(tensor, nn.Parameter):
                    self.matched[name], self.unjudged[name] = f"buffer {paths[0]}", "it is a buffer"
            elif len(paths) == 1:
                self._leave(name, f"{paths[0]} has {tensors[paths[0]].numel()} values, declared are {len(values)}")
            elif isinstance(getattr(module, name, None), (int, float)):
                self.own[name] = [float(getattr(module, name))]
                self._paths[name] = name
                self.numbers.append(name)
                self.matched[name], self.unjudged[name] = f"attribute {name}", "it is a number"
            else:
                self._leave(name, "no parameter or attribute has this name")

    def _leave(self, name: str, reason: str) -> None:
        self.unjudged[name] = reason
        self.fixed.append(name)

    def _probe(self) -> None:
        first: BaseException | None = None
        for style in STYLES if self._names else STYLES[:1]:
            self.style = style
            try:
                self.answer({"x": list(PROBE), "shape": [len(PROBE)], "dtype": "fp32", "values": self.parameters})
            except Wrong:
                if style != STYLES[-1] and self._names:
                    continue
                self.style = STYLES[0]
            except (Exception, SystemExit) as err:
                first = first or err
                continue
            self._leave_numbers()
            return
        assert first is not None
        raise Unusable(f"it raises for a float32 tensor of shape (3,) on the CPU: {one_line(first)}")

    def _leave_numbers(self) -> None:
        """Arguments that are numbers, or are read as such (torch's own functions do), have no gradient to judge."""
        if not self._names:
            return
        if self.style == STYLES[-1]:
            self.numbers += self._names
        function, matched = self._function("fp32", False, self.parameters)
        out = function(torch.tensor(PROBE).requires_grad_())
        for name in self._names:
            leaf = matched.get(name)
            if leaf is None or not isinstance(out, Tensor) or not out.requires_grad:
                reached = None
            else:
                (reached,) = torch.autograd.grad(out.sum(), leaf, allow_unused=True, retain_graph=True)
            if reached is None:
                self.unjudged[name] = "it is used as a number, no gradient reaches it"

    def _tensors(self, values: Mapping[str, Sequence[float]], dtype: torch.dtype) -> dict[str, Tensor]:
        tensors = {}
        for name in self._names:
            entries = torch.tensor(list(values[name]), dtype=torch.float64).to(dtype)
            if name in self.scalars and self.style == STYLES[0]:
                entries = entries.reshape(())
            tensors[name] = entries.requires_grad_()
        return tensors

    def _function(
        self, label: str, compiled: bool, values: Mapping[str, Sequence[float]]
    ) -> tuple[Callable[[Tensor], Any], dict[str, Tensor]]:
        """The callable of x, and the leaves that hold matched parameters, by name."""
        dtype = DTYPES[label]
        if isinstance(self._subject, nn.Module):
            if label not in self._copies:
                self._copies[label] = copy.deepcopy(self._subject).to(dtype)
            module = self._copies[label]
            leaves = {}
            tensors = dict(module.named_parameters()) | dict(module.named_buffers())
            for name, path in self._paths.items():
                if path in tensors:
                    with torch.no_grad():
                        source = torch.tensor(list(values[name]), dtype=torch.float64)
                        tensors[path].copy_(source.reshape(tensors[path].shape))
                    if isinstance(tensors[path], nn.Parameter):
                        leaves[name] = tensors[path].requires_grad_()
                else:
                    setattr(module, name, values[name][0])
            call: Callable[..., Any] = module
            arguments: list[Any] = []
        else:
            subject, names, positional = self._subject, tuple(self._names), self._positional

            def call(x: Tensor, *given: Any) -> Any:
                return subject(x, *given) if positional else subject(x, **dict(zip(names, given, strict=True)))

            leaves = {} if self.style == STYLES[-1] else self._tensors(values, dtype)
            arguments = [leaves[n] if n in leaves else values[n][0] for n in names]
        if compiled:
            if self._compiled is None:
                self._compiled = torch.compile(call, dynamic=False)
            call = self._compiled
        return (lambda x: call(x, *arguments)), leaves

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Value and slope at `x` of `shape`, in `dtype`, at parameter `values`; more by the entries of the question.

        "layout": contiguous, strided or transposed. "cotangents": rows of incoming gradients; each gives the
        derivatives by the matched parameters, flat. "each": the same at every element on its own.
        Raises Wrong, and whatever the code raises.
        """
        label, compiled = question["dtype"], bool(question.get("compiled"))
        dtype = DTYPES[label]
        function, matched = self._function(label, compiled, question["values"])
        leaves = [matched[name] for name in self.judged if name in matched]
        at = torch.tensor(question["x"], dtype=torch.float64).reshape(question["shape"]).to(dtype)
        leaf, x = _laid(at, question.get("layout", "contiguous"))
        out = _checked(function(x), at)
        ones = torch.ones_like(out)
        slope = _gradients(out, [leaf], ones)[0]
        if question.get("layout") == "strided":
            slope = slope[..., 0]
        elif question.get("layout") == "transposed":
            slope = slope.T
        answer: dict[str, Any] = {"value": _doubles(out), "slope": _doubles(slope), "sums": [], "each": []}
        for row in question.get("cotangents", ()):
            again = _checked(function(at.clone()), at)
            weight = torch.tensor(row, dtype=torch.float64).to(dtype).reshape(again.shape)
            answer["sums"].append(_flat(_gradients(again, leaves, weight)))
        for entry in at.flatten() if question.get("each") else ():
            alone = function(entry.reshape(1).clone())
            answer["each"].append([float(alone.detach()), *_flat(_gradients(alone, leaves, torch.ones_like(alone)))])
        return answer

    @property
    def judged(self) -> list[str]:
        """The parameters whose gradients an answer holds, in its order."""
        return [n for n in (self.matched if not self._names else self._names) if n not in self.unjudged]


def _laid(at: Tensor, layout: str) -> tuple[Tensor, Tensor]:
    """A leaf, and a view of a copy of it in this layout: the code may write into what it is given."""
    if layout == "strided":
        leaf = torch.stack([at, at], -1).requires_grad_()
        return leaf, leaf.clone()[..., 0]
    if layout == "transposed":
        leaf = at.T.contiguous().requires_grad_()
        return leaf, leaf.clone().T
    leaf = at.clone().requires_grad_()
    return leaf, leaf.clone()


def _checked(out: Any, at: Tensor) -> Tensor:
    if not isinstance(out, Tensor):
        raise Wrong(f"it returns a {type(out).__name__}, no tensor")
    if out.dtype != at.dtype:
        raise Wrong(f"{_name(at.dtype)} in, {_name(out.dtype)} out")
    if out.shape != at.shape and not (at.ndim == 0 and out.shape == (1,)):  # a parameter of shape (1,) broadcasts
        raise Wrong(f"shape {tuple(at.shape)} in, {tuple(out.shape)} out")
    return out


def _gradients(out: Tensor, leaves: Sequence[Tensor], cotangent: Tensor) -> list[Tensor]:
    if not out.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(out, leaves, cotangent, allow_unused=True) if leaves else ()
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]


def _flat(tensors: Sequence[Tensor]) -> list[float]:
    return [v for t in tensors for v in _doubles(t)]


def _doubles(t: Tensor) -> list[float]:
    return t.detach().double().flatten().tolist()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main() -> None:
    """Answer questions until there are no more: what is judged, with which parameters, and then at which inputs."""
    torch.set_num_threads(1)
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what the code reads is no question, what it prints no answer
    _send(replies, {"ready": True})
    subject: Any = None
    stranger: Stranger | None = None
    for line in questions:
        question = json.loads(line)
        try:
            if "name" in question:
                subject = found(question["name"])
                reply: dict[str, Any] = {"loaded": True}
            elif stranger is None:
                stranger = Stranger(subject, question["parameters"], question["scalars"])
                reply = {k: getattr(stranger, k) for k in ("matched", "unjudged", "fixed", "numbers", "own", "judged")}
            else:
                reply = stranger.answer(question)
        except Unusable as err:
            reply = {"unusable": str(err)}
        except Wrong as err:
            reply = {"wrong": str(err)}
        except BaseException as err:  # code that calls sys.exit has answered, too
            reply = {"wrong": f"raised {one_line(err)}"}
        _send(replies, reply)


def _send(replies: TextIO, reply: Mapping[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
