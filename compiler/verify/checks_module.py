"""Module behaviour: errors, state_dict, deepcopy, autocast, NaN, and no side effects."""

from __future__ import annotations

import copy
import io

import sympy as sp
import torch

from learnact.compiler.verify import points
from learnact.compiler.verify.ledger import Finding, expect, kept
from learnact.compiler.verify.subject import LAYOUTS, Subject

CHANNELS = 3
INTEGERS = (torch.int64, torch.int32, torch.uint8, torch.bool)


def _x(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(points.rng(700).normal(size=shape)).to(dtype)


def check_errors(subject: Subject) -> Finding:
    """Integer inputs raise TypeError, a wrong number of channels and an unknown start ValueError, with a message."""
    module, function = subject.make(), subject.function
    parameters = subject.tensors(subject.settings[0].values, torch.float32)
    for dtype in INTEGERS:
        _raises(TypeError, f"{dtype} input", lambda d=dtype: function(torch.ones(4).to(d), *parameters))
        _raises(TypeError, f"{dtype} input of the class", lambda d=dtype: module(torch.ones(4).to(d)))
    if subject.fixed:
        return kept("integers")
    channelled = subject.channels([subject.settings[0].values] * CHANNELS, torch.float32)
    wrong = _x((2, CHANNELS + 1))
    _raises(ValueError, "a wrong channel count", lambda: function(wrong, *channelled))
    _raises(ValueError, "a wrong channel count of the class", lambda: subject.cls(CHANNELS)(wrong))
    _raises(ValueError, "a wrong channel axis", lambda: function(_x((CHANNELS, 5)), *channelled, channel_dim=1))
    if subject.grouped:
        _raises(ValueError, "groups that divide no channels", lambda: subject.cls(CHANNELS, groups=CHANNELS - 1))
    _raises(ValueError, "an unknown start", lambda: subject.cls(init="no such start"))
    return kept("integers", "channels", *(["groups"] if subject.grouped else []), "unknown start")


def _raises(kind: type[Exception], what: str, call: object) -> None:
    """The call must raise exactly this kind, and say why."""
    try:
        call()  # type: ignore[operator]
    except kind as err:
        expect(bool(str(err).strip()), f"{what} raises {kind.__name__} without a word")
    except Exception as err:
        expect(False, f"{what} raises {type(err).__name__} ({err}), not {kind.__name__}")
    else:
        expect(False, f"{what} raises nothing, {kind.__name__} is due")


def check_state_dict(subject: Subject) -> Finding:
    """A state_dict loaded into a module with another start gives equal outputs; its keys: parameters, then buffers."""
    for channels in subject.counts(CHANNELS):
        source = _moved(subject, channels)
        buffer = io.BytesIO()
        torch.save(source.state_dict(), buffer)
        buffer.seek(0)
        state = torch.load(buffer, weights_only=True)
        names = [v.name for v in sorted(subject.activation.parameters, key=lambda v: v.fixed)]
        expect(list(state) == names, f"state has the keys {list(state)}, parameters are {names}")
        target = subject.make(channels, init=list(subject.starts)[-1])
        target.load_state_dict(state)
        x = _x((5, CHANNELS))
        expect(torch.equal(source(x), target(x)), "the loaded module computes something else")
    return kept(*(f"{count} channels" for count in subject.counts(CHANNELS)))


def check_deepcopy(subject: Subject) -> Finding:
    """A deep copy computes the same and shares no parameter."""
    source = _moved(subject, CHANNELS)
    twin, x = copy.deepcopy(source), _x((5, CHANNELS))
    before = source(x)
    expect(torch.equal(before, twin(x)), "the copy computes something else")
    with torch.no_grad():
        for parameter in subject.held(twin):
            parameter.add_(1.0)
    expect(torch.equal(before, source(x)), "moving the copy's parameters moves the original")
    return kept("independent")


def _moved(subject: Subject, channels: int) -> torch.nn.Module:
    """A module away from its start."""
    module = subject.make(channels)
    with torch.no_grad():
        for k, parameter in enumerate(subject.held(module)):
            parameter.add_(
                torch.tensor(points.rng(710 + k).normal(scale=0.1, size=parameter.shape)).to(parameter.dtype)
            )
    return module


def check_purity(subject: Subject) -> Finding:
    """No input, parameter or incoming gradient is written to, no random number is drawn, reruns are bit-equal."""
    state = torch.random.get_rng_state()
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for channels in subject.counts(CHANNELS):
            module = subject.make(channels, dtype=dtype)
            x = _x((5, CHANNELS), dtype).requires_grad_()
            g = _x((5, CHANNELS), dtype)
            watched = {"the input": x, "the incoming gradient": g, **module.state_dict(keep_vars=True)}
            before = {k: (t._version, t.detach().clone()) for k, t in watched.items()}
            runs = []
            for _ in range(2):
                out = module(x)
                kept_out = out.detach().clone()
                gradients = torch.autograd.grad(out, [x, *module.parameters()], g, retain_graph=True)
                again = torch.autograd.grad(out, [x, *module.parameters()], g)
                expect(all(map(torch.equal, gradients, again)), f"{dtype}: a second backward pass differs")
                expect(torch.equal(kept_out, out), f"{dtype}: the backward pass writes to the output")
                runs.append([kept_out, *gradients])
            expect(all(map(torch.equal, *runs)), f"{dtype}: a second run differs")
            for name, t in watched.items():
                version, value = before[name]
                expect(t._version == version and torch.equal(t, value), f"{dtype}: {name} is written to")
    expect(torch.equal(state, torch.random.get_rng_state()), "random numbers are drawn")
    return kept("nothing written to", "no random numbers", "bit-equal reruns")


def check_autocast(subject: Subject) -> Finding:
    """Autocast to bfloat16 changes no bit: no operation that autocast would run in bfloat16 is called."""
    for dtype in (torch.float32, torch.bfloat16):
        module = _moved(subject, 1)
        x, g = _x((5, 16), dtype).requires_grad_(), _x((5, 16), dtype)
        runs = []
        for enabled in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                out = module(x)
                runs.append([out, *torch.autograd.grad(out, [x, *module.parameters()], g)])
        expect(all(map(torch.equal, *runs)), f"autocast changes the answers to {dtype} inputs")
    return kept("bit-equal to what is computed without")


def check_nan(subject: Subject) -> Finding:
    """A NaN in x gives NaN at its place, and changes no other value or slope."""
    values = subject.settings[0].values
    x = _x((5,), torch.float64)
    spoiled = x.clone()
    spoiled[2] = torch.nan
    others = torch.arange(5) != 2
    hides = subject.activation.function.has(sp.Piecewise, sp.Heaviside, sp.sign)  # these make numbers of it by nature
    for laid in LAYOUTS.values():
        runs = []
        for given in (x, spoiled):
            leaf = laid(given).requires_grad_()
            out = subject.function(leaf, *subject.tensors(values, torch.float64, grad=False))
            runs.append((out.detach(), torch.autograd.grad(out.sum(), leaf)[0]))
        for clean, found in zip(*runs, strict=True):
            expect(torch.equal(clean[others], found[others]), "a NaN changes the numbers of other elements")
        expect(hides or bool(runs[1][0][2].isnan()), f"a NaN input becomes {runs[1][0][2].item()}")
    return kept("stays where it is")
