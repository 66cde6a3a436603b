"""Names that transformers understands, configurations that tell the truth, parameters that a checkpoint lacks."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.activations import ACT2FN

import learnact.transformers
from learnact import Declaration, calibrate, generated, load, swap, swap_per_channel
from learnact.errors import UnknownName
from learnact.generated import MODULES, Hermite3, Hermite5, Tropical3
from learnact.training.errors import BadModel
from learnact.training.model import act2fn

TOKENS = torch.arange(8)[None]
NAME = "learnact.transformers:hermite3"


def config(activation: str = "gelu_new") -> GPT2Config:
    shape = {"vocab_size": 64, "n_positions": 8, "n_embd": 16, "n_layer": 2, "n_head": 2}
    return GPT2Config(**shape, activation_function=activation, bos_token_id=0, eos_token_id=0)


def gpt2(activation: str = "gelu_new") -> GPT2LMHeadModel:
    return GPT2LMHeadModel(config(activation)).eval()


def acts(model: nn.Module) -> list[nn.Module]:
    return [block.mlp.act for block in model.transformer.h]


def test_every_generated_class_and_start_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act2fn, "_registered", {})  # what other tests gave these names to, in this process
    for name, slug in MODULES.items():
        assert type(ACT2FN[f"learnact:{slug}"]) is getattr(generated, name)
        for start in getattr(generated, name).starts:
            assert ACT2FN[f"learnact:{slug}@{start}"].init == start
    assert learnact.transformers.register(Hermite5, "gelu") == "learnact.transformers:hermite5@gelu"
    assert ACT2FN["learnact:hermite5@gelu"] is not ACT2FN["learnact:hermite5@gelu"]
    assert type(ACT2FN["learnact:hermite1"]).spec == "hermite:1"  # compiled now
    assert ACT2FN["gelu_new"]
    with pytest.raises(KeyError, match="nothing"):
        ACT2FN["nothing"]


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(UnknownName, match="balanced"):
        learnact.transformers.register(Hermite3, "nope")
    with pytest.raises(BadModel, match="takes a class that learnact emitted"):
        learnact.transformers.register(nn.GELU)
    with pytest.raises(UnknownName, match="start of hermite:3"):
        gpt2("learnact:hermite3@nope")
    with pytest.raises(BadModel, match=r"no activation is known as 'learnact:tanh_mix' .* call learnact.transformers"):
        gpt2("learnact:tanh_mix")


def test_a_swap_writes_the_name_and_the_saved_model_is_the_swapped_one(tmp_path: Path) -> None:
    model = gpt2()
    calibrate(swap(model, "hermite:3@gelu"), {"input_ids": TOKENS})
    assert model.config.activation_function == f"{NAME}@gelu"
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert again(TOKENS).logits.equal(model(TOKENS).logits)


def test_another_model_of_the_same_configuration_keeps_it() -> None:
    common = config()
    first, second = GPT2LMHeadModel(common), GPT2LMHeadModel(common)
    swap(first, Hermite3)
    assert second.config.activation_function == common.activation_function == "gelu_new"
    assert first.config is first.transformer.config
    assert first.config.activation_function == NAME


def test_classical_activations_are_named_too() -> None:
    model = gpt2()
    swap(model, nn.ReLU)
    assert model.config.activation_function == "relu"
    swap(model, Hermite3)
    swap(model, ACT2FN["gelu_new"], Hermite3)
    assert model.config.activation_function == "gelu_new"


def mixed(model: nn.Module) -> None:
    swap(model, Hermite3, lambda path, _: path.endswith("h.0.mlp.act"))
    swap(model, "tropical:3", lambda path, _: path.endswith("h.1.mlp.act"))


def partly(model: nn.Module) -> None:
    swap(model, Hermite3, lambda path, _: path.endswith("h.1.mlp.act"))


def shared(model: nn.Module) -> None:
    swap(model, Hermite3, shared=True)


def by_channel(model: nn.Module) -> None:
    swap_per_channel(model, "stretched_hermite:2", {"input_ids": TOKENS}, groups=2)


@pytest.mark.parametrize("change", [mixed, partly, shared, by_channel])
def test_what_one_name_cannot_say_is_listed_and_loaded_by_the_list(change: object, tmp_path: Path) -> None:
    model = gpt2()
    change(model)
    with torch.no_grad():
        for k, act in enumerate(acts(model)):
            for number in (*act.parameters(), *act.buffers()):
                number.add_(0.01 * (k + 1))
    model.save_pretrained(tmp_path)
    with pytest.raises(BadModel, match=r"place by place.*load it by learnact.transformers.from_pretrained"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    again = learnact.transformers.from_pretrained(tmp_path).eval()
    assert type(again) is GPT2LMHeadModel
    assert [type(a) for a in acts(again)] == [type(a) for a in acts(model)]
    assert (acts(again)[0] is acts(again)[1]) == (change is shared)
    assert again(TOKENS).logits.equal(model(TOKENS).logits)
    again.save_pretrained(tmp_path / "again")
    third = learnact.transformers.from_pretrained(tmp_path / "again", GPT2LMHeadModel).eval()
    assert third(TOKENS).logits.equal(model(TOKENS).logits)


def test_a_class_of_ones_own_is_registered_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cls = load(Declaration(expr="a*tanh(b*x) + c*x", params=("a=1", "b=1", "c=0.5"), name="TanhLine"))
    model = gpt2()
    calibrate(swap(model, cls), {"input_ids": TOKENS})
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(act2fn, "_registered", {})  # as in a fresh process
    with pytest.raises(
        BadModel, match=r"no activation is known as 'learnact.transformers:tanh_line' .*register\(cls\)"
    ):
        GPT2LMHeadModel.from_pretrained(tmp_path)
    learnact.transformers.register(cls)
    assert GPT2LMHeadModel.from_pretrained(tmp_path).eval()(TOKENS).logits.equal(model(TOKENS).logits)


def test_a_list_gives_way_to_a_name_when_one_will_do() -> None:
    model = gpt2()
    mixed(model)
    assert model.config.activation_function == "learnact.transformers:by_place"
    swap(model, Hermite3, Tropical3)
    assert model.config.activation_function == NAME
    assert not hasattr(model.config, "learnact")


def test_what_no_name_describes_is_warned_of_and_refused(tmp_path: Path) -> None:
    class Own(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sin()

    model = gpt2()
    with pytest.warns(UserWarning, match=r"cannot describe the activations at transformer\.h\.0\.mlp\.act \(Own\)"):
        swap(model, Own)
    model.save_pretrained(tmp_path)
    with pytest.raises(BadModel, match="no name describes at transformer"):
        learnact.transformers.from_pretrained(tmp_path)
    with pytest.raises(BadModel, match="place by place"):
        GPT2LMHeadModel.from_pretrained(tmp_path)
    with pytest.raises(BadModel, match="needs the model's class, found"):
        learnact.transformers.from_pretrained(tmp_path, AutoModelForCausalLM)


def test_a_model_that_names_no_activation_is_warned_of(tmp_path: Path) -> None:
    model = transformers.BloomForCausalLM(
        transformers.BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2)
    ).eval()
    with pytest.warns(UserWarning, match="does not name its activation: after save_pretrained, load by learnact"):
        swap(model, Hermite3, run={"input_ids": TOKENS})
    model.save_pretrained(tmp_path)
    with pytest.raises(BadModel, match="place by place"):
        transformers.BloomForCausalLM.from_pretrained(tmp_path)
    assert learnact.transformers.from_pretrained(tmp_path).eval()(TOKENS).logits.equal(model(TOKENS).logits)


def test_parameters_that_a_checkpoint_lacks_get_their_start(tmp_path: Path) -> None:
    gpt2().save_pretrained(tmp_path)
    torch.full((1 << 16,), float("nan"))  # memory that an uninitialized parameter may find
    model = AutoModelForCausalLM.from_pretrained(tmp_path, activation_function="learnact:hermite3@gelu")
    for act in acts(model):
        assert act.coefficients.equal(Hermite3(init="gelu").coefficients)
    half = AutoModelForCausalLM.from_pretrained(tmp_path, activation_function="learnact:hermite3", dtype=torch.bfloat16)
    assert {act.coefficients.dtype for act in acts(half)} == {torch.float32}
    assert half.lm_head.weight.dtype == torch.bfloat16
    assert acts(half)[0].coefficients.equal(Hermite3().coefficients)


def test_a_part_that_the_checkpoint_has_is_kept(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    model = gpt2()
    swap(model, "sinusoid")
    with torch.no_grad():
        acts(model)[0].amplitude.fill_(7.0)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = "transformer.h.0.mlp.act.frequency"
    save_file({n: t for n, t in weights.items() if n != lost}, tmp_path / "model.safetensors", {"format": "pt"})
    act = acts(AutoModelForCausalLM.from_pretrained(tmp_path))[0]
    assert act.amplitude.item() == 7.0
    assert act.frequency.equal(type(act)().frequency)


def test_half_precision_keeps_activations_in_float32_and_loads_them_so(tmp_path: Path) -> None:
    model = gpt2().to(torch.bfloat16)
    swap(model, Hermite3)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert again.lm_head.weight.dtype == torch.bfloat16
    assert again(TOKENS).logits.equal(model(TOKENS).logits)


def test_models_that_compute_by_a_name_are_refused() -> None:
    shape = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}
    with pytest.raises(BadModel, match=r"MambaMixer of MambaModel keeps the name .* as its activation"):
        transformers.MambaForCausalLM(transformers.MambaConfig(**shape, hidden_act="learnact:hermite3"))
    model = transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).eval()
    with pytest.raises(BadModel, match=r"never reached backbone\.layers\.0\.mixer\.act"):
        swap(model, Hermite3, run={"input_ids": TOKENS})
    with pytest.warns(UserWarning, match=r"mixer\.activation \('silu': a name by which"):
        swap(model, Hermite3)


def test_a_model_inside_another_is_named_and_the_rest_left() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.head = gpt2(), nn.GELU()

    model = Wrapper()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(swap(model, Hermite3)) == 3
    assert model.model.config.activation_function == NAME


def test_without_the_import_the_name_says_what_to_import(tmp_path: Path) -> None:
    model = gpt2()
    swap(model, Hermite3)
    model.save_pretrained(tmp_path)
    code = "import sys, transformers; transformers.GPT2LMHeadModel.from_pretrained(sys.argv[1])"
    failed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.strip().splitlines()[-1] == f"KeyError: '{NAME}'"
