"""What a run ran on, kept with it so that a number can be traced."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

_PACKAGES = ("wordsight", "torch", "torchvision", "timm", "transformers", "lightning", "numpy", "pyarrow", "pillow")


def environment() -> dict[str, Any]:
    """Versions, device and cores, as a JSON-ready dictionary."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": devices,
        "packages": found,
    }
