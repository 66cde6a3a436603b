"""The swapped model is the model that runs: hosts that noted their activation, and the pass that shows it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from learnact.generated import Hermite3
from learnact.training.errors import BadModel
from learnact.training.model import hosts, passes
from learnact.training.model.swap import swap

FLOAT = 2e-5
"""Two layers of width 16 in float32, by kernels that add in different orders."""


def encoder(activation: object) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, activation, batch_first=True)
    return nn.TransformerEncoder(layer, 2)


def every_way(model: nn.Module, *args: Tensor, **keywords: Tensor) -> list[Tensor]:
    """Training mode, evaluation mode, evaluation mode without gradients: the last one may take fused kernels."""
    trained = model.train()(*args, **keywords)
    evaluated = model.eval()(*args, **keywords)
    with torch.no_grad():
        return [trained.detach(), evaluated.detach(), model(*args, **keywords)]


@pytest.mark.parametrize(
    "activation", [F.relu, F.gelu, "gelu", nn.GELU(), nn.ReLU()], ids=["relu", "gelu", "name", "GELU", "ReLU"]
)
def test_transformer_encoders_compute_with_the_new_activation_in_every_mode(activation: object) -> None:
    model, x = encoder(activation), torch.randn(3, 5, 16)
    before = every_way(model, x)
    swapping = swap(model.train(), Hermite3, run=x)
    assert [s.path for s in swapping] == ["layers.0.activation", "layers.1.activation"]
    after = every_way(model, x)
    for found in after:
        torch.testing.assert_close(found, after[0], atol=FLOAT, rtol=0)
    assert (after[2] - before[2]).abs().max() > 100 * FLOAT


def test_padded_batches_are_not_packed_for_the_fused_kernel() -> None:
    model, x = encoder("relu"), torch.randn(3, 5, 16)
    padding = torch.arange(5) >= torch.tensor([[5], [3], [2]])
    swap(model, Hermite3, run={"src": x, "src_key_padding_mask": padding})
    assert not model.use_nested_tensor
    trained, *others = every_way(model, x, src_key_padding_mask=padding)
    for found in others:
        torch.testing.assert_close(found[~padding], trained[~padding], atol=FLOAT, rtol=0)


def test_decoders_and_the_whole_transformer() -> None:
    model = nn.Transformer(16, 2, 1, 1, 32, 0.0, batch_first=True)
    x = torch.randn(2, 4, 16)
    swapping = swap(model, Hermite3, run=(x, x))
    assert [s.path for s in swapping] == ["encoder.layers.0.activation", "decoder.layers.0.activation"]
    trained, *others = every_way(model, x, x)
    for found in others:
        torch.testing.assert_close(found, trained, atol=FLOAT, rtol=0)


def test_without_the_correction_the_pass_sees_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "correct", lambda model, replaced: [])
    model, x = encoder("gelu").eval(), torch.randn(3, 5, 16)
    with torch.no_grad():
        before = model(x)
        with pytest.raises(BadModel, match=r"in evaluation mode the batch never reached layers\.0\.activation, layers"):
            swap(model, Hermite3, run=x)
        assert torch.equal(model(x), before)
    assert model.layers[0].activation is F.gelu
    assert "activation" not in dict(model.layers[0].named_children())


class Fused(nn.Module):
    """An MLP that computes by a kernel of its own, always or in one mode, and keeps its activation for show."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.fc, self.act, self.out, self.when = nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4), when

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        fused = self.when == "always" or self.training == (self.when == "training")
        return self.out(torch._C._nn.gelu(y) if fused else self.act(y))


@pytest.mark.parametrize("when", ["always", "training", "evaluation"])
def test_a_replaced_module_that_is_not_called_is_an_error_and_nothing_is_changed(when: str) -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Fused(when), nn.BatchNorm1d(4)), torch.randn(1, 4)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    mode = "training" if when == "training" else "evaluation"
    with pytest.raises(BadModel, match=rf"in {mode} mode the batch never reached 2\.act: "):
        swap(model, Hermite3, run=x)
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, Fused, nn.BatchNorm1d]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2", "3"]
    assert type(model[2].act) is nn.GELU
    assert model.training
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [s.path for s in swap(model, Hermite3, lambda path, _: path == "1", run=x)] == ["1"]


def test_layers_left_out_at_random_are_not_taken_for_unused() -> None:
    class Dropped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.GELU()) for _ in range(6))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                if not self.training or torch.rand(()) > 0.2:
                    x = layer(x)
            return x

    assert len(swap(Dropped(), Hermite3, run=torch.randn(2, 4))) == 6


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Tanh())

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        x = F.relu(self.stem(x)) + F.leaky_relu(x).relu_() * scale
        return torch.relu(torch.tanh(self.body(x)))


def test_activations_called_as_functions_are_reported_with_the_module_that_calls_them() -> None:
    model, x = nn.ModuleDict({"net": Mixed()}), torch.randn(2, 4)
    with pytest.warns(UserWarning, match=r"net \(Mixed: F\.relu\); net \(Mixed: F\.leaky_relu\)"):
        swapping = swap(model, Hermite3, run=lambda: model["net"](x))
    found = {(f.path, f.function): f.calls for f in swapping.functional}
    assert found == {
        ("net", "F.relu"): 1, ("net", "F.leaky_relu"): 1, ("net", "Tensor.relu_"): 1, ("net", "torch.relu"): 1
    }  # fmt: skip
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


def test_a_model_of_functions_alone_has_nothing_to_replace_and_the_error_names_them() -> None:
    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.gelu(F.silu(x))

    model = nn.Sequential(nn.Linear(2, 2), Functional())
    with pytest.raises(BadModel, match=r"called as functions: 1 \(Functional: F\.silu\); 1 \(Functional: F\.gelu\)"):
        swap(model, Hermite3, run=torch.randn(2, 2))


@pytest.mark.parametrize(
    "run", [torch.randn(2, 4), {"x": torch.randn(2, 4)}, (torch.randn(2, 4), 0.5), [torch.randn(2, 4)]], ids=type
)
def test_a_batch_is_a_tensor_a_mapping_or_a_tuple(run: passes.Run) -> None:
    with pytest.warns(UserWarning, match="computes other activations"):
        assert len(swap(Mixed(), Hermite3, run=run)) == 1
    with pytest.raises(BadModel, match="run must be a batch"):
        swap(Mixed(), Hermite3, run=3)


def test_compiled_models_are_proved_without_compiling() -> None:
    model = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.GELU()), backend="eager")
    assert [s.path for s in swap(model, Hermite3, run=torch.randn(2, 4))] == ["_orig_mod.1"]
