"""The folder of a person's caches."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``WORDSIGHT_CACHE``, else ``wordsight`` in the folder that the system has for caches."""
    if os.environ.get("WORDSIGHT_CACHE"):
        return Path(os.environ["WORDSIGHT_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "wordsight"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wordsight"
