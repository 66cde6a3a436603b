"""One line for each client at the end: its version and how many of its tests passed."""

from __future__ import annotations

import platform
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            client = Path(str(getattr(report, "nodeid", "")).split("::")[0]).stem
            if client.startswith("client_") and (
                outcome in {"failed", "error"} or getattr(report, "when", "") == "call"
            ):
                counts[client.removeprefix("client_")][outcome] += 1
    around = ("torch", "transformers")
    terminalreporter.write_line(
        f"Python {platform.python_version()}, " + ", ".join(f"{n} {_version(n)}" for n in around)
    )
    for client, outcomes in sorted(counts.items()):
        said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        terminalreporter.write_line(f"{client:12}{_version(client):12}{said}")
