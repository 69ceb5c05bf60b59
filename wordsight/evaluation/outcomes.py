"""What became of each test image: kept beside a result, so that two runs can be compared image by image.

``results/<task>/<protocol>.npz`` holds the hashes of the images (``ids``), and for accuracy whether each was right
(``correct``), for mean average precision the scores and targets of every class and the rule's name (``rule``).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.atomic import atomic_file
from wordsight.errors import InputError
from wordsight.evaluation.metrics import AVERAGE_PRECISIONS, average_precisions, mean_of_known


@dataclass(frozen=True)
class Outcomes:
    """What became of n test images; either ``correct``, or ``scores`` with ``targets``.

    Args:
        ids: What the images are known by whoever looks at them, their hashes, ``[n]``.
        correct: 1 where the answer was right, 0 where not, or a share in between, ``[n]``.
        scores: Score of each class, ``[n, K]``; a class with a score that is not finite was not learned.
        targets: 1 where the class holds, 0 where not, -1 where it is ignored, ``[n, K]``.
        rule: Which average precision, a name in ``AVERAGE_PRECISIONS``.
    """

    ids: NDArray[np.str_]
    correct: NDArray[np.float64] | None = None
    scores: NDArray[np.floating] | None = None
    targets: NDArray[np.int8] | None = None
    rule: str = "sklearn"

    def __post_init__(self) -> None:
        if (self.correct is None) == (self.scores is None) or (self.scores is None) != (self.targets is None):
            raise ValueError("give either correct, or scores and targets")
        for name in ("correct", "scores", "targets"):
            array, wanted = getattr(self, name), 1 if name == "correct" else 2
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

        return Outcomes(self.ids[rows], some(self.correct), some(self.scores), some(self.targets), self.rule)


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
    ids = np.array(list(hashes), dtype=np.str_)
    if targets.ndim == 1:
        return Outcomes(ids, correct=(scores.argmax(1) == targets).astype(np.float64))
    return Outcomes(ids, scores=scores, targets=targets.astype(np.int8), rule=rule)


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
            return Outcomes(content["ids"], **given, rule=rule)
    except FileNotFoundError as error:
        raise InputError("is not there", where=file, mend="evaluate the run again: it is written then") from error
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError("holds no outcomes", where=file, mend="remove it and evaluate again") from error
