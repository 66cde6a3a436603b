"""nn.Transformer, and models built as torchvision, timm and diffusers build theirs."""

from __future__ import annotations

import pytest
import torch
from client_models import GEGLU, MODELS, UNetBlock, batch
from client_round_trip import SPEC, fresh, keep, kept, output, trained
from torch import Tensor

from learnact import calibrate, swap, swap_per_channel
from learnact.training.errors import BadModel

LOADED = """
from pathlib import Path
from client_models import MODELS, batch
from client_round_trip import SPEC, keep, kept, output
from learnact import swap, swap_per_channel
folder = Path(sys.argv[1])
found = {}
for name, (build, _, _) in MODELS.items():
    for how in ("", ", per channel"):
        model = build()
        swap_per_channel(model, SPEC, batch(name)) if how else swap(model, SPEC)
        model.load_state_dict(kept(folder / f"{name}{how}.safetensors"))
        found[name + how] = output(model, batch(name))
keep(folder / "found.safetensors", found)
"""
FUSED = 1e-5
"""Relative to the largest entry: fused attention kernels of torch add in another order without gradients."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs of every trained model here, and of the same models loaded in a fresh process."""
    folder, expected = tmp_path_factory.mktemp("models"), {}
    for name, (build, _, places) in MODELS.items():
        x = batch(name)
        for how in ("", ", per channel"):
            model = build()
            if how:
                calibrate(swap_per_channel(model, SPEC, x), x, "balanced")
            else:
                assert set(trained(model, x, lambda model=model, x=x: model(x).square().mean())) == set(places)
            keep(folder / f"{name}{how}.safetensors", model.state_dict())
            expected[name + how] = output(model, x)
    fresh(LOADED, folder)
    return expected, kept(folder / "found.safetensors")


@pytest.mark.parametrize("name", [f"{name}{how}" for name in MODELS for how in ("", ", per channel")])
def test_the_loaded_model_computes_what_the_trained_one_did(
    outputs: tuple[dict[str, Tensor], dict[str, Tensor]], name: str
) -> None:
    expected, found = outputs
    assert found[name].equal(expected[name])
    assert expected[name].isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_every_call_is_measured(name: str) -> None:
    build, _, places = MODELS[name]
    model, x = build().eval(), batch(name)
    found = calibrate(swap(model, SPEC), x, "balanced")
    assert {m.path: len(m.calls) for m in found} == places
    with_gradients = model(x)
    difference = (output(model, x) - with_gradients).abs().max()
    assert difference <= FUSED * with_gradients.abs().max()


def test_a_gate_that_is_a_function_is_named() -> None:
    model, x = UNetBlock(GEGLU), batch("diffusers")
    with pytest.warns(UserWarning, match=r"were not replaced: ff\.0 \(GEGLU: F\.gelu\)"):
        assert [s.path for s in swap(model, SPEC, run=x)] == ["nonlinearity"]
    with pytest.raises(BadModel, match=r"called as functions: the model itself \(GEGLU: F\.gelu\)"):
        swap(GEGLU(8, 8), SPEC, run=torch.randn(2, 8))
