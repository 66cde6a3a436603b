"""keras on torch: a learnable activation as a layer; trained by fit, weights saved and loaded in a fresh process."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import pytest
import torch
from client_round_trip import fresh, kept
from keras.layers import TorchModuleWrapper

from learnact import parameter_groups
from learnact.generated import Hermite3
from learnact.training.errors import BadModel

LOADED = """
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from client_keras import build, predictions
from client_round_trip import keep
folder = Path(sys.argv[1])
model = build()
predictions(model)
model.load_weights(folder / "model.weights.h5")
keep(folder / "found.safetensors", {"y": predictions(model)})
"""


def build() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((4,)), keras.layers.Dense(8), TorchModuleWrapper(Hermite3()), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def predictions(model: keras.Model) -> torch.Tensor:
    return torch.from_numpy(np.asarray(model.predict(data(), verbose=0)))


def test_a_layer_trains_and_loads(tmp_path: Path) -> None:
    model = build()
    act = model.layers[1].module
    before = act.coefficients.detach().clone()
    model.compile("adam", "mse")
    model.fit(data(), np.zeros((8, 2)), epochs=2, verbose=0)
    assert not act.coefficients.detach().equal(before)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh(LOADED, tmp_path, Path(__file__).parent)
    assert kept(tmp_path / "found.safetensors")["y"].equal(predictions(model))


def test_its_parameters_are_kept_from_decay_by_keras_own_means() -> None:
    model = build()
    act = model.layers[1]
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=act.trainable_variables)
    model.compile(optimizer, "mse")
    model.fit(data(), np.zeros((8, 2)), epochs=1, verbose=0)
    assert not optimizer._use_weight_decay(act.trainable_variables[0])
    assert optimizer._use_weight_decay(model.layers[0].kernel)
    with pytest.raises(BadModel, match="keras keeps the modules of its layers to itself"):
        parameter_groups(model, lr=1e-3, weight_decay=0.1)
