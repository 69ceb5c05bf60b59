"""Metrics, all in percent: top-1 accuracy, average precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, unknown

TOP1, TOP5, PER_CLASS = "top-1 accuracy", "top-5 accuracy", "mean per class accuracy"
# What no image was looked at for: a class drawn at random, and the class of most training images.
CHANCE, MOST_FREQUENT_CLASS = "chance", "most frequent class"


def step_area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the curve as it is: the sum over thresholds of (R_k - R_{k-1}) P_k, scikit-learn's definition.

    Args:
        recall: At falling thresholds, ``[..., t]``.
        precision: At the same, ``[..., t]``.

    Examples:
        >>> import numpy as np
        >>> float(step_area(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])))
        0.8333333333333333
    """
    return np.asarray((np.diff(recall, axis=-1, prepend=0.0) * precision).sum(-1))


def envelope_area(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the envelope, the best precision from each recall on: VOC's rule since 2010 (``VOCap.m``).

    Args:
        recall: At falling thresholds, ``[..., t]``.
        precision: At the same, ``[..., t]``.

    Examples:
        >>> import numpy as np
        >>> float(envelope_area(np.array([0.2, 0.4, 1.0]), np.array([0.5, 0.8, 0.6])))
        0.68
    """
    return step_area(recall, np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1])


def eleven_points(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the recalls 0, 0.1, ..., 1 of the best precision from there on: VOC's rule until 2009.

    A recall that is never reached counts with a precision of zero. The recalls are exact tenths: 3 of 10 positives
    reach 0.3.

    Args:
        recall: At falling thresholds, ``[..., t]``.
        precision: At the same, ``[..., t]``.

    Examples:
        >>> import numpy as np
        >>> float(eleven_points(np.array([0.5, 1.0]), np.array([1.0, 0.5])))
        0.7727272727272727
    """
    best = [np.where(recall >= tenth / 10, precision, 0.0).max(-1, initial=0.0) for tenth in range(11)]
    return np.asarray(sum(best) / 11)


@dataclass(frozen=True)
class AveragePrecision:
    """One of the rules that go by the name of average precision.

    Examples with equal scores come in together, whatever their order; VOC's devkit takes them in the order of its list.

    Args:
        area: From recall and precision at falling thresholds to the number.
        handicap: What is taken from the score of every positive before they are ranked.

    Examples:
        >>> import numpy as np
        >>> scores, positive = np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, False, True, False])
        >>> round(AVERAGE_PRECISIONS["sklearn"](scores, positive), 1)
        83.3
    """

    area: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    handicap: float = 0.0

    def __call__(self, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
        """Average precision of a ranking.

        Args:
            scores: Score of each example, ``[n]``.
            positive: Whether the class holds, ``[n]``.

        Returns:
            Percent; NaN where no example is positive.

        Raises:
            InputError: When a score is no number: it can't be ranked.
        """
        positives = int(positive.sum())
        order, ends = self.ranking(scores, positive)
        if positives == 0:
            return math.nan
        hits = np.cumsum(positive[order])[ends]
        return 100 * float(self.area(hits / positives, hits / (ends + 1)))

    def ranking(
        self, scores: NDArray[np.floating], positive: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Examples by falling score ``[n]``, and where in that order each run of equal scores ends ``[t]``.

        Args:
            scores: Score of each example, ``[n]``.
            positive: Whether the class holds, ``[n]``.

        Raises:
            InputError: When a score is no number: it can't be ranked.
        """
        if np.isnan(scores).any():
            raise InputError("scores that are not a number can't be ranked", mend="training may have diverged")
        if self.handicap:
            scores = scores.astype(np.float64) - self.handicap * positive
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        return order, np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])


average_precision = AveragePrecision(step_area)

AVERAGE_PRECISIONS: dict[str, AveragePrecision] = {
    "sklearn": average_precision,
    # DeeperCluster takes 1e-5 from the scores of positives before it asks scikit-learn. Since equal scores come in
    # together there, this changes nothing among them; it does where a negative is less than 1e-5 below a positive.
    "sklearn-ties-last": AveragePrecision(step_area, handicap=1e-5),
    "voc-11-point": AveragePrecision(eleven_points),
    "voc-area": AveragePrecision(envelope_area),
}


def average_precision_of(ranked: NDArray[np.floating], positives: NDArray[np.floating]) -> float:
    """The same average precision from the scores alone: the mean over positives of the precision down to each.

    Args:
        ranked: Scores of all examples, ascending ``[n]``.
        positives: Scores of the positives among them, ascending ``[p]``.

    Returns:
        Percent; NaN where no example is positive.
    """
    if len(positives) == 0:
        return math.nan
    hits = len(positives) - np.searchsorted(positives, positives, "left")
    taken = len(ranked) - np.searchsorted(ranked, positives, "left")
    return 100 * float(np.mean(hits / taken))


def average_precision_slopes(
    scores_n: NDArray[np.floating], ranked_n: NDArray[np.floating], positives_p: NDArray[np.integer]
) -> tuple[float, NDArray[np.float64]]:
    """The same average precision, and its slope in the weight of each example at weights of one.

    With weights w, and H and T the weights of the positives and of all examples down to a positive, average precision
    is sum w H / T over the positives, over the sum of their w. So the slope in the weight of example k is

        ([k is positive] (H_k / T_k - AP) + sum over positives i not above k ([k is positive] / T_i - H_i / T_i^2)) / p.

    Args:
        scores_n: Score of each example.
        ranked_n: The same, ascending.
        positives_p: Which are positive, one at least.

    Returns:
        Percent, and percent for each example; the slopes sum to zero.
    """
    rising_p = np.sort(scores_n[positives_p])
    hits_p = len(rising_p) - np.searchsorted(rising_p, rising_p, "left")
    taken_p = len(ranked_n) - np.searchsorted(ranked_n, rising_p, "left")
    precision = float((hits_p / taken_p).mean())
    enters, pushes = (np.r_[0.0, np.cumsum(each)] for each in (1 / taken_p, hits_p / taken_p**2))
    below_n = np.searchsorted(rising_p, scores_n, "right")
    slope_n = -pushes[below_n]
    own_p = np.searchsorted(rising_p, scores_n[positives_p], "left")
    slope_n[positives_p] += enters[below_n[positives_p]] + (hits_p / taken_p)[own_p] - precision
    return 100 * precision, 100 * slope_n / len(rising_p)


def chance_average_precision(positives: NDArray[np.integer] | np.integer, count: int) -> NDArray[np.float64]:
    """What a random order reaches on average, in percent.

    A positive at rank i has i - 1 examples before it, of which (p - 1) / (n - 1) are positive on average. With
    H_n = 1 + 1/2 + ... + 1/n the mean over ranks of its precision is (H_n + (p - 1) / (n - 1) (n - H_n)) / n: more than
    the share p / n where positives are few.

    Args:
        positives: How many of the examples are positive, p: for each class.
        count: Number n of examples.
    """
    harmonic = float(np.sum(1 / np.arange(1, count + 1)))
    others = (positives - 1) / max(count - 1, 1)
    return np.asarray(100 * (harmonic + others * (count - harmonic)) / count)


def chance_mean_precision(targets_nK: NDArray[np.integer], learned_K: NDArray[np.bool_] | bool = True) -> float:
    """What a random order reaches, in percent: the mean over the classes that have a positive and a negative.

    Args:
        targets_nK: 1 where the class holds, 0 where not, -1 where it is ignored.
        learned_K: Which classes count.
    """
    positives_K, counted_K = (targets_nK == 1).sum(0), (targets_nK >= 0).sum(0)
    known = np.flatnonzero(learned_K & (positives_K > 0) & (positives_K < counted_K))
    return mean_of_known(np.array([float(chance_average_precision(positives_K[k], int(counted_K[k]))) for k in known]))


def chance_of_classes(classes: int) -> dict[str, float]:
    """What a class drawn at random reaches, whatever the images are of, by the metric: top-1, top-5, mean per class.

    Args:
        classes: Number K of classes.

    Examples:
        >>> chance_of_classes(4)
        {'top-1 accuracy': 25.0, 'top-5 accuracy': 100.0, 'mean per class accuracy': 25.0}
    """
    return {TOP1: 100 / classes, TOP5: 100 * min(5, classes) / classes, PER_CLASS: 100 / classes}


def check_average_precision(name: str) -> None:
    """Refuse the name of an average precision that there is not.

    Raises:
        InputError: When there is none of this name.
    """
    if name not in AVERAGE_PRECISIONS:
        raise unknown("average precision", name, AVERAGE_PRECISIONS)


def average_precisions(
    scores_NK: NDArray[np.floating], targets_NK: NDArray[np.int8], kind: str = "sklearn"
) -> NDArray[np.float64]:
    """Average precision of each class over the examples in which it is not to be ignored.

    Args:
        scores_NK: Score of each class for each example.
        targets_NK: 1 where the class holds, 0 where not, -1 where it is ignored.
        kind: A name in ``AVERAGE_PRECISIONS``.

    Returns:
        Percent ``[K]``; NaN for a class without a positive, or without a negative: every order of it is right.

    Examples:
        >>> import numpy as np
        >>> scores_NK = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.3]])
        >>> average_precisions(scores_NK, np.array([[1, 0], [0, 0], [-1, 1]], dtype=np.int8))
        array([100.,  50.])
    """
    precision_of, found = AVERAGE_PRECISIONS[kind], []
    for scores, targets in zip(scores_NK.T, targets_NK.T, strict=True):
        counted = targets >= 0
        precision = precision_of(scores[counted], targets[counted] == 1)
        found.append(precision if (targets == 0).any() else math.nan)
    return np.array(found)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean over the classes that have a value; NaN where none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def within(scores_NK: NDArray[np.floating], targets_N: NDArray[np.int64], most: int) -> NDArray[np.float64]:
    """The chance that the right class is among the first few, ties broken by lot, ``[N]``: mostly 0 or 1.

    A class that nothing is known of (a score below -1e29) is never among them.

    Args:
        scores_NK: Scores.
        targets_N: The right classes.
        most: How many are the first few.

    Examples:
        >>> import numpy as np
        >>> within(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), np.array([1, 1]), 2)
        array([1., 1.])
    """
    own_N1 = np.take_along_axis(scores_NK, targets_N[:, None], 1)
    above_N = (scores_NK > own_N1).sum(1)
    tied_N = (scores_NK == own_N1).sum(1)
    unknown_N = own_N1[:, 0] < -1e29
    return np.where(unknown_N, 0.0, np.clip((most - above_N) / np.maximum(tied_N, 1), 0.0, 1.0))


def accuracy(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """Share of examples whose predicted class is the right one.

    Examples:
        >>> import numpy as np
        >>> accuracy(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
        75.0
    """
    return 100 * float((predicted == targets).mean())


def accuracies(predicted: NDArray[np.int64], targets: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Accuracy among the examples of each class, ``[K]``; NaN for a class without examples.

    Examples:
        >>> import numpy as np
        >>> accuracies(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), 2).round(1)
        array([ 66.7, 100. ])
    """
    return accuracies_of((predicted == targets).astype(np.float64), targets, classes)


def accuracies_of(right: NDArray[np.float64], targets: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """The same from whether each example was right, or a share in between."""
    all_of = np.bincount(targets, minlength=classes)
    total = np.bincount(targets, weights=right, minlength=classes)
    return np.where(all_of > 0, 100 * total / np.maximum(all_of, 1), np.nan)


def standard_error(percent: float, count: int) -> float:
    """Standard error of a share of ``count`` independent trials, in points.

    Where all of them came out alike the usual formula gives 0, which no number of trials can: there two successes and
    two failures are counted besides (Agresti and Coull 1998).

    Examples:
        >>> round(standard_error(75.0, 100), 2)
        4.33
    """
    share = percent / 100
    if share in (0.0, 1.0):
        share, count = (share * count + 2) / (count + 4), count + 4
    return 100 * math.sqrt(share * (1 - share) / count)


def clustered_error(right: NDArray[np.bool_] | NDArray[np.float64], clusters: NDArray[np.int64]) -> float:
    """Standard error of a mean of outcomes that come in clusters (words or captions of one image), in points.

    Args:
        right: Outcome of each trial, from 0 to 1 ``[n]``; NaN where there is none.
        clusters: The cluster of each trial ``[n]``.
    """
    known = ~np.isnan(right)
    right, (_, cluster) = right[known], np.unique(clusters[known], return_inverse=True)
    totals = np.bincount(cluster, weights=right - right.mean())
    return 100 * math.sqrt(float((totals**2).sum())) / len(right)


def measured(
    scores: NDArray[np.float64], targets: NDArray[Any], classes: int, precision: str
) -> tuple[NDArray[np.float64], float]:
    """The metric for each class and over all, in percent; NaN where there is none.

    Args:
        scores: ``[m, K]``; minus infinity for a class that was not learned.
        targets: Classes ``[m]``, or 1, 0, -1 (left out) ``[m, K]``.
        classes: Number K of classes.
        precision: Which average precision.
    """
    if targets.ndim == 1:
        predicted = scores.argmax(1)
        return accuracies(predicted, targets, classes), accuracy(predicted, targets)
    learned = np.isfinite(scores).all(0)
    per_class = np.full(classes, np.nan)
    per_class[learned] = average_precisions(scores[:, learned], targets[:, learned], precision)
    return per_class, mean_of_known(per_class)
