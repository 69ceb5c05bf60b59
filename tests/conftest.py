"""What the tests share: where real data lies, and how many threads PyTorch takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (``WORDSIGHT_DATA``, else ``../shared/data`` beside the checkout)."""
    path = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set WORDSIGHT_DATA to the folder that holds flickr8k, imagenette, ...")
    return path
