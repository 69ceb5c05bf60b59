"""Whether a run may be written to a folder, and what a process that was killed left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wordsight.atomic import is_leftover, remove_folder, sweep, sweep_within
from wordsight.corpus import known_images
from wordsight.errors import InputError, setting
from wordsight.locks import sole_writer
from wordsight.settings import from_mapping, read_yaml
from wordsight.training import kept_concepts
from wordsight.training.pretrain_settings import PretrainSettings
from wordsight.training.run import Run

_BEFORE_THE_FIRST_STEP = {"config.yaml", kept_concepts.FOLDER, known_images.FILE}
"""What a run can hold before anything was learned, but for run.json: all of it is written again by the next start."""


@contextmanager
def claimed(path: Path, *, resume: bool) -> Iterator[None]:
    """Be the only process that writes a run, and remove what killed ones left of it.

    Args:
        path: The run folder.
        resume: Whether a run that is there may go on.

    Raises:
        InputError: When another process writes it, or as :func:`claim`.
    """
    # Of the processes that torchrun starts, the first one writes.
    if int(os.environ.get("RANK") or 0) != 0:
        claim(path, resume=resume)
        yield
        return
    with sole_writer(path):
        sweep(path)
        sweep_within(path)
        sweep_within(path / kept_concepts.FOLDER)
        if not claim(path, resume=resume) and (path / kept_concepts.FOLDER).is_dir():
            # Those of other settings would stay beside the new ones.
            remove_folder(path / kept_concepts.FOLDER)
        yield


def claim(path: Path, *, resume: bool) -> bool:
    """Check that a run may be written to a folder.

    Args:
        path: The run folder.
        resume: Whether a run that is there may go on.

    Returns:
        Whether there is a run to go on with.

    Raises:
        InputError: When the folder holds something, and it is not a run that is to be resumed.
    """
    if path.exists() and not path.is_dir():
        raise InputError("is a file", where=path, expected="a folder to make", mend=f"give another {setting('out')}")
    held = {each.name for each in path.iterdir() if not is_leftover(each)} if path.is_dir() else set()
    if not held or ("config.yaml" in held <= _BEFORE_THE_FIRST_STEP and _is_ours(path / "config.yaml")):
        # Killed before it was known what the run is: there is nothing to go on with, and nothing to lose. After a loss
        # of power, a file that was written later can be there without one that was written before.
        return False
    if "config.yaml" not in held:
        raise InputError("exists already and is not a run", where=path, mend=f"give another {setting('out')}")
    run = Run.open(path)
    if run.info.finished:
        # Killed between the last two things that a training does.
        run.checkpoint_path.unlink(missing_ok=True)
    if not resume:
        mend = f"go on with {setting('resume', True)}, or give another {setting('out')}"
        if run.info.finished:
            mend = f"give another {setting('out')} to train again"
        raise InputError("exists already", where=path, mend=mend)
    return True


def _is_ours(config: Path) -> bool:
    """Whether a file holds the settings of a run, all of them: many programs have a file of that name."""
    try:
        values, _ = read_yaml(config)
        from_mapping(PretrainSettings, values, str(config))
    except InputError:
        return False
    return {"objective", "backbone", "epochs", "seed"} <= set(values)
