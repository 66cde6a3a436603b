"""What all tests share: one thread, fixed seeds, and each activation compiled once a session."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from modules import module_of

from learnact import emit
from learnact.compiler.resolve.registry import resolve

torch.set_num_threads(1)
os.environ.setdefault("TRITON_INTERPRET", "1")  # read when triton is first imported: its kernels then run on the CPU


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


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
        return getattr(module_of(emitted_file(spec)), resolve(spec).names.cls)

    return class_of
