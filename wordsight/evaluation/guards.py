"""What makes a probe's number worthless, found before it is computed or said beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from wordsight.errors import InputError
from wordsight.evaluation.intervals import paired_test
from wordsight.evaluation.outcomes import Outcomes
from wordsight.evaluation.tasks.task import Task, counted

# Spread of a feature below which it is rounding, not signal, relative to its size.
_FLAT = 1e-6


def check_weights(network: nn.Module, name: str) -> None:
    """Refuse a network whose weights are no numbers, whatever is to be asked of it.

    Args:
        network: The network: its parameters and running statistics are looked at.
        name: What it is called.

    Raises:
        InputError: When one is NaN.
    """
    broken = [part for part, tensor in network.state_dict().items() if bool(tensor.isnan().any())]
    if broken:
        raise InputError(
            f"its weights are no finite numbers: {broken[0]} holds NaN",
            where=name,
            mend="training diverged: lower the learning rate, or train in float32",
        )


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
    """Refuse a task whose number would be worth nothing, before anything is computed.

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
    """Name classes that every image has, on one of the sides: nothing tells them from others, and no order is wrong."""
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


def check_features(features: NDArray[np.float32], what: str, where: str = "") -> list[str]:
    """Refuse features that hold no information, and count those that are constant.

    Args:
        features: Training features ``[n, C]``.
        what: Whose they are, for the sentence.
        where: Where they come from, for errors; "" for the same as `what`.

    Returns:
        A sentence where some features are constant.

    Raises:
        InputError: When a feature is not a finite number, or all are constant over two images or more.
    """
    bad = ~np.isfinite(features)
    broken = int(bad.any(1).sum())
    if broken:
        raise InputError(
            f"{broken:,} of {counted(len(features), 'image')} {'has' if broken == 1 else 'have'} features that are no "
            "finite number",
            where=where or what,
            mend="training diverged: lower the learning rate, or train in float32",
        )
    if len(features) < 2:
        return []
    constant = flat(features.std(0, dtype=np.float64), np.abs(features).max(0))
    if constant.all():
        raise InputError(
            f"all {features.shape[1]:,} features are the same for every image",
            where=where or what,
            mend="unless the images are all alike, the backbone has collapsed: lower the learning rate, or look at its "
            "loss",
        )
    if constant.mean() > 0.1:
        return [f"{int(constant.sum()):,} of {len(constant):,} features of {what} are constant"]
    return []


def flat(spread_C: NDArray[np.floating], largest_C: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which features have no spread.

    Args:
        spread_C: Standard deviation of each feature.
        largest_C: Its largest absolute value.
    """
    return np.asarray(spread_C <= _FLAT * np.maximum(largest_C, 1e-30))


def compare_with_random(
    found: Outcomes, random: Outcomes, at: str = "", draws: Sequence[tuple[float, float]] = ()
) -> list[str]:
    """A sentence where a trained backbone is below the same network with random weights.

    That training did harm is said only where the difference is more than the choice of test images can make.

    Args:
        found: What became of the test images.
        random: The same under the random weights.
        at: At what both were measured ("k = 5"), where that was a choice.
        draws: The values of both in each draw of the training images, in percent, where there were several.
    """
    value, other = found.value, random.value
    if math.isnan(value) or math.isnan(other) or value >= other:
        return []
    test = paired_test([found], [random])
    if draws:
        test = test.over_draws([mine - theirs for mine, theirs in draws])
    low, high = test.interval
    what = f"the same network with random weights{f' at {at}' if at else ''}"
    numbers = f"{value:.1f} against {other:.1f}, 95 % interval of the difference {low:+.1f} to {high:+.1f}"
    return [f"worse than {what} ({numbers}): training did harm" if high < 0 else f"not better than {what} ({numbers})"]
