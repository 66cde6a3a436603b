"""In which surroundings does every generated module work? A page, and exit status 1 if a promise is broken.

    python -m benchmarks.matrix --page docs/matrix.md            # all modules of generated/, in some ten minutes
    python -m benchmarks.matrix --only Hermite3 --skip compile   # in seconds

Each cell runs the module there and compares values, dF/dx and parameter gradients with the plain eager module. What
cannot work must raise one clear error. ONNX needs onnxscript and onnxruntime, which the project does not install.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import io
import os
import pickle
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.tables import installed, table
from learnact import generated
from learnact.files import write_whole

Module = Any  # a class of learnact.generated
Grads = tuple[Tensor, ...]

NEAR = 1e-5
"""Of values and gradients in float32 against eager ones: sums are taken in another order."""
NEAR_HALF = 4e-2
"""Of bfloat16, which keeps eight bits: five steps of it."""

WORKS, REFUSED, MISSING = "yes", "refused", "not installed"


class Broken(Exception):
    """A promise that does not hold, with what was found."""


@dataclass(frozen=True)
class Surroundings:
    """One row of the page: its name, what is run, and to which group it belongs."""

    name: str
    run: Callable[[Module], None]
    group: str  # of the option --skip: plain, compile, spread
    refuses: str = ""  # words of the one clear error, where it cannot work
    needs: tuple[str, ...] = ()  # packages that the project does not install


def inputs(*shape: int, seed: int = 0) -> Tensor:
    """A normal input that wants a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (6, 40), generator=generator).requires_grad_()


def outcome(act: Callable[[Tensor], Tensor], x: Tensor, parameters: Sequence[Tensor]) -> Grads:
    """F(x), then the gradients of its weighted sum in x and in the parameters."""
    y = act(x)
    weights = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype)
    return (y, *torch.autograd.grad((y * weights).sum(), [x, *parameters]))


def equal(found: Grads, wanted: Grads, near: float = NEAR) -> None:
    """Raises Broken where they differ by more than `near` of the largest wanted entry, or in shape."""
    for what, a, b in zip(("F", "dF/dx", *("dF/dparameter",) * len(found)), found, wanted, strict=False):
        if a.shape != b.shape:
            raise Broken(f"{what} has shape {tuple(a.shape)}, not {tuple(b.shape)}")
        if not a.numel():
            continue
        off = (a.double() - b.double()).abs().max().item() / max(1.0, b.double().abs().max().item())
        if not off <= near:
            raise Broken(f"{what} is off by {off:.1e}")


def against_eager(act: nn.Module, run: Callable[[Tensor], Tensor], x: Tensor | None = None, near: float = NEAR) -> None:
    """`run` must give what the module gives eagerly."""
    x = inputs() if x is None else x
    parameters = list(act.parameters())
    equal(outcome(run, x, parameters), outcome(act, x, parameters), near)


def compiled(cls: Module) -> None:
    """One graph without breaks."""
    act = cls()
    against_eager(act, torch.compile(act, fullgraph=True))


def dynamic_shapes(cls: Module) -> None:
    """One compilation serves three batch sizes."""
    act = cls()
    run = torch.compile(act, fullgraph=True, dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for rows in (6, 11, 17):
            against_eager(act, run, inputs(rows, 40))


def exported(cls: Module) -> None:
    """torch.export with a dynamic batch, run at another size."""
    act = cls()
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(act, (inputs().detach(),), dynamic_shapes=({0: batch},), strict=True)
    x = inputs(13, 40).detach()
    equal((program.module()(x),), (act(x),))


def aot_inductor(cls: Module) -> None:
    """Exported, compiled ahead of time into a package, and loaded from it."""
    act = cls().requires_grad_(False)
    x = inputs().detach()
    with tempfile.TemporaryDirectory() as folder:
        program = torch.export.export(act, (x,))
        package = torch._inductor.aoti_compile_and_package(program, package_path=f"{folder}/act.pt2")
        equal((torch._inductor.aoti_load_package(package)(x),), (act(x),))


def onnx(cls: Module) -> None:
    """Exported to ONNX and run in onnxruntime."""
    import onnxruntime  # type: ignore[import-not-found]  # noqa: PLC0415

    act = cls().requires_grad_(False)
    x = inputs().detach()
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/act.onnx"
        torch.onnx.export(act, (x,), file, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(file)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    equal((torch.from_numpy(found),), (act(x),))


def vmapped(cls: Module) -> None:
    """torch.func.vmap over inputs, and over the parameters of four modules."""
    act, x = cls(), inputs()
    against_eager(act, torch.func.vmap(act))
    acts = [cls() for _ in range(4)]
    with torch.no_grad():
        for k, other in enumerate(acts):
            for p in other.parameters():
                p.mul_(1 + k / 10)
    stacked, _ = torch.func.stack_module_state(acts)
    several = torch.func.vmap(lambda p: torch.func.functional_call(act, p, (x,)))(stacked)
    equal((several,), (torch.stack([other(x) for other in acts]),))


def func_transforms(cls: Module) -> None:
    """grad, jvp, vjp and a Hessian of torch.func."""
    act, x = cls(), inputs(7).detach()
    slope = torch.func.vmap(torch.func.grad(act))(x)
    _, along = torch.func.jvp(act, (x,), (torch.ones_like(x),))
    _, back = torch.func.vjp(act, x)
    equal((along, back(torch.ones_like(x))[0]), (slope, slope))
    hessian = torch.func.hessian(lambda t: act(t).sum())(x)
    if not torch.isfinite(hessian).all():
        raise Broken("the Hessian is not finite")


def autocast(cls: Module) -> None:
    """Under autocast to bfloat16, fed by a linear layer."""
    act, layer = cls(), nn.Linear(40, 40)
    with torch.autocast("cpu", torch.bfloat16):
        y = act(layer(inputs().detach()))
        wanted = act(layer(inputs().detach()).float())
    if y.dtype != torch.bfloat16:
        raise Broken(f"the result is {y.dtype}")
    equal((y,), (wanted,), NEAR_HALF)


def half(cls: Module) -> None:
    """Parameters and input in bfloat16 and in float16."""
    for dtype in (torch.bfloat16, torch.float16):
        act = cls(dtype=dtype)
        x = inputs().detach().to(dtype)
        equal((act(x),), (copy.deepcopy(act).float()(x.float()),), NEAR_HALF)


def channels_last(cls: Module) -> None:
    """A channels_last image with a shape for each channel keeps its layout."""
    act = cls(5, channel_dim=1)
    x = inputs(2, 5, 4, 3).detach().to(memory_format=torch.channels_last).requires_grad_()
    against_eager(act, lambda t: act(t.contiguous()), x)
    if not act(x).is_contiguous(memory_format=torch.channels_last):
        raise Broken("the result is not channels_last")


def strided(cls: Module) -> None:
    """Every second column, transposed."""
    act = cls()
    x = inputs(12, 80)[:, ::2].t().detach().requires_grad_()
    against_eager(act, lambda t: act(t.contiguous()), x)


def empty(cls: Module) -> None:
    """No elements: an empty result, gradients 0."""
    act = cls()
    y, slope, *grads = outcome(act, inputs(0, 40), list(act.parameters()))
    if y.shape != (0, 40) or slope.shape != (0, 40) or any(g.abs().max() > 0 for g in grads):
        raise Broken("an empty input gives no empty result, or a gradient that is not 0")


def scalar(cls: Module) -> None:
    """A tensor of no dimensions."""
    act = cls()
    x = torch.tensor(0.3, requires_grad=True)
    equal(outcome(act, x, []), tuple(t.reshape(()) for t in outcome(act, x.detach()[None].requires_grad_(), [])))


def meta(cls: Module) -> None:
    """Built on the meta device, given memory, and set to its start."""
    act, fresh = cls(device="meta").to_empty(device="cpu"), cls()
    act.reset_parameters()
    x = inputs()
    equal(outcome(act, x, list(act.parameters())), outcome(fresh, x, list(fresh.parameters())))


def copied(cls: Module) -> None:
    """deepcopy is independent."""
    act = cls()
    other = copy.deepcopy(act)
    x = inputs()
    equal(outcome(other, x, list(other.parameters())), outcome(act, x, list(act.parameters())))
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1.0)
    if any(torch.equal(a, b) for a, b in zip(act.parameters(), other.parameters(), strict=True)):
        raise Broken("the copy shares parameters")


def pickled(cls: Module) -> None:
    """pickle, and torch.save with torch.load(weights_only=True) of the state."""
    act = cls()
    x = inputs()
    equal((pickle.loads(pickle.dumps(act))(x),), (act(x),))
    file = io.BytesIO()
    torch.save(act.state_dict(), file)
    file.seek(0)
    other = cls()
    other.load_state_dict(torch.load(file, weights_only=True))
    equal((other(x),), (act(x),))


def safetensors(cls: Module) -> None:
    """Saved and loaded by safetensors."""
    from safetensors.torch import load_model, save_model  # noqa: PLC0415

    act, other = cls(3, channel_dim=-1), cls(3, channel_dim=-1)
    with torch.no_grad():
        for p in act.parameters():
            p.mul_(1.5)
    with tempfile.TemporaryDirectory() as folder:
        save_model(act, f"{folder}/act.safetensors")
        load_model(other, f"{folder}/act.safetensors")
    x = inputs(6, 3)
    equal((other(x),), (act(x),))


def checkpointed(cls: Module) -> None:
    """Recomputed by torch.utils.checkpoint."""
    from torch.utils.checkpoint import checkpoint  # noqa: PLC0415

    act = cls()
    against_eager(act, lambda t: checkpoint(act, t, use_reentrant=False))


def make_fx(cls: Module) -> None:
    """Traced to aten operations with its gradient."""
    from torch.fx.experimental.proxy_tensor import make_fx as trace  # noqa: PLC0415

    act, x = cls(), inputs().detach()

    def slope(t: Tensor) -> Tensor:
        t = t.detach().requires_grad_()
        return torch.autograd.grad(act(t).sum(), t)[0]

    equal((trace(slope)(x)(x + 0.1),), (slope(x + 0.1),))


def symbolic_trace(cls: Module) -> None:
    """torch.fx.symbolic_trace, as one call."""
    act = cls()
    against_eager(act, torch.fx.symbolic_trace(act))


def jit_trace(cls: Module) -> None:
    """torch.jit.trace, saved and loaded."""
    act, x = cls(), inputs()
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(act, x), file)
    file.seek(0)
    equal((torch.jit.load(file)(x + 0.1),), (act(x + 0.1),))


def jit_script(cls: Module) -> None:
    """torch.jit.script."""
    torch.jit.script(cls())


def jagged(cls: Module) -> None:
    """A jagged nested tensor."""
    act = cls()
    parts = [inputs(n, 4).detach() for n in (3, 5)]
    nested = torch.nested.nested_tensor(parts, layout=torch.jagged)
    equal(tuple(act(nested).unbind()), tuple(act(p) for p in parts))


@contextmanager
def one_process() -> Iterator[Any]:
    """A process group of one, over gloo."""
    with tempfile.TemporaryDirectory() as folder:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        try:
            yield torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        finally:
            torch.distributed.destroy_process_group()


def ddp(cls: Module) -> None:
    """DistributedDataParallel."""
    with one_process():
        act = cls()
        parallel = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(40, 40), act))
        parallel(inputs().detach()).sum().backward()
        if any(p.grad is None or not torch.isfinite(p.grad).all() for p in act.parameters()):
            raise Broken("a parameter has no finite gradient")


def fsdp2(cls: Module) -> None:
    """fully_shard, from the meta device on."""
    from torch.distributed.fsdp import fully_shard  # noqa: PLC0415

    with one_process() as mesh:
        model = nn.Sequential(nn.Linear(40, 40, device="meta"), cls(device="meta"))
        fully_shard(model, mesh=mesh)
        model.to_empty(device="cpu")
        for module in model:
            module.reset_parameters()  # type: ignore[operator]
        model(inputs().detach()).sum().backward()
        fresh = cls()
        for p, q in zip(model[1].parameters(), fresh.parameters(), strict=True):
            if p.grad is None or not torch.equal(p.full_tensor().detach(), q.detach()):  # type: ignore[attr-defined]
                raise Broken("a sharded parameter is not at its start, or has no gradient")


SURROUNDINGS = (
    Surroundings("torch.compile", compiled, "compile"),
    Surroundings("torch.compile, dynamic shapes", dynamic_shapes, "compile"),
    Surroundings("torch.export, dynamic batch", exported, "compile"),
    Surroundings("AOTInductor", aot_inductor, "compile"),
    Surroundings("ONNX in onnxruntime", onnx, "compile", needs=("onnxscript", "onnxruntime")),
    Surroundings("torch.func.vmap", vmapped, "plain"),
    Surroundings("grad, jvp, vjp, hessian of torch.func", func_transforms, "plain"),
    Surroundings("autocast to bfloat16", autocast, "plain"),
    Surroundings("bfloat16 and float16", half, "plain"),
    Surroundings("channels_last, per channel", channels_last, "plain"),
    Surroundings("strided", strided, "plain"),
    Surroundings("no elements", empty, "plain"),
    Surroundings("no dimensions", scalar, "plain"),
    Surroundings("jagged", jagged, "plain"),
    Surroundings("meta, then to_empty", meta, "plain"),
    Surroundings("deepcopy", copied, "plain"),
    Surroundings("pickle, torch.save", pickled, "plain"),
    Surroundings("safetensors", safetensors, "plain"),
    Surroundings("torch.utils.checkpoint", checkpointed, "plain"),
    Surroundings("make_fx", make_fx, "plain"),
    Surroundings("torch.fx.symbolic_trace", symbolic_trace, "plain"),
    Surroundings("torch.jit.trace, saved", jit_trace, "plain"),
    Surroundings("torch.jit.script", jit_script, "plain", refuses="use torch.compile or torch.export"),
    Surroundings("DDP, one process", ddp, "spread"),
    Surroundings("FSDP2, one process", fsdp2, "spread"),
)


def verdict(cls: Module, place: Surroundings) -> str:
    """`yes`, `refused`, `not installed`, or what is broken."""
    if any(importlib.util.find_spec(package) is None for package in place.needs):
        return MISSING
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            place.run(cls)
    except Broken as err:
        return f"BROKEN: {err}"
    except Exception as err:  # whatever it raises is the answer
        said = " ".join(str(err).split())
        return REFUSED if place.refuses and place.refuses in said else f"BROKEN: {type(err).__name__}: {said[:160]}"
    return "BROKEN: not refused" if place.refuses else WORKS


MARK = "<!-- printed by `python -m benchmarks.matrix --page docs/matrix.md`: do not edit below -->"


def page(rows: dict[str, dict[str, str]]) -> str:
    """The table: surroundings down, modules across; what all of them do is said once."""
    names = list(next(iter(rows.values())))
    cells = [[place, *(found[n] for n in names)] for place, found in rows.items()]
    packages = [f"{name} {found}" for name in ("torch", "onnxscript", "onnxruntime") if (found := installed(name))]
    return "\n".join([MARK, "", f"With {', '.join(packages)}.", "", table(["", *names], cells)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells; print the table or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="classes, by comma")
    parser.add_argument("--skip", default="", help="groups, by comma: compile, plain, spread")
    parser.add_argument("--page", type=Path, help="replace what stands below the mark of this page")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    classes = options.only.split(",") if options.only else list(generated.MODULES)
    places = [p for p in SURROUNDINGS if p.group not in options.skip.split(",")]
    rows: dict[str, dict[str, str]] = {}
    for place in places:
        begin = time.perf_counter()
        rows[place.name] = {name: verdict(getattr(generated, name), place) for name in classes}
        print(f"{place.name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    text = page(rows)
    if options.page:
        written = options.page.read_text(encoding="utf-8")
        write_whole(options.page, written[: written.index(MARK)] + text, force=True)
    else:
        print(text)
    return int(any(cell.startswith("BROKEN") for found in rows.values() for cell in found.values()))


if __name__ == "__main__":
    sys.exit(main())
