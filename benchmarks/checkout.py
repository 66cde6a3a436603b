"""Reach `learnact` from a plain checkout, for machines where nothing was installed."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

ROOMS = ("compiler", "generated", "templates", "training")


def reach() -> None:
    """Make `import learnact.generated` work: as installed, or through links shaped like the installed package."""
    try:
        if importlib.util.find_spec("learnact.generated"):
            return
    except ModuleNotFoundError:
        pass
    root = Path(__file__).resolve().parent.parent
    links = Path(tempfile.mkdtemp(prefix="learnact-")) / "learnact"
    links.mkdir()
    for room in ROOMS:
        (links / room).symlink_to(root / room, target_is_directory=True)
    sys.path.insert(0, str(links.parent))
    importlib.invalidate_caches()
