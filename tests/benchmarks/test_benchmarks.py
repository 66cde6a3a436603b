"""The benchmarks run, and what judges in them can say no."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from thorough import slow, thinned
from torch import nn

from benchmarks import depth, finetune, gpu_checks, moments, page, steptime, timing
from benchmarks.cases import TARGET_NUMEL, TARGETS, sections
from benchmarks.device import Device
from benchmarks.gpu import Clock
from benchmarks.tables import save, table
from learnact import generated, load

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"layers": 4, "width": 32, "batch": 16}


@slow
def test_gpu_script_runs_dry(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert "dry run" in found["device"]
    assert found["failed"] == found["not_run"] == []
    assert {r["route"] for r in found["checks"]} == {"eager", "compiled"}
    assert {r["model"] for r in found["models"]} == {"GPT-2 124M", "ConvNeXt-T"}


def test_a_training_step_is_timed_and_trains() -> None:
    run = steptime.prepare("hermite:3", "eager", rounds=1)
    before = [p.detach().clone() for place in run.training.places for p in place.new.parameters()]
    for number in range(2):
        run.step(number)
    after = [p for place in run.training.places for p in place.new.parameters()]
    assert len(run.seconds) == 2
    assert all(s > 0 for s in run.seconds)
    assert not any(map(torch.equal, before, after))


def test_gpu_check_rejects_a_wrong_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(generated.Hermite3):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            return y if x.dtype == torch.float64 else y + 1e-3 * (x - x.detach())

    good = gpu_checks.check("Hermite3", Device(dry=True), torch.float32, compiled=False, numel=4096)
    monkeypatch.setattr(generated, "Hermite3", Wrong)
    bad = gpu_checks.check("Hermite3", Device(dry=True), torch.float32, compiled=False, numel=4096)
    assert good.holds
    assert bad.value <= 1 < bad.slope
    assert not bad.holds


def test_gpu_check_rejects_nan() -> None:
    assert not gpu_checks.Check("Hermite3", "eager", "float32", 0.1, math.nan, 0.1).holds


def test_gpu_clock_lists_what_failed_and_what_found_no_time() -> None:
    clock = Clock(minutes=60)
    assert clock.attempt("fine", lambda: 3) == 3
    assert clock.attempt("broken", lambda: 1 // 0) is None
    late = Clock(minutes=0)
    assert late.attempt("late", lambda: 3) is None
    assert [len(clock.failed), len(clock.skipped), len(late.skipped)] == [1, 0, 1]


@pytest.mark.parametrize("spec", ["hermite:5", "fourier:3", "tropical:4", "tropical_rational:2", "sinusoid"])
def test_quadrature_finds_what_the_compiler_derives(spec: str) -> None:
    row = moments.measure(spec)
    assert row.kind == "balanced"
    assert row.holds


def test_quadrature_sees_a_wrong_function(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = moments.shape

    def wrong(*given: object) -> object:
        function, kinks = shape(*given)
        return (lambda x: function(x) * (1 + 1e-10)), kinks

    monkeypatch.setattr(moments, "shape", wrong)
    assert not moments.measure("hermite:3").holds


@pytest.mark.parametrize("name", ["Hermite5", "Tropical3"])
def test_depth_is_the_same_in_both_dtypes(name: str) -> None:
    net = next(n for n in depth.nets() if n.name == name)
    single, double = (depth.run(net, 0, dtype, **SIZES) for dtype in depth.DTYPES)
    assert single.activations == pytest.approx(double.activations, rel=1e-5)  # some hundred roundings of 6e-8
    assert single.gradients == pytest.approx(double.gradients, rel=1e-5)
    assert len(double.gradients) == SIZES["layers"]


def test_depth_band_can_be_left() -> None:
    vanishing = depth.run(depth.Net("zero", lambda: nn.Threshold(10.0, 0.0)), 0, torch.float64, **SIZES)
    assert not vanishing.inside()
    assert not depth.Run("nan", "float64", 0, [math.nan], [1.0]).inside()


def test_targets_pass_and_miss() -> None:
    row = {"section": "main", "name": "hermite:3", "route": "compiled", "numel": TARGET_NUMEL}
    bound = TARGETS["hermite:3"]
    assert "1 of 1 met" in page.verdict([{**row, "both_ratio": bound}])
    assert "0 of 1 met" in page.verdict([{**row, "both_ratio": bound * 1.2}])
    assert "0 of 1 met, 1 more within the 3 %" in page.verdict([{**row, "both_ratio": bound * 1.02}])
    assert "No targets" in page.verdict([{**row, "numel": 1, "both_ratio": bound}])


def test_every_target_is_measured() -> None:
    main = next(s for s in sections(quick=False) if s.name == "main")
    assert TARGETS.keys() <= {c.name for c in main.cases if c.compiled}
    assert main.numel == TARGET_NUMEL


def test_outer_loops_are_counted_once() -> None:
    code = "for(a)\n{\n    for(b)\n    {\n    }\n}\nfor(c)\n{\n}\n"
    assert timing.outer_loops(code) == 2


def test_saved_bytes_sees_what_plain_torch_keeps() -> None:
    x = torch.randn(64, 64, requires_grad=True)
    thrifty, lavish = generated.Hermite3(), nn.Sequential(nn.Tanh(), nn.Sigmoid())
    assert timing.saved_bytes(thrifty, thrifty, x) == 0
    assert timing.saved_bytes(lavish, lavish, x) == 8  # two float32 results


KEEPING = ("hermite:12", "fourier:12", "fourier_free:6", "tropical:12", "tropical_rational:12")


@pytest.mark.parametrize("spec", thinned(KEEPING, ("hermite:12", "tropical:12")))
def test_compiled_forwards_keep_x_alone(spec: str) -> None:
    module = load(spec)()
    x = torch.randn(64, 64, requires_grad=True)
    # the partitioner decides what is kept, not what compiles the two halves
    compiled = torch.compile(module, backend="aot_eager_decomp_partition", fullgraph=True)
    assert timing.saved_bytes(compiled, module, x) < 1, "beside x, some numbers made of parameters may be kept"


def test_fine_tuning_of_several_seeds_is_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"task": "gpt2", "preset": "tiny", "calibrate": "unit", "per_channel": False, "lr": 0.01, "steps": 9}
    config |= {"shared": False, "lr_factor": 1.0, "batch": 4}
    for seed in (0, 1):
        source = {"config": {"activation": "gelu", "steps": 600, "seed": seed}}
        record = {
            "config": config | {"initial": str(tmp_path / f"of{seed}")},
            "activation": {"label": "hermite:7@gelu"},
        }
        losses = {"original": {"loss": 2.0 + seed}, "swapped": {"loss": 2.25 + seed}, "tuned": {"loss": 1.75 + seed}}
        for folder, name, content in (
            (f"of{seed}", "config", source),
            (f"run{seed}", "config", record),
            (f"run{seed}", "finetune", losses),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.json").write_text(json.dumps(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["finetune", *map(str, tmp_path.glob("run*")), "--name", "x", "--out", str(tmp_path)]
        )
        assert finetune.main() == 0
        patch.setattr(sys, "argv", ["finetune", str(tmp_path / "of0"), "--name", "x"])
        assert finetune.main() == 2
    assert "| 2     | +0.2500 ± 0.0000   | -0.2500 ± 0.0000 |" in (tmp_path / "x.md").read_text()
    assert len(json.loads((tmp_path / "x.json").read_text())["rows"]) == 2


def test_results_keep_a_row_a_line(tmp_path: Path) -> None:
    content = {"date": "today", "rows": [{"a": 1}, {"a": None}]}
    save(tmp_path / "r.json", content)
    assert json.loads((tmp_path / "r.json").read_text()) == content
    assert table(["a", "b"], [[1, 22]]) == "| a | b  |\n| - | -- |\n| 1 | 22 |"
