"""Gated blocks F(u) v: their size, what calibration makes of the product, and that they are kept and loaded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import TINY, command, complaint, losses
from torch import Tensor

import learnact.transformers
from learnact import Declaration, load, start
from learnact.errors import NoStart
from learnact.training.config import Gpt2
from learnact.training.errors import BadModel
from learnact.training.model.activation import choose, install
from learnact.training.model.calibrate import calibrate
from learnact.training.model.gates import gated_width
from learnact.training.model.models import build_gpt2
from learnact.training.model.swap import swap
from learnact.training.run.presets import configure

SAMPLED = 0.15
"""Relative: 2 x 5 % for a sigma of two digits, once for u and once for v; 384 hidden units with a law each."""


def gpt2(activation: str = "gelu", start: str = "", **changes: Any) -> Gpt2:
    sizes = {"layers": 2, "width": 144, "heads": 2, "context": 32, "gated": True}
    config = configure("gpt2", "tiny", {**sizes, "activation": activation, "start": start, **changes})
    assert isinstance(config, Gpt2)
    return config


def batch() -> Tensor:
    return torch.randint(257, (8, 32), generator=torch.Generator().manual_seed(0))


def put(config: Gpt2) -> tuple[Any, list[Any], Callable[[], object]]:
    model = build_gpt2(config, 257, 256).eval()
    tokens = batch()
    choice = choose(config.activation, config.start)
    _, moments = install(model, choice, config, lambda: model(input_ids=tokens))
    return model, moments, lambda: model(input_ids=tokens).logits.float().logsumexp(-1).mean()


def measured(model: Any, run: Callable[[], Any]) -> list[dict[str, float]]:
    """Of each block the mean squares of u, v, F(u) and F(u) v; and of the gradients' factors F'(u) v."""
    found: list[dict[str, float]] = []
    hooks = []

    def square(t: Tensor) -> float:
        return t.detach().double().square().mean().item()

    for block in model.transformer.h:
        mlp, seen = block.mlp, {}
        found.append(seen)

        def act(_: Any, args: Any, out: Tensor, seen: dict = seen) -> None:
            x = args[0].detach().clone().requires_grad_()
            with torch.enable_grad():
                (seen["slopes"],) = torch.autograd.grad(_.forward(x).sum(), x)
            seen["u"], seen["F"] = square(args[0]), square(out)

        def product(_: Any, args: Any, seen: dict = seen) -> None:
            seen["slope"] = square(seen.pop("slopes") * seen["gate"])
            seen["v"] = square(seen.pop("gate"))
            seen["product"] = square(args[0])

        def gate(_: Any, __: Any, out: Tensor, seen: dict = seen) -> None:
            seen["gate"] = out.detach()

        hooks += [mlp.act.register_forward_hook(act), mlp.c_up.register_forward_hook(gate)]
        hooks += [mlp.c_proj.register_forward_pre_hook(product)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("width", [128, 768, 1600])
def test_a_gated_block_has_the_parameters_of_the_block_that_it_replaces(width: int) -> None:
    plain = 2 * width * 4 * width
    assert 3 * width * gated_width(width) == pytest.approx(plain, rel=0.01)
    assert gated_width(768) == 2048
    assert gated_width(1) == 8


def test_what_it_shares_with_the_block_without_a_gate_has_the_same_first_weights() -> None:
    gated, plain = (dict(build_gpt2(gpt2(gated=g), 257, 256).named_parameters()) for g in (True, False))
    same = {name for name in gated.keys() & plain.keys() if torch.equal(gated[name], plain[name])}
    assert {n for n in plain if ".mlp." not in n} == {n for n in same if ".mlp." not in n}
    for name, share in (("c_up", 1), ("c_fc", 1), ("c_proj", 1 / math.sqrt(2 * 2))):
        weight = gated[f"transformer.h.0.mlp.{name}.weight"]
        assert weight.std().item() == pytest.approx(0.02 * share, rel=0.03)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("name", "begin", "slope"), [("hermite:3", "balanced", 1.0), ("gelu", "balanced", 1.0), ("gelu", "forward", None)]
)
def test_the_product_has_the_second_moment_of_the_block_without_a_gate(
    name: str, begin: str, slope: float | None, shared: bool
) -> None:
    """E[(F v)^2] = E[u^2], and E[(F' v)^2] = 1 where the start is balanced: exact but for the batch and two digits."""
    model, moments, run = put(gpt2(name, begin, shared=shared))
    for block, fed in zip(measured(model, run), moments * (2 if shared else 1), strict=True):
        assert fed.gate == pytest.approx(math.sqrt(block["v"]), rel=0.1 if shared else 1e-5)
        assert block["product"] == pytest.approx(block["F"] * block["v"], rel=SAMPLED), "independence"
        assert block["product"] == pytest.approx(block["u"], rel=SAMPLED)
        if slope is not None:
            assert block["slope"] == pytest.approx(slope, rel=SAMPLED)
    assert block["F"] > 5 * block["u"], "a start without the factor has E[F^2] = E[u^2]"


def test_other_calibrations_say_what_they_make_of_the_product() -> None:
    for calibration, product in (("unit", lambda b: b["v"]), ("weights", lambda _: 1.0)):
        model, _, run = put(gpt2("hermite:3", calibrate=calibration))
        for block in measured(model, run):
            assert block["product"] == pytest.approx(product(block), rel=SAMPLED)
    model, moments, run = put(gpt2("silu"))
    assert moments == []
    assert model.transformer.h[0].mlp.act(torch.tensor(1.0)).item() == pytest.approx(1 / (1 + math.exp(-1)))
    model, _, run = put(gpt2("silu", calibrate="weights"))
    for block in measured(model, run):
        assert (block["u"], block["v"]) == pytest.approx((1, 1), rel=1e-3)


def test_the_start_is_the_compilers_times_a_factor(tmp_path: Path) -> None:
    model, (fed, _), _ = put(gpt2("hermite:3"))
    gate = float(f"{fed.gate:.1e}")
    alone = start("hermite:3", "balanced", sigma=fed.rounded, preserve=True)["coefficients"]
    assert model.transformer.h[0].mlp.act.coefficients.tolist() == pytest.approx([a / gate for a in alone])


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    for name, changes in (("hermite:3", {}), ("hermite:3", {"per_channel": True}), ("silu", {})):
        model, _, _ = put(gpt2(name, **changes))
        model.save_pretrained(tmp_path)
        again = learnact.transformers.from_pretrained(tmp_path)
        assert torch.equal(again(input_ids=batch()).logits, model(input_ids=batch()).logits)


def test_a_gate_of_zeros_and_a_shape_without_a_factor_are_refused() -> None:
    model = build_gpt2(gpt2(), 257, 256).eval()
    torch.nn.init.zeros_(model.transformer.h[0].mlp.c_up.weight)
    with pytest.raises(BadModel, match=r"what transformer\.h\.0\.mlp\.act is multiplied with is 0"):
        calibrate(swap(model, "hermite:3"), {"input_ids": batch()})
    bounded = load(Declaration(expr="tanh(b*x)", params=("b=1",), name="Bounded"))
    with pytest.raises(NoStart, match="no parameter of bounded scales the whole function"):
        calibrate(swap(build_gpt2(gpt2(), 257, 256), bounded), {"input_ids": batch()})


def test_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, names, tiny = tmp_path / "run", {}, (*TINY, "--layers", "1", "--steps", "3")
    for word in ("swiglu", "silu", "hermite:3", "gelu"):
        out = run / word.replace(":", "")
        gated = ("--gated",) if word in {"silu", "hermite:3"} else ()
        code, _, err = command(capsys, *tiny, "-a", word, *gated, "--out", out)
        assert code == 0, err
        names[word] = losses(out)
    assert names["swiglu"] == names["silu"] != names["hermite:3"]
    code, said, err = command(capsys, "harvest", run / "hermite3", "--cpu", "--out", tmp_path / "act")
    assert (code, said.count("mlp.act")) == (0, 1), err
    words = ("--steps", "1", "--cpu", "--max-gap", "9")
    tuned = ("finetune", run / "silu", "-a", "hermite:5", "--start", "silu", *words, "--out", tmp_path / "tuned")
    code, _, err = command(capsys, *tuned)
    assert code == 0, err
    for bad, said in (
        (("finetune", run / "silu", "--no-gated", *words), "has gated blocks, and its weights fit no other"),
        (("finetune", run / "gelu", "--gated", *words), "has no gated blocks, and its weights fit no other"),
        (("convnext", "--gated", "--steps", "1", "--cpu"), "gated blocks are for gpt2, whose MLPs they replace"),
        ((*TINY, "-a", "swiglu", "--no-gated"), "swiglu is gated, found --no-gated; write silu"),
        (("study", *TINY, "-a", "swiglu,gated"), "gives gated twice"),
        (("study", *TINY, "-a", "swiglu", "-a", "silu,gated"), "the grid holds a setting twice"),
    ):
        code, _, err = command(capsys, *bad, "--out", tmp_path / "none")
        assert code == 2
        assert said in complaint(err)
        assert not (tmp_path / "none").exists()


def test_configurations_of_other_models_do_not_change() -> None:
    assert type(build_gpt2(replace(gpt2(), gated=False), 257, 256)).__name__ == "GPT2LMHeadModel"
