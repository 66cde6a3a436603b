"""transformers: twelve architectures, by name or by list, loaded in a fresh process; pipeline and generate."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from client_architectures import CONFIGS, LISTED, batch, build
from client_round_trip import fresh, kept, output, trained
from torch import Tensor
from transformers import GenerationConfig, pipeline

from learnact import calibrate, swap_per_channel

LOADED = """
from client_architectures import CONFIGS, LISTED, batch
from pathlib import Path
from client_round_trip import keep, output
import learnact.transformers
folder = Path(sys.argv[1])
found = {}
for name, (cls, _, _) in CONFIGS.items():
    load = learnact.transformers.from_pretrained if name in LISTED else cls.from_pretrained
    found[name] = output(load(folder / name), batch(name))
    found[f"{name}, per channel"] = output(learnact.transformers.from_pretrained(folder / f"{name}-c"), batch(name))
keep(folder / "found.safetensors", found)
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs of every trained model here, and of the same models loaded in a fresh process."""
    folder = tmp_path_factory.mktemp("models")
    expected = {}
    for name in CONFIGS:
        model, given = build(name), batch(name)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*F.gelu.*")  # Whisper's encoder calls it between convolutions
            paths = trained(model, given, lambda model=model, given=given: model(**given).logits.square().mean())
            assert paths
            channels = build(name)
            calibrate(swap_per_channel(channels, "hermite:3", given), given, "balanced")
        assert hasattr(model.config, "learnact") == (name in LISTED)
        model.save_pretrained(folder / name)
        channels.save_pretrained(folder / f"{name}-c")
        expected |= {name: output(model, given), f"{name}, per channel": output(channels, given)}
    fresh(LOADED, folder)
    return expected, kept(folder / "found.safetensors")


@pytest.mark.parametrize("name", [f"{name}{how}" for name in CONFIGS for how in ("", ", per channel")])
def test_the_loaded_model_computes_what_the_trained_one_did(
    outputs: tuple[dict[str, Tensor], dict[str, Tensor]], name: str
) -> None:
    expected, found = outputs
    assert found[name].equal(expected[name])
    assert expected[name].isfinite().all()


def test_generate_and_pipeline_use_the_new_activation(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    words = {f"w{k}": k for k in range(64)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0", pad_token="w0", eos_token="w0")
    model, given = build("gpt2"), batch("gpt2")
    trained(model, given, lambda: model(**given).logits.square().mean())
    calls = []
    model.transformer.h[0].mlp.act.register_forward_hook(lambda *_: calls.append(1))
    greedy = GenerationConfig(max_new_tokens=4, do_sample=False, pad_token_id=0)
    tokens = model.generate(given["input_ids"][:1], generation_config=greedy)
    assert len(calls) == 4
    step = given["input_ids"][:1]
    for _ in range(4):  # without the cache
        step = torch.cat([step, model(step).logits[:, -1:].argmax(-1)], 1)
    assert tokens.equal(step[:, : tokens.shape[1]])
    model.save_pretrained(tmp_path)
    fast.save_pretrained(tmp_path)
    said = pipeline("text-generation", model=str(tmp_path), device="cpu")(
        "w1 w2 w3", max_new_tokens=3, do_sample=False, return_tensors=True
    )
    prompt = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert said[0]["generated_token_ids"] == prompt[0].tolist()
