"""One run from its configuration to its result: begin it, or go on where it was left."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import Accelerator
from torch import nn

from learnact.files import write_whole
from learnact.training.config import Config, differences, from_json, to_json
from learnact.training.errors import BadCheckpoint, BadConfig
from learnact.training.lock import only_one
from learnact.training.model.activation import Choice, choose, install
from learnact.training.model.calibrate import InputMoments
from learnact.training.model.learnable import kept
from learnact.training.model.swap import Swapped
from learnact.training.run import learned, log
from learnact.training.run.checkpoint import State, Store, Tensors, collect, load_weights, restore
from learnact.training.run.evaluate import both
from learnact.training.run.log import Log
from learnact.training.run.loop import Diverged, Training, train
from learnact.training.run.processes import connect, distribute
from learnact.training.run.recipe import Average, make_optimizer
from learnact.training.run.task import Places, Task, open_task
from learnact.training.run.trackers import Trackers, require_installed
from learnact.version import __version__

RECORD = "config.json"
RESULT = "result.json"
COMPLETE, DIVERGED = "complete", "diverged"
STATE_COPIES = 3  # weights and AdamW's two moments


def run(config: Config, open_data: Callable[[Config], Task], out: Path, *, cpu: bool = False) -> dict[str, Any]:
    """Train in folder `out` until the configuration's last step; return what is in `result.json`.

    A folder that holds a part of the same run is gone on with, one that ended answers at once and as it ended.
    `open_data` is called after the processes have met, by the main process first. Raises Diverged, the first time and
    whenever it is asked again, and BadConfig and its siblings of learnact.training.errors.
    """
    require_installed(config.trackers)
    accelerator = connect(config, cpu=cpu)
    main = accelerator.is_main_process
    with only_one(out) if main else nullcontext():
        with accelerator.main_process_first():
            choice = choose(config.activation, config.start)
            task = open_data(config)
        record = describe(config, task, choice)
        _compare(out, record)
        if (out / RESULT).is_file():
            return _ended(out)
        accelerator.wait_for_everyone()
        return _train(config, task, choice, record, out, accelerator)


def describe(config: Config, task: Task, choice: Choice) -> dict[str, Any]:
    """Everything that decided a run, and what it ran on."""
    original = {"original": _original(Path(config.initial))} if config.initial else {}
    return {
        **original,
        "config": to_json(config),
        "activation": {
            "label": choice.label,
            "start": choice.start,
            "file": choice.file.name if choice.file else None,
            "sha256": choice.digest,
        },
        "data": task.data,
        "places": asdict(task.places),
        "unit": task.unit,
        "versions": {
            "learnact": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def _original(run_folder: Path) -> dict[str, Any]:
    """What the run that gives the first weights was: for a report, which must tell originals and their seeds apart."""
    read_record(run_folder)
    record = json.loads((run_folder / RECORD).read_text(encoding="utf-8"))
    return {"config": record["config"], "activation": record["activation"]}


def trained_weights(run_folder: Path) -> Tensors:
    """The last weights of a run: the averaged ones if it averaged. Raises BadCheckpoint."""
    found = Store(run_folder / "checkpoints", keep=1).load()
    if found is None:
        raise BadCheckpoint(f"{run_folder} holds no checkpoint; give the --out folder of a training run")
    _, state, _ = found
    return state.get("average", state["weights"])


def require_complete(run_folder: Path) -> None:
    """Raise BadConfig for a run that has not ended or diverged: what goes on from its weights needs the last ones."""
    ended = (run_folder / RESULT).is_file()
    status = json.loads((run_folder / RESULT).read_text(encoding="utf-8"))["status"] if ended else "unfinished"
    if status != COMPLETE:
        raise BadConfig(f"{run_folder} is {status}; give the folder of a complete run, or run it to its end")


def read_record(run_folder: Path) -> tuple[Config, Places]:
    """What a run was asked for. Raises BadConfig for a folder that is none."""
    try:
        record = json.loads((run_folder / RECORD).read_text(encoding="utf-8"))
        return from_json(record["config"]), Places(**record["places"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise BadConfig(f"{run_folder} is no run folder of learnact-train ({err})") from err


def open_run(run_folder: str | Path) -> nn.Module:
    """The model of a run with its last weights, in evaluation mode; its data must still be where it was.

    Raises BadConfig, BadData and BadCheckpoint.
    """
    run_folder = Path(run_folder)
    config, places = read_record(run_folder)
    model, _, _ = build(config, open_task(config, places), choose(config.activation, config.start), calibrated=False)
    load_weights(model, trained_weights(run_folder))
    return model.eval()


def build(
    config: Config, task: Task, choice: Choice, *, calibrated: bool
) -> tuple[nn.Module, list[Swapped], list[InputMoments]]:
    """The model with the chosen activation in every place, with the first weights of the seed or of `initial`."""
    model = task.build()
    if config.initial:
        load_weights(model, trained_weights(Path(config.initial)))
    probe = task.batches.batch(0, 0)
    model.eval()
    wanted = config if calibrated else replace(config, calibrate="none")
    places, moments = install(model, choice, wanted, lambda: task.loss(model, probe))
    if config.trainable == "activations":
        learned = {id(p) for s in places for p in s.new.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in learned)
    return model, places, moments


def _train(
    config: Config, task: Task, choice: Choice, record: dict[str, Any], out: Path, accelerator: Accelerator
) -> dict[str, Any]:
    store = Store(out / "checkpoints", config.keep)
    found = store.load()
    first, state, complaints = found if found else (0, None, [])
    model, places, moments = build(config, task, choice, calibrated=state is None)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    begun = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "activation_parameters": learned.count(places),
        "coefficients": learned.coefficients(places, kept(model, repeated=True)),
    }
    main = accelerator.is_main_process
    if main:
        _begin(out, record, choice)  # now that all that was asked for could be built
        store.require_space(size * (STATE_COPIES + bool(config.ema)))
    wrapped = distribute(model, places, config, accelerator)
    optimizer = make_optimizer(model, config)
    average = Average(model, config.ema) if config.ema else None
    if state is not None:
        restore(state, model, optimizer, average)
    training = Training(config, task, model, wrapped, places, optimizer, average, accelerator)
    records = _records(config, out, first) if main else None
    try:
        if records:
            for line in task.account:
                records.say(line)
            for complaint in complaints:
                records.say(f"{complaint}; going on from step {first}")
            if first == 0:
                records.write("begin", 0, **begun, calibration=[_plain(m) for m in moments])
        train(training, store, records, first)
        return _finish(out, training, records)
    except Diverged as err:
        if main:
            _result(out, {"status": DIVERGED, "reason": str(err)})
        raise
    finally:
        if records:
            records.close()


def _records(config: Config, out: Path, first: int) -> Log:
    return Log(out, first, config.steps, Trackers(config.trackers, out, first, to_json(config)))


def _finish(out: Path, training: Training, records: Log | None) -> dict[str, Any]:
    state = collect(training.model, training.optimizer, training.average, keep=records is not None)
    test = both(training.task, training.model, training.accelerator, training.average, "test")
    result: dict[str, Any] = {}
    if records:
        steps, weights = training.config.steps, state.get("average", state["weights"])
        records.write("test", steps, **test)
        records.write("learned", steps, coefficients=learned.coefficients(training.places, weights))
        _save(out / "model", training.model, state)
        lines = list(log.read(out))
        evaluations = [line for line in lines if line["kind"] == "eval"]
        final = {k: v for k, v in evaluations[-1].items() if k not in {"kind", "step"}}
        best = min(line["loss"] for line in evaluations)
        result = {"status": COMPLETE, "steps": steps, "final": final, "best_loss": best, "test": test}
        _result(out, result)
    training.accelerator.wait_for_everyone()
    return result


def _save(folder: Path, model: nn.Module, state: State) -> None:
    """Write the model for `learnact.transformers.from_pretrained`, averaged weights if there are any.

    Transformers' own `from_pretrained` takes it too where its configuration names one activation for all places.
    """
    save: Any = model.save_pretrained  # transformers gives every model this method
    save(folder, state_dict=dict(state.get("average", state["weights"])))


def _compare(out: Path, record: dict[str, Any]) -> None:
    path = out / RECORD
    if not path.is_file():
        if any(out.glob("checkpoints/*")):
            raise BadConfig(f"{out} holds checkpoints without {RECORD}; choose another folder")
        return
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        before = old["config"].get("evaluation", "an earlier version's validation, without a test")
        odd = differences(_identity(old), _identity(record))
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise BadConfig(f"{path} cannot be read ({err}); choose another folder") from err
    if before != record["config"]["evaluation"]:
        raise BadConfig(
            f"{out} was begun under {before}, now it is {record['config']['evaluation']}: their scores do not compare; "
            "choose another --out, nothing was changed"
        )
    if odd:
        raise BadConfig(f"{out} holds another run ({'; '.join(odd[:3])}); choose another --out, nothing was changed")


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    config = {k: v for k, v in record["config"].items() if k not in Config.OPERATIONAL}
    return {
        **config,
        "activation file": record["activation"]["sha256"],
        **{f"original's {k}": v for k, v in record.get("original", {"config": {}})["config"].items()},
        "data": {k: v for k, v in record["data"].items() if k not in {"name", "tokenizer", "key", "left"}},
    }


def _begin(out: Path, record: dict[str, Any], choice: Choice) -> None:
    if choice.file:
        shutil.copyfile(choice.file, out / choice.file.name)
    if not (out / RECORD).is_file():
        write_whole(out / RECORD, json.dumps(record, indent=1) + "\n", force=True)


def _ended(out: Path) -> dict[str, Any]:
    """The result of a run that ended. Raises Diverged where that is how it ended."""
    result: dict[str, Any] = json.loads((out / RESULT).read_text(encoding="utf-8"))
    if result["status"] == DIVERGED:
        raise Diverged(f"{out} diverged: {result['reason']}")
    return result


def _result(out: Path, result: dict[str, Any]) -> None:
    write_whole(out / RESULT, json.dumps(result, indent=1) + "\n", force=True)


def _plain(moments: InputMoments) -> dict[str, Any]:
    gate = {} if moments.gate is None else {"gate": moments.gate}
    return {"path": moments.path, "mean": moments.mean, "sigma": moments.sigma, "rounded": str(moments.rounded), **gate}
