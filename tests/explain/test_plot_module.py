"""The picture of a module: what is drawn is what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from learnact import plot
from learnact.compiler.resolve.expression import from_expression
from learnact.errors import BadTarget
from learnact.generated import Hermite3, Tropical3

DRAWN = 1e-6  # absolute: F of order ten, drawn in double from parameters in float32


@pytest.mark.parametrize("channels", [1, 3])
def test_a_module_is_drawn_as_it_is_now_over_its_start(channels):
    act = Hermite3(channels, init="gelu", channel_dim=1)
    with torch.no_grad():
        act.coefficients.add_(0.25)
    start_value, start_slope, *rest = plot(act, sigma=0.5).axes[0].lines
    values, slopes = rest[:channels], rest[channels:]
    x = torch.tensor(np.array(values[0].get_xdata()), dtype=torch.float32, requires_grad=True)
    assert x.min() == -2
    fresh = Hermite3(init="gelu")(x)
    assert np.allclose(start_value.get_ydata(), fresh.detach(), atol=DRAWN)
    assert np.allclose(start_slope.get_ydata(), torch.autograd.grad(fresh.sum(), x)[0], atol=DRAWN)
    now = act(x[:, None].expand(-1, channels)) if channels > 1 else act(x)[:, None]
    for k, line in enumerate(values):
        assert np.allclose(line.get_ydata(), now[:, k].detach(), atol=DRAWN)
    assert len(slopes) == channels


def test_drawing_leaves_the_module_as_it_is():
    act = Tropical3(2, channel_dim=1).half()
    plot(act)
    assert act.channel_dim == 1
    assert act.scale.dtype == torch.float16


def test_a_declaration_is_drawn_with_every_start():
    labels = [text.get_text() for text in plot("hermite:2").axes[0].get_legend().get_texts()]
    assert labels[:2] == ["balanced", "paper"]
    assert len(plot(Hermite3).axes[0].get_legend().get_texts()) == len(Hermite3.starts)


def test_exact_numbers_beyond_64_bits_are_drawn():
    declared = from_expression("a*x*sqrt(1e25 + 1)", {"a": "1e-12"}, "Steep")
    line = plot(declared).axes[0].lines[0]
    assert np.allclose(line.get_ydata(), line.get_xdata())  # E[F^2] = 1


def test_what_names_no_activation_is_refused():
    with pytest.raises(BadTarget, match="expected a SPEC"):
        plot(torch.nn.GELU())
