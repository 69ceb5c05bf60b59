"""A folder with results, and what it has in common with others: its recipe but for the seed, its network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wordsight.errors import InputError
from wordsight.evaluation.results.result import Result, read_results
from wordsight.settings import read_yaml

# Settings of a run that change how it was computed and not what: the seed makes the rows that are averaged.
_NOT_THE_RECIPES = ("seed", "workers", "checkpoint_minutes", "feature_cache_gb")


@dataclass(frozen=True)
class ComparedRun:
    """A folder with results.

    Args:
        path: The folder.
        results: Its results.
        files: The folder that they lie in.
        recipe: What it has in common with runs that differ in their seed alone.
        seed: Its seed; None for what is no run.
        network: The network that random weights were measured of.
        image_size: The side of the view that it was trained with, in pixels; None where that is not known.
    """

    path: Path
    results: Sequence[Result]
    files: Path
    recipe: str
    seed: int | None
    network: str
    image_size: int | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name


def read_run(folder: Path) -> ComparedRun | str:
    """A run with its results; or in words what the folder is, where there are none in it.

    Args:
        folder: A run folder, or a folder of results.

    Raises:
        InputError: When it is not there, or a run's settings or results can't be read.
    """
    if not folder.exists():
        raise InputError("no such folder", where=folder, expected="a run")
    if not folder.is_dir():
        return "is not a folder"
    config = folder / "config.yaml"
    files = folder / "results" if config.is_file() or (folder / "results").is_dir() else folder
    try:
        results = read_results(files)
    except InputError:
        if files != folder or _holds_a_result(files):
            raise
        return "is not a run"
    if not results:
        return "is not a run" if files == folder else "has no results yet"
    if not config.is_file():
        return ComparedRun(folder, results, files, f"alone {folder}", None, folder.name)
    settings = read_yaml(config)[0]
    info = read_yaml(known)[0] if (known := folder / "run.json").is_file() else {}
    data = [info.get("corpus_fingerprint"), info.get("split")]
    recipe = {name: value for name, value in settings.items() if name not in _NOT_THE_RECIPES}
    # Runs made before there was a choice are of the same recipe.
    recipe.setdefault("pixels", "auto")
    seed = settings.get("seed")
    network = {name: settings.get(name) for name in ("backbone", "backbone_settings", "image_size")}
    return ComparedRun(
        path=folder,
        results=results,
        files=files,
        recipe=json.dumps([recipe, data], sort_keys=True, default=str),
        seed=seed if isinstance(seed, int) else None,
        network=json.dumps(network, sort_keys=True, default=str),
        image_size=size if isinstance(size := settings.get("image_size"), int) else None,
    )


def view_of(result: Result) -> int | None:
    """The side of the view that a result was measured at, in pixels; None where it does not say."""
    view = result.settings.get("view")
    return view if isinstance(view, int) else None


def _holds_a_result(folder: Path) -> bool:
    """Whether a folder that also holds other files is one of results."""
    for file in folder.glob("*/*.json"):
        try:
            Result.read(file)
        except InputError:
            continue
        return True
    return False
