"""`-a "expr:NAME=EXPRESSION;a=1"`: compiled, verified and trained, or one line of error."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_runs import TINY, command, complaint, losses

from learnact.training.errors import BadConfig
from learnact.training.model import expression
from learnact.training.model.activation import choose
from learnact.training.study.grid import grid, split_setting

DYT = "expr:dyt=a*tanh(b*x)+c; a=1; b=1/2; c=0"


@pytest.fixture
def _accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A referee that accepts everything, at once."""
    monkeypatch.setattr(expression, "verify", lambda *_, **__: SimpleNamespace(ok=True))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_accepted")
def test_commas_of_the_expression_are_its_own() -> None:
    for text, parts in (
        ("expr:m=Max(a,b,c)*x;a=1,lr=1e-3|2e-3,gated", ["expr:m=Max(a,b,c)*x;a=1", "lr=1e-3|2e-3", "gated"]),
        ("expr:m=a*x;a=1@forward,gated", ["expr:m=a*x;a=1@forward", "gated"]),
        ("expr:m=a*x;a=1", ["expr:m=a*x;a=1"]),
        ("act/a,b (old/x.py@gelu,lr=1", ["act/a,b (old/x.py@gelu", "lr=1"]),
        ("hermite:3,gated,lr=4e-3", ["hermite:3", "gated", "lr=4e-3"]),
    ):
        assert split_setting(text) == parts
    cells = grid("gpt2", [f"{DYT},lr=1e-3|2e-3", f"{DYT.replace('1/2', '2')}"], [], [0], Path("out"))
    assert len({c.folder.name for c in cells}) == 3
    assert all(c.folder.name.startswith("Dyt-") and len(c.folder.name) < 50 for c in cells)


def test_it_is_trained_harvested_and_the_same_as_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choice = choose(DYT)
    assert (choice.label, choice.cls.starts) == ("dyt@balanced", ("balanced", "declared"))
    tiny = (*TINY, "--layers", "1", "--steps", "2")
    code, _, err = command(capsys, *tiny, "-a", DYT, "--out", tmp_path / "run")
    assert code == 0, err
    code, _, err = command(capsys, *tiny, "-a", choice.file, "--out", tmp_path / "file")
    assert code == 0, err
    assert losses(tmp_path / "run") == losses(tmp_path / "file")
    assert json.loads((tmp_path / "run/config.json").read_text())["config"]["activation"] == DYT
    assert list((tmp_path / "run").glob("dyt_*.py"))
    code, said, err = command(capsys, "harvest", tmp_path / "run", "--cpu", "--out", tmp_path / "act")
    assert (code, "tanh" in said) == (0, True), err


@pytest.mark.usefixtures("_accepted")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expr:dyt", "is not expr:NAME=EXPRESSION"),
        ("expr:=a*x;a=1", "is not expr:NAME=EXPRESSION"),
        ("expr:dyt=tanh(b*x);", "is not expr:NAME=EXPRESSION"),
        ("expr:dyt=a*tanh(b*x);a=1", "add --param b=1"),
        ("expr:dyt=a*tanh(x);a", "NAME=VALUE"),
        ("expr:dyt=__import__('os');a=1", "__import__"),
        ("expr:hermite3=a*tanh(x);a=1", "the name hermite3 is taken"),
        ("expr:gelu=a*tanh(x);a=1", "the name gelu is taken"),
        ("expr:swiglu=a*tanh(x);a=1", "the name swiglu is taken"),
        ("expr:dyt=a*tanh(b*x);a=1;b=1@gelu", "start of"),
        ("expr:flat=a*x*exp(-x**2);a=1", "would be a gain alone"),
    ],
)
def test_what_is_none_is_one_line(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = command(capsys, *TINY, "-a", text, "--out", tmp_path / "run")
    assert code == 2
    assert said in complaint(err)
    assert not list(tmp_path.glob("run/*.json"))


def test_code_that_the_referee_rejects_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = SimpleNamespace(ok=False, checks=[SimpleNamespace(name="slopes", passed=False)])
    monkeypatch.setattr(expression, "verify", lambda *_, **__: rejected)
    with pytest.raises(expression.Unverified, match=r"not verified \(slopes\)"):
        choose("expr:other=a*tanh(x);a=1")
    with pytest.raises(BadConfig, match="is not expr:NAME"):
        choose("expr:other")
