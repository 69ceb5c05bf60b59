"""Refuses tasks whose number would be meaningless, before anything is computed; smaller defects become warnings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluation.tasks.task import Task, counted


def check_overlap(task: Task) -> None:
    """Refuse a task whose test images are among those the classifier learns from.

    Raises:
        InputError: When an image, by the hash of its content, is on both sides.
    """
    learned = dict(zip(task.train.hashes, task.train.ids, strict=True))
    shared = [
        (learned[each], name) for each, name in zip(task.test.hashes, task.test.ids, strict=True) if each in learned
    ]
    if shared:
        first, second = (Path(name).as_posix() for name in shared[0])
        be = "is" if len(shared) == 1 else "are"
        raise InputError(
            f"{len(shared):,} of {counted(len(task.test), 'test image')} {be} also in training: {second} is {first}, "
            "for one",
            where=task.spec,
            expected="a test on images that were not learned from",
            mend="remove them from one side",
        )


def check_task(task: Task) -> list[str]:
    """Refuse a task whose number would be meaningless, before anything is computed.

    Returns:
        A sentence for each thing that a reader should know.

    Raises:
        InputError: As :func:`check_overlap` and :func:`check_counts`, or when a part is one image many times.
    """
    check_overlap(task)
    for part, what in ((task.train, "training image"), (task.test, "test image")):
        if len(part) > 1 and len(set(part.hashes)) == 1:
            raise InputError(
                f"all {counted(len(part), what)} are copies of one image",
                where=task.spec,
                expected="images that differ",
            )
    return [*task.notes, *check_counts(task)]


def check_counts(task: Task) -> list[str]:
    """Refuse a task that can't be learned, and name classes that can't be learned or tested.

    Returns:
        A sentence for each thing that a reader should know.

    Raises:
        InputError: When there are fewer training images than classes, or no class can be both learned and tested: of
            several labels, none that some images have and others lack on both sides.
    """
    if len(task.train) < len(task.class_names):
        raise InputError(
            f"{counted(len(task.train), 'training image')} for {len(task.class_names):,} classes",
            where=task.spec,
            expected="at least one image a class",
        )
    learned, tested = (
        _positives(targets, len(task.class_names)) for targets in (task.train.targets, task.test.targets)
    )
    if not task.multilabel and learned.sum() < 2:
        raise InputError("all training images are of one class", where=task.spec, expected="two classes or more")
    if not (learned & tested).any():
        raise InputError("no class has an image in both training and test", where=task.spec)
    names = np.array(task.class_names, dtype=object)
    notes = []
    absent = ~learned & ~tested
    if absent.any():
        whence = "mean" if task.multilabel else "per-class numbers"
        notes.append(f"no training or test image of {_listed(names[absent])}: left out of the {whence}")
    if (tested & ~learned).any():
        cost = "left out of the mean" if task.multilabel else "their test images count as wrong"
        notes.append(f"no training image of {_listed(names[tested & ~learned])}: {cost}")
    if (learned & ~tested).any():
        notes.append(f"no test image of {_listed(names[learned & ~tested])}: left out of the per-class numbers")
    if task.multilabel:
        notes += _check_negatives(task, learned, tested)
    return notes


def _check_negatives(task: Task, learned: NDArray[np.bool_], tested: NDArray[np.bool_]) -> list[str]:
    """Name classes that all images of a split have: they can't be learned, or every ranking of them is right."""
    without_learned, without_tested = ((part.targets == 0).any(0) for part in (task.train, task.test))
    names = np.array(task.class_names, dtype=object)
    if not (learned & tested & without_learned & without_tested).any():
        raise InputError(
            "no class can be measured",
            where=task.spec,
            expected="a class that some images have and others lack, in training and in the test",
        )
    notes = []
    everywhere = learned & tested & ~without_learned
    if everywhere.any():
        notes.append(f"no training image without {_listed(names[everywhere])}: can't be learned")
    everywhere = learned & tested & without_learned & ~without_tested
    if everywhere.any():
        notes.append(f"no test image without {_listed(names[everywhere])}: left out of the mean")
    return notes


def _positives(targets: NDArray[np.integer], classes: int) -> NDArray[np.bool_]:
    if targets.ndim == 2:
        return np.asarray((targets == 1).any(0))
    return np.bincount(targets, minlength=classes) > 0


def _listed(names: Sequence[str] | NDArray[np.object_]) -> str:
    shown = ", ".join(str(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more classes"
