"""What surrounding code does to a module: in-place operations, a new initialization, tracing, jagged inputs."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from learnact.compiler.verify import points
from learnact.compiler.verify.checks_shapes import CHUNK, compare, random
from learnact.compiler.verify.ledger import Finding, Ledger, expect, kept
from learnact.compiler.verify.subject import Subject, double
from learnact.compiler.verify.tolerances import FP64

CHANNELS = 3
CHANNELED = ((1, -1), (CHANNELS, -2), (CHANNELS, 2), (CHANNELS, 0), (CHANNELS, 1), (CHANNELS, -3))
"""Numbers of channels of a jagged tensor, and the dimension along which they lie."""

LENGTHS = (1, 2, 0)  # of the parts of a jagged tensor: every dimension is as long as there are channels
WIDTH = 4  # what follows the channels of a traced input: not as many
IN_PLACE = "modified by an inplace operation"  # torch's words where a saved tensor has been written to


def check_in_place(subject: Subject) -> Finding:
    """The output may be written to, and so may the input after the call: gradients stay right, or torch says so."""
    long = 2 * getattr(subject.module, "CHUNK", CHUNK) // CHANNELS + 1
    for rows, dtype in ((5, torch.float32), (5, torch.bfloat16), (long, torch.float32)):
        for channels in subject.counts(CHANNELS):
            module, label = subject.make(channels, dtype=dtype), f"{rows} rows in {dtype}, {channels} channels"
            x, cotangent = random((rows, CHANNELS), 720).to(dtype), random((rows, CHANNELS), 721).to(dtype)
            value, gradients = _twice(module, x, cotangent, in_place=False)
            again, found = _twice(module, x, cotangent, in_place=True)
            expect(torch.equal(value, again), f"{label}: the output doubled in place is not twice the output")
            expect(
                all(map(torch.equal, gradients, found)), f"{label}: gradients change if the output is doubled in place"
            )
            _written_inputs(module, x, cotangent, gradients, label)
    return kept("output written to", "input written to")


def _twice(module: nn.Module, x: Tensor, cotangent: Tensor, *, in_place: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Twice the output, and its gradients."""
    leaf = x.clone().requires_grad_()
    out = module(leaf)
    doubled = out.mul_(2.0) if in_place else out * 2.0
    gradients = torch.autograd.grad(doubled, [leaf, *module.parameters()], cotangent)
    return doubled.detach().clone(), gradients


def _written_inputs(module: nn.Module, x: Tensor, cotangent: Tensor, doubled: tuple[Tensor, ...], label: str) -> None:
    """Without gradients neither tensor shows in the other; with them a changed input is an error, no wrong result."""
    with torch.no_grad():
        given = x.clone()
        out = module(given)
        before = out.clone()
        given.zero_()
        expect(torch.equal(out, before), f"{label}: writing to the input changes the output")
        out.fill_(7.0)
        expect(not given.any(), f"{label}: writing to the output changes the input")
    leaf = x.clone().requires_grad_()
    given = leaf * 1.0
    out = module(given)
    given.zero_()
    expect(torch.equal(out.detach(), before), f"{label}: writing to the input changes the output")
    try:
        found = torch.autograd.grad(out, [leaf, *module.parameters()], 2.0 * cotangent)
    except RuntimeError as err:
        expect(IN_PLACE in str(err), f"{label}: after the input is written to, the backward raises {err}")
        return
    same = all(map(torch.equal, found[1:], doubled[1:]))
    expect(same, f"{label}: after the input is written to, the backward silently gives other gradients")


def check_reset_parameters(subject: Subject) -> Finding:
    """`reset_parameters` puts the printed start back, in place, into whatever memory the parameters have by then."""
    subject.require_parameters()
    for start in subject.starts:
        printed = subject.split(torch.tensor(subject.printed(start), dtype=torch.float64))
        for channels in subject.counts(CHANNELS):
            for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
                module = subject.make(channels, init=start, dtype=dtype, device="meta")
                module.reset_parameters()
                expect(all(t.is_meta for t in subject.held(module)), f"{start}: parameters on meta do not stay there")
                module.to_empty(device="cpu")
                held = subject.held(module)
                with torch.no_grad():
                    for parameter in held:
                        parameter.fill_(torch.nan)
                memory = [p.data_ptr() for p in held]
                module.reset_parameters()
                same = all(p is q for p, q in zip(subject.held(module), held, strict=True))
                same = same and memory == [p.data_ptr() for p in held]
                same = same and all(p.requires_grad for p in module.parameters())
                expect(same, f"{start}: reset_parameters makes new parameters")
                for parameter, values in zip(held, printed, strict=True):
                    wanted = values.to(dtype) if channels == 1 else values.to(dtype)[:, None].expand(-1, channels)
                    expect(
                        torch.equal(parameter.detach(), wanted),
                        f"{start} in {dtype}, {channels} channels: reset_parameters gives {parameter.tolist()}",
                    )
    return kept(f"{len(subject.starts)} starts", "in place", "after to_empty")


class _Called(nn.Module):
    """Calls the functional form on parameters of its own."""

    def __init__(self, subject: Subject, channels: int) -> None:
        super().__init__()
        self.subject = subject
        self.held = nn.ParameterList(subject.held(subject.make(channels, dtype=torch.float64)))

    def forward(self, x: Tensor) -> Tensor:
        return self.subject.function(x + 0.0, *self.held, **({} if self.subject.fixed else {"channel_dim": 1}))


def check_tracing(subject: Subject) -> Finding:
    """torch.fx.symbolic_trace and torch.jit.trace serve other shapes, a saved trace too; torch.jit.script says no."""
    ledger = Ledger()
    for channels in subject.counts(CHANNELS):
        module = subject.make(channels, channel_dim=1, dtype=torch.float64)
        for plain in (nn.Sequential(module), _Called(subject, channels)):
            graph = torch.fx.symbolic_trace(plain)
            for rows in (2, 5):
                x, cotangent = (random((rows, CHANNELS, WIDTH), stream) for stream in (730, 731))
                runs = []
                for call in (plain, graph):
                    leaf = x.clone().requires_grad_()
                    out = call(leaf)
                    runs.append([out, *torch.autograd.grad(out, [leaf, *call.parameters()], cotangent)])
                expect(all(map(torch.equal, *runs)), "a module traced by torch.fx computes something else")
        with _quiet():
            buffer = io.BytesIO()
            torch.jit.save(torch.jit.trace(module, random((2, CHANNELS, WIDTH), 732)), buffer)
            buffer.seek(0)
            loaded = torch.jit.load(buffer)
            x = random((5, CHANNELS, WIDTH), 733)
            truth = subject.oracle(double(x).ravel(), subject.settings[0].values, exact=False)
            bound = FP64.bound(truth.value.scale, truth.peak)
            ledger.compare(truth.value.error(double(loaded(x)).ravel()), bound, f"saved trace, {channels} channels")
            try:
                torch.jit.script(module)
            except Exception as err:
                says = "torch.compile" in str(err)
                expect(says, f"torch.jit.script raises {type(err).__name__} ({err}), which does not name torch.compile")
    return ledger.finding("values of saved traces")


def check_jagged(subject: Subject) -> Finding:
    """A jagged tensor gives what its parts give, or is refused by a TypeError or ValueError that says why."""
    ledger, refused = Ledger(), set[str]()
    columns = [points.near(subject.oracle, subject.settings[0].values, 740 + k) for k in range(CHANNELS)]
    for channels, axis in CHANNELED[:1] if subject.fixed else CHANNELED:
        label = f"{channels} channels along {axis}"
        values = random((sum(LENGTHS), CHANNELS, CHANNELS), 741)
        cotangent = random((sum(LENGTHS), CHANNELS, CHANNELS), 742)
        parameters = subject.channels(columns[:channels], torch.float64)
        parameters = [p[:, 0] for p in parameters] if channels == 1 else parameters
        with _quiet():
            x = torch.nested.nested_tensor(list(values.split(LENGTHS)), layout=torch.jagged, requires_grad=True)
            try:
                out = subject.function(x, *parameters, **({} if subject.fixed else {"channel_dim": axis}))
                slope, *gradients = torch.autograd.grad(out.values(), [x, *parameters], cotangent)
            except (TypeError, ValueError) as err:
                expect(bool(str(err).strip()), f"{label}: {type(err).__name__} without a word")
                refused.add(label)
                continue
            expect(out.shape == x.shape, f"{label}: shape {tuple(x.shape)} in, {tuple(out.shape)} out")
        expect(channels == 1 or axis in (2, -2), f"{label}: channels along the batch or the ragged dimension are taken")
        for c in range(channels):
            part = [t if channels == 1 else t[:, c] for t in (values, out.values(), cotangent, slope.values())]
            own = [g if channels == 1 else g[:, c] for g in gradients]
            compare(subject, ledger, label, (part[0], part[1], part[2], part[3], own), columns[c])
    if not ledger.count:
        return kept("refused")
    return ledger.finding(f"numbers of jagged tensors, {len(refused)} layouts refused")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings and log lines that torch.jit is old and that nested tensors are new."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
