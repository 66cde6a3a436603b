"""What all tests share: one thread, fixed seeds, and each activation compiled once a session."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

from learnact.compiler import emit
from learnact.compiler.registry import resolve

torch.set_num_threads(1)
os.environ.setdefault("TRITON_INTERPRET", "1")  # read when triton is first imported: its kernels then run on the CPU


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def import_file(path: Path) -> ModuleType:
    """Import a file from wherever it lies."""
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def emitted_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """spec -> the emitted file, written once a session."""
    folder = tmp_path_factory.mktemp("emitted")

    @cache
    def file_of(spec: str) -> Path:
        return folder / emit(spec, folder).filename

    return file_of


@pytest.fixture(scope="session")
def emitted(emitted_file: Callable[[str], Path]) -> Callable[[str], type[torch.nn.Module]]:
    """spec -> the emitted class, imported once a session."""

    @cache
    def class_of(spec: str) -> type[torch.nn.Module]:
        return getattr(import_file(emitted_file(spec)), resolve(spec).names.cls)

    return class_of
