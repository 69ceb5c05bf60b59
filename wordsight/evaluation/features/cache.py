"""Content-addressed cache of features and baselines, LRU-bounded: the key is a hash of all that they depend on.

One folder serves all runs of a person (``WORDSIGHT_CACHE``, else ``wordsight`` in the folder that the system has for
caches), so that a randomly initialised network is evaluated once and not again by every run. Features stay below a
bound (``WORDSIGHT_CACHE_GB``, 20 by default): the least recently used are removed first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import mapped_array
from wordsight.atomic import atomic_file, sweep_within, write_json
from wordsight.caches import cache_folder
from wordsight.errors import InputError
from wordsight.evaluation.metrics.outcomes import Outcomes, read_outcomes, write_outcomes
from wordsight.progress import console

_DEFAULT_GB = 20.0


def key_of(*depends: Any) -> str:
    """A hash of all that something depends on, given as what JSON can hold."""
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]


def load_features(key: str) -> NDArray[np.float16] | None:
    """Cached features, memory-mapped; None where there are none."""
    file = cache_folder() / "features" / f"{key}.npy"
    try:
        found: NDArray[np.float16] = mapped_array(file, mend="it is made again")
        os.utime(file)
    except (OSError, InputError):
        return None
    return found


def store_features(key: str, features: NDArray[np.float16]) -> NDArray[np.float16]:
    """Cache features; returns them memory-mapped, or as they are where there is no room on the disk."""
    folder, bound = cache_folder() / "features", _bound()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / f"{key}.npy") as beside, beside.open("wb") as file:
            np.save(file, features, allow_pickle=False)
        _stay_below(folder, bound)
    except (OSError, InputError) as error:
        # A full or read-only disk costs time at the next call, and nothing else.
        console.print(f"features could not be cached: {error}", markup=False, soft_wrap=True)
        return features
    found = load_features(key)
    return features if found is None else found


def load_baseline(key: str) -> dict[str, Any] | None:
    """A cached baseline; None where there is none."""
    try:
        found = json.loads((cache_folder() / "baselines" / f"{key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def store_baseline(key: str, baseline: dict[str, Any]) -> None:
    """Cache a baseline."""
    try:
        write_json(cache_folder() / "baselines" / f"{key}.json", baseline)
    except (OSError, InputError):
        return


def load_outcomes(key: str) -> dict[str, Outcomes] | None:
    """Cached outcomes of each test image under a network, by name; None where it was not measured yet."""
    names = (load_baseline(key) or {}).get("outcomes")
    if not isinstance(names, list):
        return None
    try:
        return {str(name): read_outcomes(_outcomes_file(key, number)) for number, name in enumerate(names)}
    except InputError:
        return None


def store_outcomes(key: str, outcomes: Mapping[str, Outcomes], **notes: str) -> None:
    """Cache outcomes of each test image, by name; ``notes`` are for a person who opens the file."""
    try:
        for number, each in enumerate(outcomes.values()):
            write_outcomes(_outcomes_file(key, number), each)
    except (OSError, InputError):
        return
    # Last, as it says that the others are there.
    store_baseline(
        key, {"outcomes": list(outcomes), "values": {name: each.value for name, each in outcomes.items()}} | notes
    )


def _outcomes_file(key: str, number: int) -> Path:
    return cache_folder() / "baselines" / f"{key}-{number}.npz"


def _bound() -> float:
    """Bytes that features may take in all."""
    try:
        return float(os.environ.get("WORDSIGHT_CACHE_GB", _DEFAULT_GB)) * 1e9
    except ValueError as error:
        raise InputError(
            f"{os.environ['WORDSIGHT_CACHE_GB']!r} is not a number", where="WORDSIGHT_CACHE_GB", expected="gigabytes"
        ) from error


def _stay_below(folder: Path, bound: float) -> None:
    """Remove the files that were not used for the longest, until the rest is below the bound.

    What others are writing at this moment counts as well, and is left alone; what killed processes left goes first.
    """
    sweep_within(folder)
    total = sum(size for _, size, _ in _files(folder, ".*/*"))
    for _, size, file in sorted(_files(folder, "*.npy"), reverse=True):
        total += size
        if total > bound:
            file.unlink(missing_ok=True)


def _files(folder: Path, pattern: str) -> Iterator[tuple[float, int, Path]]:
    """When files were last used, and their bytes; what another process removes meanwhile is none."""
    for file in folder.glob(pattern):
        with suppress(OSError):
            found = file.stat()
            yield found.st_mtime, found.st_size, file
