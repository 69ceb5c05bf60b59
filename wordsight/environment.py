"""The environment of a run or a measurement, kept with it so that a number can be traced."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wordsight.parallel import cores

_ALL = ("wordsight", "torch", "torchvision", "timm", "transformers", "lightning", "numpy", "pyarrow", "pillow")
# Those that the number of a measurement depends on.
_OF_MEASUREMENTS = ("wordsight", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")


def environment() -> dict[str, Any]:
    """Versions, device and cores, as a JSON-ready dictionary."""
    import torch

    found = {}
    for package in _ALL:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "gpus": devices,
        "packages": found,
    }


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages whose numbers a result depends on."""
    found = {"python": platform.python_version()}
    for package in _OF_MEASUREMENTS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
