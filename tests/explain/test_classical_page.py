"""The page of classical functions: the committed one is today's, and agrees with numbers that others sampled."""

from __future__ import annotations

from pathlib import Path

import pytest

from learnact.compiler.explain import pages

ROOT = Path(__file__).resolve().parents[2]
NFNET = {
    "relu": 1.7139588594436646,
    "gelu": 1.7015043497085571,
    "silu": 1.7881293296813965,
    "softplus": 1.9203323125839233,
}
"""1/sqrt(Var F) as sampled by Brock et al. 2021, in the code of their normalizer-free networks."""


def test_the_committed_page_is_what_the_compiler_prints() -> None:
    assert (ROOT / "docs/families/classical.md").read_text(encoding="utf-8") == pages.classical()


@pytest.mark.parametrize(("name", "sampled"), NFNET.items())
def test_gains_agree_with_those_that_others_sampled(name: str, sampled: float) -> None:
    row = next(line for line in pages.classical().splitlines() if line.startswith(f"| `{name}` |"))
    assert float(row.split(" | ")[7]) == pytest.approx(sampled, rel=1e-3)
