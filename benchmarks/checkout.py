"""Reach `learnact` from a plain checkout, for machines where nothing was installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def reach() -> None:
    """Make `import learnact` work: as installed, or from the checkout's own package folder."""
    if importlib.util.find_spec("learnact") is None:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "package"))
