"""A browser without a window, where the machine has one: what a page looks like, and its printed pages."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

_CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), "")
# Nothing of these may be asked of the network, so that no test waits for it.
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--virtual-time-budget=5000",
)  # fmt: skip

needs_browser = pytest.mark.skipif(not _CHROMIUM, reason="chromium is not installed")


def screenshot(page: Path, width: int = 1200, height: int = 800) -> NDArray[np.uint8]:
    """The upper part of a page as a window of this size shows it, ``[height, width, 3]``."""
    picture = page.with_name("screenshot.png")
    _run(page, [f"--window-size={width},{height}", f"--screenshot={picture}"])
    return np.asarray(Image.open(picture).convert("RGB"))


def printed_pages(page: Path) -> int:
    """How many sheets a page prints on."""
    pdf = page.with_name("printed.pdf")
    _run(page, [f"--print-to-pdf={pdf}", "--no-pdf-header-footer"])
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def document(page: Path, width: int) -> str:
    """The document as scripts have left it, in a window of this width."""
    return _run(page, [f"--window-size={width},800", "--dump-dom"])


def _run(page: Path, flags: Sequence[str]) -> str:
    profile = page.with_name("browser")
    command = [_CHROMIUM, *_QUIET, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
    return subprocess.run(command, check=True, capture_output=True, timeout=120, text=True).stdout
