"""What became of each test image: kept beside a result, so that two runs can be compared image by image.

``results/<task>/<protocol>.npz`` holds the hashes of the images (``ids``), and for accuracy whether each was right
(``correct``), for mean average precision the scores and targets of every class and the rule's name (``rule``); of
further metrics their names (``further``) and each image's part in them (``parts``).

A metric that is no plain mean over images (the mean over classes, recall over captions of which some images have more
than others) is written as one all the same: an image's part in it is the value plus the slope of the value in that
image's weight, times the number of images (its influence function, Hampel 1974). The mean of the parts is the value,
and their mean in a draw of images is the value of that draw, to first order: so one bootstrap serves every metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.arrays import DAMAGED
from wordsight.atomic import atomic_file
from wordsight.disk import unreadable
from wordsight.errors import InputError
from wordsight.evaluation.metrics.classification import (
    AVERAGE_PRECISIONS,
    PER_CLASS,
    TOP5,
    average_precisions,
    mean_of_known,
    within,
)


@dataclass(frozen=True)
class Outcomes:
    """What became of n test images; either ``correct``, or ``scores`` with ``targets``.

    Args:
        ids: What the images are known by whoever looks at them, their hashes, ``[n]``.
        correct: 1 where the answer was right, 0 where not, a share in between, or the image's part in a metric that is
            no plain mean over images: the mean of these is the value, ``[n]``.
        scores: Score of each class, ``[n, K]``; a class with a score that is not finite was not learned.
        targets: 1 where the class holds, 0 where not, -1 where it is ignored, ``[n, K]``.
        rule: Which average precision, a name in ``AVERAGE_PRECISIONS``.
        further: The same as ``correct`` for further metrics, by name.
    """

    ids: NDArray[np.str_]
    correct: NDArray[np.float64] | None = None
    scores: NDArray[np.floating] | None = None
    targets: NDArray[np.int8] | None = None
    rule: str = "sklearn"
    further: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.correct is None) == (self.scores is None) or (self.scores is None) != (self.targets is None):
            raise ValueError("give either correct, or scores and targets")
        arrays = {name: getattr(self, name) for name in ("correct", "scores", "targets")} | dict(self.further)
        for name, array in arrays.items():
            wanted = 2 if name in ("scores", "targets") else 1
            if array is not None and (array.ndim != wanted or len(array) != len(self.ids)):
                raise ValueError(f"{name} is {array.shape} for {len(self.ids)} images")
        if self.scores is not None and self.targets is not None and self.scores.shape != self.targets.shape:
            raise ValueError(f"scores are {self.scores.shape}, targets {self.targets.shape}")
        if self.rule not in AVERAGE_PRECISIONS:
            raise ValueError(f"unknown average precision {self.rule!r}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def metric(self) -> str:
        """What :attr:`value` is."""
        return "accuracy" if self.correct is not None else "mAP"

    @property
    def value(self) -> float:
        """Accuracy, or mean average precision over the classes that were learned and have a positive; in percent."""
        if self.correct is not None:
            return 100 * float(self.correct.mean())
        scores, targets = self.learned
        return mean_of_known(average_precisions(scores, targets, self.rule))

    @property
    def learned(self) -> tuple[NDArray[np.floating], NDArray[np.int8]]:
        """Scores and targets of the classes that were learned, ``[n, K']`` each."""
        if self.scores is None or self.targets is None:
            raise ValueError("these are outcomes of an accuracy")
        kept = np.isfinite(self.scores).all(0)
        return self.scores[:, kept], self.targets[:, kept]

    @property
    def more(self) -> dict[str, float]:
        """The values of the further metrics, in percent."""
        return {name: 100 * float(parts.mean()) for name, parts in self.further.items()}

    def of(self, metric: str) -> Outcomes | None:
        """The outcomes of one of the further metrics; None where they were not kept.

        Args:
            metric: Its name, as in a result's ``more``.
        """
        return Outcomes(self.ids, correct=self.further[metric]) if metric in self.further else None

    def ordered_as(self, ids: NDArray[np.str_]) -> Outcomes:
        """The same outcomes with the images in another order.

        Args:
            ids: The same images. Copies of an image keep their order.

        Raises:
            InputError: When they are others.
        """
        if np.array_equal(self.ids, ids):
            return self
        mine, theirs = np.argsort(self.ids, kind="stable"), np.argsort(ids, kind="stable")
        if len(ids) != len(self.ids) or not np.array_equal(self.ids[mine], ids[theirs]):
            raise InputError("outcomes of two runs are about other images", mend="evaluate both on the same task")
        rows = np.empty(len(ids), dtype=np.int64)
        rows[theirs] = mine

        def some(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[rows]

        further = {name: parts[rows] for name, parts in self.further.items()}
        return Outcomes(self.ids[rows], some(self.correct), some(self.scores), some(self.targets), self.rule, further)


def outcomes_of(
    hashes: Sequence[str], scores: NDArray[np.floating], targets: NDArray[Any], rule: str = "sklearn"
) -> Outcomes:
    """What became of the test images of a task.

    Args:
        hashes: Hash of each image, ``[n]``.
        scores: Score of each class, ``[n, K]``.
        targets: Classes ``[n]``, or 1, 0, -1 (ignored) ``[n, K]``.
        rule: Which average precision, for several labels.
    """
    if targets.ndim == 1:
        return classified(hashes, scores.argmax(1) == targets, targets, first_five(scores, targets))
    ids = np.array(list(hashes), dtype=np.str_)
    return Outcomes(ids, scores=scores, targets=targets.astype(np.int8), rule=rule)


def classified(
    hashes: Sequence[str],
    right_n: NDArray[Any],
    targets_n: NDArray[np.int64],
    five_n: NDArray[np.float64] | None = None,
) -> Outcomes:
    """What became of test images with one label each: top-1, and beside it the mean over classes, and top-5.

    Args:
        hashes: Hash of each image, ``[n]``.
        right_n: Whether the first guess was right, or a share in between.
        targets_n: Their classes.
        five_n: The chance that the right class is among the first five; None for no top-5.
    """
    right = right_n.astype(np.float64)
    further = {}
    if five_n is not None:
        further[TOP5] = five_n
    further[PER_CLASS] = parts_of_class_mean(right, targets_n)
    return Outcomes(np.array(list(hashes), dtype=np.str_), correct=right, further=further)


def first_five(scores_nK: NDArray[np.floating], targets_n: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The chance that each image's class is among its five highest; None of five classes or fewer: anybody has 100 %.

    Args:
        scores_nK: Score of each class.
        targets_n: The right classes.
    """
    return within(scores_nK, targets_n, 5) if scores_nK.shape[1] > 5 else None


def averaged(outcomes: Sequence[Outcomes]) -> Outcomes:
    """The mean of several outcomes of the same images in the same order, such as of several draws.

    Args:
        outcomes: Outcomes of accuracies, all with the same further metrics.
    """
    first = outcomes[0]
    further = {name: np.mean([one.further[name] for one in outcomes], axis=0) for name in first.further}
    correct = np.mean([one.correct for one in outcomes if one.correct is not None], axis=0)
    return Outcomes(first.ids, correct=correct, further=further)


def parts_of_class_mean(right_n: NDArray[np.float64], targets_n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each image's part in the mean over classes of the share that is right, ``[n]``; their mean is that mean.

    Args:
        right_n: Whether each image was right.
        targets_n: Its class; a class without an image is not in the mean.
    """
    classes, class_n, count_C = np.unique(targets_n, return_inverse=True, return_counts=True)
    share_C = np.bincount(class_n, weights=right_n) / count_C
    slope_n = (right_n - share_C[class_n]) / count_C[class_n]
    return np.asarray(share_C.mean() + len(right_n) / len(classes) * slope_n)


def parts_of_ratio(total_n: NDArray[np.float64], weight_n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each image's part in the sum of some totals over the sum of some weights, ``[n]``; their mean is that ratio.

    Args:
        total_n: How many of an image's questions were right.
        weight_n: How many it had.
    """
    value = float(total_n.sum() / weight_n.sum())
    return np.asarray(value + (total_n - value * weight_n) / weight_n.mean())


def write_outcomes(file: Path, outcomes: Outcomes) -> None:
    """Write outcomes, whole or not at all.

    Args:
        file: The ``.npz`` file.
        outcomes: What became of each test image.
    """
    arrays: dict[str, NDArray[Any]] = {"ids": np.asarray(outcomes.ids, dtype=np.str_)}
    if outcomes.correct is not None:
        arrays["correct"] = outcomes.correct
    if outcomes.scores is not None and outcomes.targets is not None:
        arrays |= {"scores": outcomes.scores, "targets": outcomes.targets, "rule": np.array(outcomes.rule)}
    if outcomes.further:
        arrays |= {"further": np.array(list(outcomes.further)), "parts": np.stack(list(outcomes.further.values()))}
    with atomic_file(file) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_outcomes(file: Path) -> Outcomes:
    """Read outcomes that :func:`write_outcomes` wrote.

    Args:
        file: The ``.npz`` file.

    Raises:
        InputError: When it is absent or holds something else.
    """
    try:
        with file.open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise ValueError("one array alone")
            rule = str(content["rule"]) if "rule" in content else "sklearn"
            given = {name: content[name] for name in ("correct", "scores", "targets") if name in content}
            named = content["further"].tolist() if "further" in content else []
            further = dict(zip(map(str, named), content["parts"], strict=True)) if named else {}
            if any(array.dtype.kind not in "fiub" for array in (*given.values(), *further.values())):
                raise ValueError("no numbers")
            return Outcomes(content["ids"], **given, rule=rule, further=further)
    except FileNotFoundError as error:
        raise InputError("is not there", where=file, mend="evaluate the run again: it is written then") from error
    except PermissionError as error:
        raise unreadable(error, file) from error
    except (OSError, *DAMAGED) as error:
        raise InputError("holds no outcomes", where=file, mend="remove it and evaluate again") from error
